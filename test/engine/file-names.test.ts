import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openUnderTest, type UnderTest, until } from './engine-under-test.js'

/** Files whose names are patterns to DuckDB, each beside one that its pattern would find. */
let under: UnderTest
beforeAll(async () => {
  under = await openUnderTest([], { packing: true, limits: { idleMs: 100 } })
  const put = (path: string, value: number) =>
    under.duckdb(`COPY (SELECT ${value} AS v FROM range(1000)) TO '$DATA/${path}.parquet' (FORMAT parquet)`)
  for (const [path, value] of files) await put(path, value)
}, 60_000)
afterAll(() => under?.close(), 60_000)

const files = [
  ['g[1]', 5],
  ['g1', 6],
  ['st*r', 7],
  ['star', 8],
  ['many/s[1]', 1],
  ['many/s1', 100],
  ['many/s?', 10_000],
] as const

describe('a file whose name is a pattern', () => {
  it.each(files.slice(0, 4))('is read alone: %s', async (table, value) => {
    const { rows } = await under.query(`SELECT v, count(*) AS n FROM "${table}" GROUP BY v`)
    expect(rows).toEqual([[value, 1000]])
    expect(under.catalog.current(table)?.segments.map((segment) => segment.rows)).toEqual([1000])
  })

  it.each(['never', 'always'] as const)('is one of its table like others: tree %s', async (tree) => {
    const { rows } = await under.query('SELECT v, count(*) AS n FROM many GROUP BY v ORDER BY v', { tree, reuse: false })
    expect(rows).toEqual([1, 100, 10_000].map((value) => [value, 1000]))
  })

  it('gives a pack its own rows', async () => {
    await until(() => under.engine.packs().some(({ dataset }) => dataset === 'many'), 'a pack')
    const { rows } = await under.query('SELECT sum(v)::BIGINT AS s FROM many', { reuse: false })
    expect(rows.map((row) => row.map(Number))).toEqual([[10_101_000]])
  })
})
