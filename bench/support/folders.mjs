import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** True for a short pass: the same work with fewer repetitions. */
export const quick = process.argv.includes('--quick')

/** Runs some work in a folder of its own, which goes afterwards. */
export async function inFolder(name, work) {
  const folder = mkdtempSync(join(tmpdir(), `forebay-bench-${name}-`))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Waits until a question is answered with true, asking every `everyMs`; false when it is not within `patienceMs`. */
export async function until(question, patienceMs, everyMs = 200) {
  const deadline = performance.now() + patienceMs
  while (performance.now() < deadline) {
    if (await question()) return true
    await new Promise((done) => setTimeout(done, everyMs))
  }
  return false
}
