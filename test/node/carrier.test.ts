import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DerivedSource, TaskInput } from '../../src/model/messages.js'
import { type Column, distinctNames, type StoredSegment } from '../../src/model/segment.js'
import { carrierOf, physicalNames } from '../../src/node/carrier.js'
import { parseType } from '../../src/node/type-tree.js'
import { duckdb, jsonRowsOf, NodeUnderTest, task, testFolder, toClient } from './node-under-test.js'

const folder = testFolder()
const one = new NodeUnderTest(folder.path, { id: 'n1' })
const two = new NodeUnderTest(folder.path, { id: 'n2' })
beforeAll(() => Promise.all([one.ready(), two.ready()]))
afterAll(async () => {
  await Promise.all([one.stop(), two.stop()])
  folder.remove()
})

let count = 0

async function publish(sql: string, columns: readonly Column[]): Promise<StoredSegment> {
  const outcome = await one.finished(task(sql, { to: 'segment', segment: `d-${++count}`, columns }))
  if (outcome.result.to !== 'segment') throw new Error('no segment')
  return outcome.result.stored
}

function partials(columns: readonly Column[], sources: readonly DerivedSource[]): TaskInput {
  return { kind: 'derived', relation: '__partials', columns, sources }
}

function source(stored: StoredSegment, via: 'file' | 'network'): DerivedSource {
  return { stored, url: `${one.url}/segments/${stored.id}`, via, tier: 'remote' }
}

/** A value of every type, with the carrier that keeps it. */
const types: readonly (readonly [type: string, value: string, carrier: string])[] = [
  ['BOOLEAN', 'true', 'parquet'],
  ['TINYINT', '-128', 'parquet'],
  ['SMALLINT', '-32768', 'parquet'],
  ['INTEGER', '-2147483648', 'parquet'],
  ['BIGINT', '-9223372036854775808', 'parquet'],
  ['UTINYINT', '255', 'parquet'],
  ['USMALLINT', '65535', 'parquet'],
  ['UINTEGER', '4294967295', 'parquet'],
  ['UBIGINT', '18446744073709551615', 'parquet'],
  ['HUGEINT', '-170141183460469231731687303715884105728', 'parquet'],
  ['UHUGEINT', '340282366920938463463374607431768211455', 'parquet'],
  ['BIGNUM', '123456789012345678901234567890123456789012345', 'duckdb'],
  ['FLOAT', "'-0.0'", 'parquet'],
  ['FLOAT', "'NaN'", 'parquet'],
  ['DOUBLE', "'NaN'", 'parquet'],
  ['DOUBLE', "'-Infinity'", 'parquet'],
  ['DOUBLE', '0.1', 'parquet'],
  ['DECIMAL(4,2)', '-99.99', 'parquet'],
  ['DECIMAL(9,3)', '123456.789', 'parquet'],
  ['DECIMAL(18,6)', '0.000001', 'parquet'],
  ['DECIMAL(38,10)', '-1234567890123456789012345678.0123456789', 'parquet'],
  ['VARCHAR', "'ünï ' || chr(0) || ' text'", 'parquet'],
  ['VARCHAR', "''", 'parquet'],
  ['BLOB', "'\\x00\\xFF'::BLOB", 'parquet'],
  ['DATE', "'infinity'", 'parquet'],
  ['DATE', "'0044-03-15 (BC)'", 'parquet'],
  ['TIME', "'10:11:12.123456'", 'parquet'],
  ['TIME', "'24:00:00'", 'parquet'],
  ['TIME WITH TIME ZONE', "'10:11:12.5+02:30'", 'duckdb'],
  ['TIME_NS', "'10:11:12.123456789'", 'duckdb'],
  ['TIMESTAMP', "'9999-12-31 23:59:59.999999'", 'parquet'],
  ['TIMESTAMP', "'infinity'", 'parquet'],
  ['TIMESTAMP', "'0001-01-01 (BC) 00:00:00'", 'parquet'],
  ['TIMESTAMP WITH TIME ZONE', "'2026-01-31 10:00:00+02'", 'parquet'],
  ['TIMESTAMP WITH TIME ZONE', "'-infinity'", 'parquet'],
  ['TIMESTAMP_S', "'2026-01-31 10:00:00'", 'duckdb'],
  ['TIMESTAMP_MS', "'2026-01-31 10:00:00.123'", 'duckdb'],
  ['TIMESTAMP_NS', "'2026-01-31 10:00:00.123456789'", 'duckdb'],
  ['INTERVAL', "'1 month -3 days 4.000001 seconds'", 'duckdb'],
  ['UUID', "'6d3a7a3e-3a0c-4f0a-9d5e-2f1a5a6b7c8d'", 'parquet'],
  ['BIT', "'0010101'", 'duckdb'],
  ["ENUM('b', 'a', 'it''s')", "'it''s'", 'duckdb'],
  ['JSON', '\'{"a":  [1]}\'', 'duckdb'],
  ['INTEGER[]', '[1, NULL, 3]', 'parquet'],
  ['INTEGER[]', '[]', 'parquet'],
  ['VARCHAR[][]', "[['a'], [], NULL]", 'parquet'],
  ['HUGEINT[]', '[1, 170141183460469231731687303715884105727]', 'duckdb'],
  ['DOUBLE[3]', '[1.5, NULL, 3]', 'duckdb'],
  ['STRUCT(a INTEGER, "b c" VARCHAR)', "{'a': 1, 'b c': NULL}", 'parquet'],
  ['STRUCT(a INTEGER, b STRUCT(c DATE[]))', "{'a': 1, 'b': {'c': [DATE '2026-01-31']}}", 'parquet'],
  ['STRUCT(h HUGEINT)', "{'h': 1}", 'duckdb'],
  ['MAP(VARCHAR, INTEGER)', "MAP {'k': 1, 'l': NULL}", 'parquet'],
  ['MAP(INTEGER, STRUCT(a INTERVAL))', "MAP {1: {'a': INTERVAL '1 day'}}", 'duckdb'],
  ['UNION(num INTEGER, str VARCHAR)', "union_value(str := 'x')", 'duckdb'],
  ['"NULL"', 'NULL', 'parquet'],
]

describe('a derived segment', () => {
  it.each(types)('keeps %s %s', async (type, value, carrier) => {
    const typed = type === '"NULL"' ? 'NULL' : `CAST(${value} AS ${type})`
    const columns = [{ name: 'c0', type }]
    expect(carrierOf(columns)).toBe(carrier)
    const stored = await publish(`SELECT ${typed} AS c0 UNION ALL SELECT NULL UNION ALL SELECT ${typed}`, columns)
    expect(stored).toMatchObject({ rows: 3, carrier })
    const check = `SELECT typeof(c0), CAST(c0 AS VARCHAR), c0 IS NOT DISTINCT FROM ${typed} FROM __partials`
    const [expected] = await duckdb(`SELECT typeof(v), CAST(v AS VARCHAR) FROM (SELECT ${typed} AS v)`)
    for (const [node, via] of [
      [one, 'file'],
      [two, 'file'],
      [two, 'network'],
    ] as const) {
      const outcome = await node.finished(task(check, toClient([]), [partials(columns, [source(stored, via)])]))
      const rows = jsonRowsOf(outcome)
      expect(rows[0]).toEqual([...(expected ?? []), true])
      expect(rows[1]?.[1]).toBeNull()
      expect(rows).toHaveLength(3)
    }
  })

  it.each([
    ['FLOAT', '$', 'parquet'],
    ['DOUBLE', '$', 'parquet'],
    ['DOUBLE[]', '[1, $]', 'parquet'],
    ['STRUCT(a FLOAT, b VARCHAR)', "{'a': $, 'b': 'x'}", 'parquet'],
    ['MAP(INTEGER, DOUBLE)', 'MAP {1: $}', 'parquet'],
    ['FLOAT[2]', '[$, $]', 'duckdb'],
    ['STRUCT(a DOUBLE, b INTERVAL)', "{'a': $, 'b': INTERVAL 1 DAY}", 'duckdb'],
    ['MAP(DOUBLE, TIMESTAMP_S)', 'MAP {$: NULL}', 'duckdb'],
    ["STRUCT(a FLOAT[][], b ENUM('x'))", "{'a': [[$]], 'b': 'x'}", 'duckdb'],
    ['UNION(d DOUBLE, s VARCHAR)', 'union_value(d := $)', 'duckdb'],
  ])('keeps the sign of each zero in %s', async (type, value, carrier) => {
    const columns = [{ name: 'c0', type }]
    const zero = "(CASE WHEN i % 2 = 0 THEN '-0.0' ELSE '0.0' END)::DOUBLE"
    const select = `SELECT CAST(${value.replaceAll('$', zero)} AS ${type}) AS c0 FROM range(3000) t(i)`
    const stored = await publish(select, columns)
    expect(stored).toMatchObject({ rows: 3000, carrier })
    const counts = 'SELECT typeof(c0), CAST(c0 AS VARCHAR) AS text, count(*)::INTEGER FROM __partials GROUP BY ALL ORDER BY text'
    const expected = await duckdb(counts.replace('__partials', `(${select})`))
    expect(expected).toHaveLength(2)
    const outcome = await two.finished(task(counts, toClient([]), [partials(columns, [source(stored, 'network')])]))
    expect(jsonRowsOf(outcome)).toEqual(expected)
  })

  it('keeps no rows at all, whatever the types', async () => {
    const columns = [
      { name: 'a', type: 'INTEGER' },
      { name: 'b', type: 'INTERVAL' },
    ]
    const stored = await publish("SELECT 1, INTERVAL '1 day' WHERE false", columns)
    const outcome = await two.finished(
      task('SELECT count(*) FROM __partials', toClient([]), [partials(columns, [source(stored, 'network')])]),
    )
    expect(jsonRowsOf(outcome)).toEqual([[0]])
  })

  it('keeps columns apart that differ in case, are equal or have no name', async () => {
    const columns = ['a', 'A', 'a', ''].map((name) => ({ name, type: 'INTEGER' }))
    const stored = await publish('SELECT 1 AS a, 2 AS "A", 3 AS a, 4', columns)
    const outcome = await two.finished(
      task('SELECT * FROM __partials', toClient(columns), [partials(columns, [source(stored, 'file')])]),
    )
    expect(jsonRowsOf(outcome)).toEqual([[1, 2, 3, 4]])
  })

  it('is read together with others, of both carriers', async () => {
    const columns = [
      { name: 'k0', type: 'INTEGER' },
      { name: 'a0', type: 'HUGEINT' },
    ]
    const stored = await Promise.all([1, 2, 3].map((k) => publish(`SELECT ${k}, sum(i) FROM range(10) t(i)`, columns)))
    const input = partials(
      columns,
      stored.map((segment, index) => source(segment, index === 1 ? 'network' : 'file')),
    )
    const outcome = await two.finished(task('SELECT count(*), sum(a0), max(typeof(a0)) FROM __partials', toClient([]), [input]))
    expect(jsonRowsOf(outcome)).toEqual([[3, '135', 'HUGEINT']])
  })
})

describe('names', () => {
  it('are their own where they are distinct', () => {
    expect(
      physicalNames([
        { name: 'a', type: '' },
        { name: 'b', type: '' },
      ]),
    ).toEqual(['a', 'b'])
    expect(
      physicalNames([
        { name: 'a', type: '' },
        { name: 'A', type: '' },
      ]),
    ).toEqual(['c0', 'c1'])
    expect(distinctNames(['a', 'a', 'a_1'].map((name) => ({ name, type: '' })))).toEqual(['a', 'a_1', 'a_1_1'])
  })
})

describe('type trees', () => {
  it('take nested types apart', () => {
    expect(parseType("MAP(VARCHAR, STRUCT(\"a, \"\"b\" DECIMAL(4,2)[3], c ENUM('x', 'it''s)'))[])")).toEqual({
      kind: 'map',
      key: { kind: 'scalar', name: 'VARCHAR' },
      value: {
        kind: 'list',
        element: {
          kind: 'struct',
          fields: [
            { name: 'a, "b', type: { kind: 'array', size: 3, element: { kind: 'scalar', name: 'DECIMAL(4,2)' } } },
            { name: 'c', type: { kind: 'enum', values: ['x', "it's)"] } },
          ],
        },
      },
    })
  })
})
