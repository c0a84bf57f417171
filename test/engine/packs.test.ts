import { statSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openUnderTest, type UnderTest, until } from './engine-under-test.js'

let under: UnderTest
const file = (number: number): string =>
  `COPY (SELECT i % 5 AS k, i + ${number} AS v, 'text ' || i AS t FROM range(3000) t(i)) TO '$DATA/log/part-${number}.parquet'`
const sql = 'SELECT k, sum(v) AS s FROM log GROUP BY k ORDER BY k'

beforeAll(async () => {
  under = await openUnderTest([0, 1].map(file), { packing: true, limits: { idleMs: 200 } })
}, 120_000)
afterAll(() => under?.close(), 60_000)

async function expected(): Promise<readonly (readonly number[])[]> {
  const rows = await under.duckdb(`SELECT k, sum(v)::BIGINT FROM read_parquet('$DATA/log/*.parquet') GROUP BY k ORDER BY k`)
  return rows.map((row) => row.map(Number))
}

describe('packs', () => {
  it('are built of columns that were read three times, when nothing runs', async () => {
    for (let round = 0; round < 3; round++) await under.query(sql, { reuse: false })
    await until(() => under.engine.packs().length > 0, 'a pack')
    const [pack] = under.engine.packs()
    expect(pack).toMatchObject({ dataset: 'log', columns: ['k', 'v'] })
    expect(statSync(pack?.path ?? '').size).toBeGreaterThan(0)
    await until(() => under.recorder.events.some((event) => event.kind === 'pack'), 'its lineage')
  })

  it('are read instead of files, whole and split', async () => {
    for (const tree of ['never', 'always'] as const) {
      const { rows, status } = await under.query(sql, { reuse: false, tree })
      expect(rows.map((row) => row.map(Number))).toEqual(await expected())
      expect(status.actual?.tiers).toMatchObject({ parquet: 0 })
      expect(status.actual?.tiers.pack).toBeGreaterThan(0)
    }
    expect(under.engine.warmOn(under.catalog.current('log')?.segments.map((s) => s.id) ?? []).size).toBe(2)
  })

  it('go together with files that are not packed', async () => {
    await under.duckdb(file(2))
    for (const tree of ['never', 'always'] as const) {
      const { rows, status } = await under.query(sql, { reuse: false, tree })
      expect(rows.map((row) => row.map(Number))).toEqual(await expected())
      expect(status.actual?.tiers).toMatchObject({ pack: 2, parquet: 1 })
    }
  })

  it('serve only queries of whose columns they have all', async () => {
    const { status } = await under.query('SELECT max(t) FROM log', { reuse: false })
    expect(status.actual?.tiers).toMatchObject({ pack: 0, parquet: 3 })
  })

  it('go when their data has gone', async () => {
    const ids = under.engine.packs().map((pack) => pack.id)
    await under.duckdb(file(0))
    await under.duckdb(file(1))
    await under.query(sql, { reuse: false })
    await until(() => !under.engine.packs().some((pack) => ids.includes(pack.id)), 'the end of the stale pack')
    expect((await under.query(sql, { reuse: false })).rows.map((row) => row.map(Number))).toEqual(await expected())
  })
})

describe('the actuator', () => {
  const expectedQuery = { sql: 'SELECT k, count(*) AS n FROM log GROUP BY k', params: {}, tenant: 'test', timeZone: 'UTC' }

  it('says how ready a query is, and computes it ahead', async () => {
    const signal = AbortSignal.timeout(20_000)
    const { actuator } = under.engine
    const before = await actuator.readiness(expectedQuery, signal)
    expect(before).toMatchObject({ answerStored: false, repeatable: true, datasets: ['log'], absentNodes: [] })
    expect(before.segments).toHaveLength(3)
    const history = under.recorder.queries.length
    await actuator.precompute(expectedQuery, signal)
    expect((await actuator.readiness(expectedQuery, signal)).answerStored).toBe(true)
    expect(under.recorder.queries.length).toBe(history)
    expect(under.activities.some((each) => each.type === 'arrival' && each.sql === expectedQuery.sql)).toBe(false)
    const { status } = await under.query(expectedQuery.sql)
    expect(status.actual).toMatchObject({ reused: true, tasks: 0 })
    expect(under.activities).toContainEqual(expect.objectContaining({ type: 'prefetch', outcome: 'used' }))
  })

  it('builds and warms packs', async () => {
    const signal = AbortSignal.timeout(20_000)
    const { actuator } = under.engine
    const query = { ...expectedQuery, sql: 'SELECT max(t) FROM log' }
    const [missing] = (await actuator.readiness(query, signal)).missingPacks
    expect(missing).toMatchObject({ dataset: 'log', columns: ['t'] })
    if (missing === undefined) return
    const cost = await actuator.buildPack(missing, signal)
    expect(cost.heldBytes).toBeGreaterThan(0)
    // More than one where builds have given way to queries before, so that they go in smaller pieces.
    const { coldPacks } = await actuator.readiness(query, signal)
    expect(coldPacks).not.toHaveLength(0)
    for (const { pack, node, columns } of coldPacks) await actuator.warmPack(pack, node, columns, signal)
    expect(await actuator.readiness(query, signal)).toMatchObject({ missingPacks: [], coldPacks: [] })
  })
})
