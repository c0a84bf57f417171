import { execFileSync, spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'

/** The scenario of `npm run chaos` that lets the n-th file call fail, on some of the calls; which ones the seed says. */
function someCalls(part: string, seconds: number): string {
  const main = new URL('../../scripts/chaos/main.mjs', import.meta.url).pathname
  const chosen = ['--only', 'disk-calls', '--part', part, '--seconds', String(seconds), '--seed', '1']
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...chosen], { encoding: 'utf8', timeout: 100_000 })
  if (status !== 0) throw new Error(`${stdout}\n${stderr}`)
  return stdout
}

function hasCompiler(): boolean {
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' })
    return process.platform === 'linux'
  } catch {
    return false
  }
}

it('keeps what was promised when a file call fails: EIO, ENOSPC, a short write, an outage, a kill', { timeout: 120_000 }, ({
  skip,
}) => {
  skip(!hasCompiler(), 'file calls can only be made to fail on Linux with a C compiler (cc)')
  const said = someCalls('journal', 180)
  for (const mode of ['EIO', 'ENOSPC', 'short write', 'outage', 'kill']) {
    expect(said).toMatch(new RegExp(`ok {3}journal, ${mode}: [1-9]\\d* runs`))
  }
  expect(said).not.toContain('left out')
})
