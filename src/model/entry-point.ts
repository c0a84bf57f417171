/**
 * The compiled file behind a process or thread entry. Under a test runner modules load from src/, but Node 20 cannot run
 * TypeScript in a child process, so children always start from dist/.
 */
export function entryPoint(name: string, importMetaUrl: string): URL {
  const url = new URL(name, importMetaUrl)
  return new URL(url.href.replace(/\/src\/([^?]*)\.ts$/, '/dist/$1.js').replace(/\/src\/([^?]*\.js)$/, '/dist/$1'))
}
