import { afterAll, beforeAll, expect, it } from 'vitest'
import type { QueryRequest } from '../../src/model/query.js'
import { openUnderTest, requestOf, type UnderTest, until } from './engine-under-test.js'

/** Tables whose columns have other types with each file. */
let under: UnderTest
beforeAll(async () => {
  under = await openUnderTest([], { packing: true, limits: { idleMs: 100 } })
}, 60_000)
afterAll(() => under?.close(), 60_000)

const put = (table: string, name: string, select: string) =>
  under.duckdb(`COPY (${select}) TO '$DATA/${table}/${name}.parquet' (FORMAT parquet)`)

/** Both answers, of Forebay and of DuckDB; the statement has `$T` for the table. */
async function both(table: string, sql: string, options: Partial<QueryRequest> = {}) {
  const { rows } = await under.query(sql.replace('$T', table), options)
  const files = `read_parquet('$DATA/${table}/**/*.parquet', union_by_name = true, hive_partitioning = true)`
  const plain = await under.duckdb(sql.replace('$T', files))
  return { ours: rows.map((row) => row.map(String)), plain: plain.map((row) => row.map(String)) }
}

it('makes partials anew when a new file gives a column another type', async () => {
  await put('grown', 'a', 'SELECT i % 2 AS k, 1::INTEGER AS v FROM range(100) t(i)')
  await put('grown', 'b', 'SELECT i % 2 AS k, 2::INTEGER AS v FROM range(100) t(i)')
  const sql = 'SELECT v::VARCHAR AS s, count(*) AS n FROM $T GROUP BY s ORDER BY s'
  const first = await both('grown', sql, { tree: 'always' })
  expect(first.ours).toEqual(first.plain)
  await put('grown', 'c', 'SELECT i % 2 AS k, 1::DOUBLE AS v FROM range(100) t(i)')
  const second = await both('grown', sql, { tree: 'always' })
  expect(second.plain.map(([text]) => text)).toEqual(['1.0', '2.0'])
  expect(second.ours).toEqual(second.plain)
  const most = await both('grown', 'SELECT max(v) AS m FROM $T', { tree: 'always' })
  expect(most.ours.map(([value]) => Number(value))).toEqual(most.plain.map(([value]) => Number(value)))
})

it('reads no pack in which a column has another type', async () => {
  await put('packed', 'a', 'SELECT 1 AS k, 1::INTEGER AS v FROM range(1000) t(i)')
  const sql = 'SELECT DISTINCT v::VARCHAR AS s FROM $T WHERE k = 1'
  for (let round = 0; round < 3; round++) await both('packed', sql, { reuse: false })
  await until(() => under.engine.packs().some(({ dataset }) => dataset === 'packed'), 'a pack')
  expect((await both('packed', sql, { reuse: false })).ours).toEqual([['1']])
  await put('packed', 'b', 'SELECT 2 AS k, 1.5::DOUBLE AS v FROM range(1000) t(i)')
  const { ours, plain } = await both('packed', sql, { reuse: false })
  expect(plain).toEqual([['1.0']])
  expect(ours).toEqual(plain)
})

it.each(['TIMESTAMP', 'VARCHAR'])(
  'reads moments in the time zone of the query where another file has %s: no pack',
  async (type) => {
    const table = `moments_${type.toLowerCase()}`
    const moment = (name: string, as: string) =>
      put(table, name, `SELECT 1 AS k, '2024-07-01 12:00:00'::${as} AS ts FROM range(1000)`)
    await moment('a', type)
    await moment('b', 'TIMESTAMPTZ')
    const timeZone = 'Europe/Berlin'
    const sql = 'SELECT k, min(ts)::VARCHAR AS first, max(ts)::VARCHAR AS last FROM $T GROUP BY k'
    await under.duckdb(`SET TimeZone = '${timeZone}'`)
    try {
      for (let round = 0; round < 3; round++) {
        const { ours, plain } = await both(table, sql, { reuse: false, timeZone })
        expect(ours).toEqual(plain)
      }
      for (let round = 0; round < 3; round++) await both(table, 'SELECT sum(k) FROM $T', { reuse: false })
      await until(() => under.engine.packs().some(({ dataset }) => dataset === table), 'a pack')
      const { ours, plain } = await both(table, sql, { reuse: false, timeZone })
      expect(ours).toEqual(plain)
      expect(under.engine.packs().flatMap(({ dataset, columns }) => (dataset === table ? columns : []))).toEqual(['k'])
    } finally {
      await under.duckdb(`SET TimeZone = 'UTC'`)
    }
  },
)

it.each(['never', 'always'] as const)(
  'casts each file to the type of the table, whatever is read with it: tree %s',
  async (tree) => {
    const table = `mixed_${tree}`
    await put(table, 'a', 'SELECT 1 AS k, 16777217::BIGINT AS v')
    await put(table, 'b', 'SELECT 2 AS k, 1.5::FLOAT AS v')
    await put(table, 'c', 'SELECT 3 AS k, 2.5::DOUBLE AS v')
    const numbers = await both(table, 'SELECT k, v FROM $T WHERE k < 3 ORDER BY k', { tree })
    expect(numbers.plain[0]?.map(Number)).toEqual([1, 16777217])
    expect(numbers.ours.map((row) => row.map(Number))).toEqual(numbers.plain.map((row) => row.map(Number)))
    await put(table, 'd', `SELECT 4 AS k, 'x' AS v`)
    const texts = await both(table, 'SELECT k, v FROM $T WHERE k < 4 ORDER BY k', { tree })
    expect(texts.plain[0]).toEqual(['1', '16777217'])
    expect(texts.ours).toEqual(texts.plain)
  },
)

const objectNames = ['constructor', 'toString', '__proto__', 'valueOf']

it.each(['never', 'always'] as const)('reads columns that have the names of what every object has: tree %s', async (tree) => {
  const table = `named_${tree}`
  const columns = objectNames.map((name, index) => `i + ${index} AS "${name}"`).join(', ')
  await put(table, 'a', `SELECT ${columns} FROM range(5) t(i)`)
  await put(table, 'b', `SELECT ${columns} FROM range(5) t(i)`)
  const all = `SELECT ${objectNames.map((name) => `"${name}"`).join(', ')} FROM $T ORDER BY ALL`
  const alike = await both(table, all, { tree })
  expect(alike.ours).toEqual(alike.plain)
  await put(table, 'c', 'SELECT i AS "toString", 1.5 AS other FROM range(5) t(i)')
  for (const sql of [all, 'SELECT * FROM $T ORDER BY ALL', 'SELECT count(*) AS n FROM $T WHERE constructor > 2']) {
    const mixed = await both(table, sql, { tree })
    expect(mixed.ours).toEqual(mixed.plain)
  }
  const segments = under.catalog.current(table)?.segments ?? []
  expect(segments.map(({ columnBytes }) => Object.values(columnBytes).every(Number.isInteger))).toEqual([true, true, true])
})

it.each(['never', 'always'] as const)('takes a key of the path for a column that some files have too: tree %s', async (tree) => {
  const table = `keyed_${tree}`
  await put(table, 'p=2024-01-01/a', 'SELECT i AS a FROM range(5) t(i)')
  await put(table, 'p=2024-01-02/b', 'SELECT i AS a, 7::INTEGER AS "P" FROM range(5) t(i)')
  for (const sql of ['SELECT * FROM $T ORDER BY ALL', `SELECT p, count(*) FROM $T WHERE p > DATE '2024-01-01' GROUP BY p`]) {
    const { ours, plain } = await both(table, sql, { tree, reuse: false })
    expect(plain.at(-1)).toContain('2024-01-02')
    expect(ours).toEqual(plain)
  }
})

it.each(['never', 'always'] as const)(
  'tells columns apart as DuckDB does, which folds ASCII letters only: tree %s',
  async (tree) => {
    const table = `folded_${tree}`
    await put(table, 'a', 'SELECT i AS "Ä", i AS "K" FROM range(5) t(i)')
    await put(table, 'b', 'SELECT -i AS "ä", i AS "k" FROM range(5) t(i)')
    await put(table, 'c', 'SELECT i AS "ä", -i AS "Ä" FROM range(5) t(i)')
    for (const sql of [
      'SELECT * FROM $T ORDER BY ALL',
      'SELECT "Ä", "ä" FROM $T WHERE "Ä" > 1 OR "ä" > 1 ORDER BY ALL',
      'SELECT sum("Ä"), sum("ä"), count("K") FROM $T',
      'SELECT "ä" + 1 AS "ä", max("Ä") AS "Ä" FROM $T GROUP BY "ä" ORDER BY ALL',
    ]) {
      const { ours, plain } = await both(table, sql, { tree })
      expect(plain).not.toEqual([])
      expect(ours).toEqual(plain)
    }
  },
)

const zero = "(CASE WHEN i % 2 = 0 THEN '-0.0' ELSE '0.0' END)::DOUBLE"

it.each([
  ['a product', 'round((i - 30) * 0.001::DOUBLE, 0)'],
  ['a list', `[${zero}]`],
  ['a column beside an interval', `${zero} AS r, to_days(1)`],
])('keeps the sign of each zero, in partials and in stored answers: %s', async (name, value) => {
  const table = `signed_${name.replaceAll(' ', '_')}`
  for (const file of ['a', 'b']) await put(table, file, 'SELECT i FROM range(60) t(i)')
  const sql = `SELECT i, ${value} AS r FROM ${table} WHERE i < 60 ORDER BY i`
  const signs = (rows: readonly (readonly unknown[])[]) => rows.map((row) => Object.is([row[1]].flat()[0], -0))
  const plain = signs(await under.duckdb(sql.replace(table, `read_parquet('$DATA/${table}/*.parquet')`)))
  expect(plain.filter(Boolean)).toHaveLength(60)
  const first = await under.query(sql, { tree: 'never' })
  expect(signs(first.rows)).toEqual(plain)
  // A node says that an answer is stored before it sends the task's lineage.
  await until(() => under.recorder.tasks(first.status.queryId).length > 0, 'the stored answer')
  const { body } = await under.engine.submit(table, requestOf(sql, { format: 'ndjson' })).result
  let text = ''
  for await (const piece of body) text += Buffer.from(piece).toString()
  const lines = text.trim().split('\n')
  expect(signs(lines.map((line) => Object.values(JSON.parse(line) as object)))).toEqual(plain)
  await until(() => under.recorder.tasks(table).length > 0, 'its lineage')
  expect(under.recorder.tasks(table)[0]?.derivedReads[0]?.tier).toBe('reused')
  const split = await under.query(sql, { tree: 'always', reuse: false })
  expect(split.status.actual?.tasks).toBeGreaterThan(2)
  expect(signs(split.rows)).toEqual(plain)
})

it('keeps the sign of each zero in packs', async () => {
  await put('zeros', 'a', "SELECT i % 5 AS k, '-0.0'::DOUBLE AS x FROM range(2000) t(i)")
  await put('zeros', 'b', 'SELECT 5 + i % 5 AS k, 0::DOUBLE AS x FROM range(2000) t(i)')
  const sql = 'SELECT DISTINCT k, x::VARCHAR AS s, (1 / x)::VARCHAR AS r FROM $T WHERE k IN (4, 9) ORDER BY k'
  for (let round = 0; round < 3; round++) await both('zeros', sql, { reuse: false })
  await until(() => under.engine.packs().some(({ dataset }) => dataset === 'zeros'), 'a pack')
  const { ours, plain } = await both('zeros', sql, { reuse: false })
  expect(plain.map(([, text]) => text)).toEqual(['-0.0', '0.0'])
  expect(ours).toEqual(plain)
})
