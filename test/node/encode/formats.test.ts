import { writeFileSync } from 'node:fs'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ResultFormat } from '../../../src/model/query.js'
import { everyType as values } from '../../support/every-type.js'
import { duckdb, jsonRowsOf, NodeUnderTest, task, testFolder, toClient } from '../node-under-test.js'

const folder = testFolder()
const node = new NodeUnderTest(folder.path)
beforeAll(() => node.ready())
afterAll(async () => {
  await node.stop()
  folder.remove()
})

async function answer(sql: string, format: ResultFormat, names: readonly string[], timeZone = 'UTC'): Promise<Buffer> {
  const columns = names.map((name) => ({ name, type: 'VARCHAR' }))
  const output = toClient(columns, { format, inlineBytesMax: 1 << 26 })
  const outcome = await node.finished(task(sql, output, [], { timeZone }))
  if (outcome.result.to !== 'client' || outcome.result.inline === undefined) throw new Error('no inline answer')
  return Buffer.from(outcome.result.inline)
}

describe('JSON', () => {
  it.each(values)('writes %s', async (sql, expected) => {
    // The value among NULLs and other rows, so that validity and offsets count.
    const text = (await answer(`SELECT ${sql} AS v UNION ALL SELECT NULL UNION ALL SELECT ${sql}`, 'json', ['v'])).toString()
    expect(JSON.parse(`[${text}]`)).toEqual([[expected], [null], [expected]])
  })

  it('separates rows by a comma and a newline and nothing else by a newline', async () => {
    const text = (await answer("SELECT 1 AS a, 'x' || chr(10) AS b UNION ALL SELECT 2, 'y'", 'json', ['a', 'b'])).toString()
    expect(text).toBe('[1,"x\\n"],\n[2,"y"]')
  })

  it('writes nothing for no rows', async () => {
    expect((await answer('SELECT 1 AS a WHERE false', 'json', ['a'])).length).toBe(0)
  })

  it('keeps long texts apart wherever they stand in memory', async () => {
    const sql = 'SELECT repeat(chr(97 + (i % 26)::INTEGER), (i * 7919 % 300)::INTEGER) FROM range(20000) t(i) ORDER BY hash(i)'
    const text = (await answer(sql, 'json', ['v'])).toString()
    const expected = (await duckdb(sql)).map(([value]) => [value])
    expect(JSON.parse(`[${text}]`)).toEqual(expected)
  })

  it('escapes what must be, wherever it stands in a text', async () => {
    const sql = `SELECT repeat('a', before::INTEGER) || chr(code::INTEGER) || repeat('é"', rest::INTEGER)
      FROM range(9) b(before), range(160) c(code), range(3) r(rest)`
    const text = (await answer(sql, 'json', ['v'])).toString()
    expect(JSON.parse(`[${text}]`)).toEqual((await duckdb(sql)).map(([value]) => [value]))
  })

  it.each(['BIGINT', 'UBIGINT', 'DECIMAL(4,2)', 'DECIMAL(9,4)', 'DECIMAL(18,3)', 'DECIMAL(38,0)', 'DECIMAL(38,6)'])(
    'writes each digit of a %s',
    async (type) => {
      const sql = `SELECT v, CAST(v AS VARCHAR) FROM (
        SELECT TRY_CAST((sign * size::HUGEINT + more) || fraction AS ${type}) AS v
        FROM (SELECT 10.0 ** unnest(range(37)) UNION ALL SELECT 2.0 ** unnest([31, 32, 53, 63, 64, 96])) s(size),
          (VALUES (1), (-1), (2), (-9)) n(sign), range(-1, 2) m(more), (VALUES ('.0'), ('.019')) f(fraction)
      ) WHERE v IS NOT NULL`
      const rows: unknown[][] = JSON.parse(`[${await answer(sql, 'json', ['v', 'text'])}]`)
      expect(rows.length).toBeGreaterThan(3)
      expect(rows.map(([value]) => String(value))).toEqual(rows.map(([, text]) => text))
    },
  )

  it('reads texts of a dictionary that repeats out of order', async () => {
    const path = `${folder.path}/lake/dictionary.parquet`
    await duckdb(`COPY (SELECT 'a rather long category ' || (hash(i) % 500) AS s FROM range(50000) t(i)) TO '${path}'`)
    const outcome = await node.finished(
      task(`SELECT s FROM read_parquet('${path}')`, toClient([{ name: 's', type: 'VARCHAR' }], { inlineBytesMax: 1 << 26 })),
    )
    expect(jsonRowsOf(outcome)).toEqual(await duckdb(`SELECT s FROM '${path}'`))
  })
})

describe('CSV', () => {
  it.each(values.filter(([, json, csv]) => csv !== undefined || typeof json !== 'object'))(
    'writes %s',
    async (sql, json, csv) => {
      const text = (await answer(`SELECT ${sql} AS v, 1 AS w`, 'csv', ['v', 'a "b"'])).toString()
      expect(text).toBe(`v,"a ""b"""\r\n${csv ?? String(json)},1\r\n`)
    },
  )

  it('writes the header without rows', async () => {
    expect((await answer('SELECT 1 AS a WHERE false', 'csv', ['a'])).toString()).toBe('a\r\n')
  })
})

describe('NDJSON', () => {
  it('writes an object a line and keeps equal names apart', async () => {
    const text = (await answer('SELECT 1 AS a, NULL AS a, [1] AS c FROM range(2)', 'ndjson', ['a', 'a', 'c'])).toString()
    expect(text).toBe('{"a":1,"a_1":null,"c":[1]}\n{"a":1,"a_1":null,"c":[1]}\n')
  })
})

describe('Arrow', () => {
  // The reader cannot make a date of an infinity, so those are left to JSON and CSV.
  it.each(values.filter(([sql]) => !sql.includes('infinity')))('carries %s', async (sql, expected) => {
    const bytes = await answer(`SELECT ${sql} AS v UNION ALL SELECT NULL UNION ALL SELECT ${sql}`, 'arrow', ['v'])
    const table = tableFromIPC(bytes)
    expect(table.numRows).toBe(3)
    const column = table.getChildAt(0)
    expect(column?.get(1)).toBeNull()
    if (expected === null) return
    expect(column?.get(0)).not.toBeNull()
    expect(String(column?.get(2))).toBe(String(column?.get(0)))
  })

  it('reads back as DuckDB values', async () => {
    const sql = `SELECT i AS a, i % 3 = 0 AS b, CASE WHEN i % 2 = 0 THEN 'text ' || i END AS c, [i, NULL, i + 1] AS d,
      {'x': i, 'y': 'long text number ' || i} AS e, (i / 100)::DECIMAL(10,2) AS f, DATE '2026-01-01' + i::INTEGER AS g
      FROM range(40000) t(i) WHERE i % 7 <> 0`
    const columns = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => ({ name, type: 'VARCHAR' }))
    const outcome = await node.finished(task(sql, toClient(columns, { format: 'arrow', inlineBytesMax: 1 << 26 })))
    if (outcome.result.to !== 'client' || outcome.result.inline === undefined) throw new Error('no answer')
    const table = tableFromIPC(outcome.result.inline)
    const expected = await duckdb(sql)
    expect(table.numRows).toBe(expected.length)
    for (const at of [0, 1, 2047, 2048, 16385, 34284]) {
      const row = table.get(at)?.toJSON() as Record<string, unknown>
      const [a, b, c] = expected[at] ?? []
      expect([String(row['a']), row['b'], row['c']]).toEqual([a, b, c])
      expect(JSON.parse(JSON.stringify(row['d'], (_key, value) => (typeof value === 'bigint' ? String(value) : value)))).toEqual(
        expected[at]?.[3],
      )
      expect(String((row['e'] as { y: string }).y)).toBe(`long text number ${a}`)
    }
  })

  it('gives the schema without rows', async () => {
    const table = tableFromIPC(await answer('SELECT 1 AS a, NULL::VARCHAR AS b WHERE false', 'arrow', ['a', 'b']))
    expect(table.schema.fields.map((field) => `${field.name} ${field.type}`)).toEqual(['a Int32', 'b Utf8'])
  })
})

describe('Parquet', () => {
  it('keeps 128-bit sums exact and names apart', async () => {
    const columns = [
      { name: 's', type: 'HUGEINT' },
      { name: 'S', type: 'VARCHAR' },
    ]
    const outcome = await node.finished(
      task("SELECT 12345678901234567890123::HUGEINT, 'x'", toClient(columns, { format: 'parquet' })),
    )
    if (outcome.result.to !== 'client' || outcome.result.inline === undefined) throw new Error('no answer')
    const path = `${folder.path}/answer.parquet`
    writeFileSync(path, outcome.result.inline)
    expect(await duckdb(`SELECT s::VARCHAR, "S_1" FROM '${path}'`)).toEqual([['12345678901234567890123', 'x']])
  })

  it('keeps values that Parquet has no type for, at any depth', async () => {
    const columns = [
      { name: 'l', type: 'HUGEINT[]' },
      { name: 's', type: 'STRUCT(a HUGEINT, "b c" MAP(VARCHAR, UHUGEINT))' },
      { name: 'i', type: 'INTERVAL' },
      { name: 'n', type: 'INTERVAL[]' },
      { name: 't', type: 'TIME WITH TIME ZONE' },
      { name: 'u', type: 'UNION(k INTEGER)[]' },
    ]
    const sql = `SELECT [12345678901234567890123::HUGEINT, NULL],
      {a: 12345678901234567890123::HUGEINT, 'b c': MAP {'k': 12345678901234567890124::UHUGEINT}},
      INTERVAL '1 month 5.000001 seconds', [INTERVAL '-3 days'], TIMETZ '12:00:00+02', [union_value(k := 5)]`
    const outcome = await node.finished(task(sql, toClient(columns, { format: 'parquet' })))
    if (outcome.result.to !== 'client' || outcome.result.inline === undefined) throw new Error('no answer')
    const path = `${folder.path}/nested.parquet`
    writeFileSync(path, outcome.result.inline)
    const read = `SELECT l::VARCHAR, s::VARCHAR, (i::INTERVAL = INTERVAL '1 month 5.000001 seconds')::VARCHAR,
      (n[1]::INTERVAL)::VARCHAR, t::VARCHAR, u::VARCHAR FROM '${path}'`
    expect(await duckdb(read)).toEqual([
      [
        '[12345678901234567890123, NULL]',
        "{'a': 12345678901234567890123, 'b c': {k=12345678901234567890124}}",
        'true',
        '-3 days',
        '12:00:00+02',
        '[5]',
      ],
    ])
  })
})
