import { gzipSync } from 'node:zlib'
import { expect, it, vi } from 'vitest'
import type { Identity, LoggedQuery } from '../../src/predict/log-line.js'
import { Predictor } from '../../src/predict/predictor.js'
import { type LearnRooms, learnFrom } from '../../src/server/learn-from.js'

/** A predictor that keeps what it learns, and a planner that counts what it plans. */
function rooms() {
  const learned: Identity[] = []
  const plan = vi.fn(async ({ sql }: { readonly sql: string }) => ({
    fingerprint: `of ${sql.length}`,
    literals: [],
    reads: [{ dataset: 'sales' }],
  }))
  const predictor = { learn: (_: LoggedQuery, identity: Identity) => learned.push(identity) } as unknown as Predictor
  const given = { predictor, planner: { plan }, clock: { now: () => 0 } } as unknown as LearnRooms
  return { given, plan, learned }
}

const line = (sql: string): string =>
  `${JSON.stringify({ at: 1, tenant: 't', template: 'q', args: [], sql, kind: 'read', reads: [], durationMs: 1, queuedMs: 0, clusterSize: 1 })}\n`

async function* body(parts: readonly (string | Uint8Array)[], failure?: Error): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part as string)
  if (failure !== undefined) throw failure
}

it('plans a statement once, and gives every line its own text', async () => {
  const { given, plan, learned } = rooms()
  expect(await learnFrom(body([line('SELECT 1'), line('SELECT 1'), line('SELECT 22')]), given)).toMatchObject({ learned: 3 })
  expect(plan).toHaveBeenCalledTimes(2)
  expect(learned.map(({ sql, fingerprint, datasets }) => [sql, fingerprint, datasets])).toEqual([
    ['SELECT 1', 'of 8', ['sales']],
    ['SELECT 1', 'of 8', ['sales']],
    ['SELECT 22', 'of 9', ['sales']],
  ])
})

it('forecasts from now on, whatever a line says of the far future', async () => {
  const day = 86_400_000
  const now = Date.UTC(2026, 0, 31)
  const at = (time: number): string => line('SELECT 1').replace('"at":1', `"at":${time}`)
  const predictor = new Predictor({ clock: { now: () => now, monotonic: () => 0 } })
  const given = { ...rooms().given, predictor, clock: { now: () => now } } as unknown as LearnRooms
  const past = Array.from({ length: 20 }, (_, index) => at(now - (20 - index) * day + 9 * 3_600_000))
  expect(await learnFrom(body([...past, at(Date.UTC(2199, 0, 1))]), given)).toMatchObject({
    learned: 20,
    bad: [{ line: 21, reason: '`at` is in the future' }],
  })
  expect(predictor.arrivals.forecast(now, day)).toMatchObject([{ tenant: 't', at: now + 9 * 3_600_000 }])
})

it.each([
  ['at once', []],
  ['after a line', [line('SELECT 1')]],
  ['within gzip', [gzipSync(line('SELECT 1')).subarray(0, 20)]],
])('names a log that broke off %s as its fault', async (_, parts) => {
  await expect(learnFrom(body(parts, new Error('aborted')), rooms().given)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
})
