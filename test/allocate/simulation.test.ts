import { expect, test } from 'vitest'
import type { LedgerEntry } from '../../src/model/forecast.js'

interface Asked {
  readonly at: number
  readonly tenant: string
  readonly sql: string
  readonly recurring: boolean
}
type Simulate = (options: object) => Promise<{ readonly entries: readonly LedgerEntry[] }>

test('the simulation of the benchmarks runs the decision code of today', async () => {
  const module = new URL('../../bench/support/simulated-company.mjs', import.meta.url).href
  const { simulate } = (await import(module)) as { readonly simulate: Simulate }
  const day = 24 * 3_600_000
  const from = Date.UTC(2026, 5, 1)
  const daily = (first: number, last: number): readonly Asked[] =>
    Array.from({ length: last - first }, (_, index) => {
      const at = from + (first + index) * day + 9 * 3_600_000
      return { at, tenant: 'team', sql: 'SELECT sum(v) FROM orders', recurring: true }
    })
  const { entries } = await simulate({
    history: daily(-14, 0),
    events: daily(0, 3).flatMap((asked) => [{ at: asked.at - 3_600_000, load: true }, asked]),
    mode: 'proactive',
    keepAliveMs: 60_000,
    heldOutShare: 0,
    from,
    until: from + 3 * day,
  })
  expect(entries.filter(({ action, outcome }) => action === 'precompute' && outcome === 'used')).toHaveLength(3)
})
