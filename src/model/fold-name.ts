/** Lower case as DuckDB compares names: ASCII letters only, so that `Ä` and `ä` are two names. */
export function foldName(name: string): string {
  return !/[A-Z]/.test(name) ? name : name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}
