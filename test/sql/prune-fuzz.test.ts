import { DuckDBInstance } from '@duckdb/node-api'
import { describe, expect, it } from 'vitest'
import type { BaseSegment, ColumnStatistics } from '../../src/model/segment.js'
import { dataset, type InProcessPlanner, openInProcessPlanner } from './in-process-planner.js'

/**
 * Whatever is pruned, the answer stays: each generated statement is run over all segments and over those that were kept, on
 * data with NULLs, NaN, infinities, far dates, long and unicode text. `FOREBAY_PRUNE_SEEDS` makes it longer.
 */
const seeds = Number(process.env.FOREBAY_PRUNE_SEEDS ?? 1)
const statementsPerSeed = 120
const segmentCount = 12

type Random = () => number
const columnTypes = {
  i: 'INTEGER',
  g: 'BIGINT',
  d: 'DECIMAL(9,2)',
  f: 'DOUBLE',
  r: 'FLOAT',
  t: 'DATE',
  ts: 'TIMESTAMP',
  tz: 'TIMESTAMP WITH TIME ZONE',
  v: 'VARCHAR',
  b: 'BOOLEAN',
  p: 'BIGINT',
  q: 'VARCHAR',
} as const
type ColumnName = keyof typeof columnTypes
const partitionColumns = ['p', 'q']
const names = Object.keys(columnTypes) as ColumnName[]

function randomFrom(seed: number): Random {
  let state = seed * 2654435761 + 1
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const pick = <T>(random: Random, items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
const whole = (random: Random, from: number, to: number): number => from + Math.floor(random() * (to - from + 1))
const pad = (number: number): string => String(number).padStart(2, '0')
const words = ['', 'a', 'ab', 'abc', 'b', 'Zürich', 'zz', '😀', '\uffee', 'a%b', 'a_b', "o'k", '10', '9']

function date(random: Random): string {
  return `20${pad(whole(random, 18, 22))}-${pad(whole(random, 1, 12))}-${pad(whole(random, 1, 28))}`
}
function timestamp(random: Random): string {
  return `${date(random)} ${pad(whole(random, 0, 23))}:${pad(whole(random, 0, 59))}:00`
}

/** A value as SQL of exactly the column's type, around a centre so that segments differ. */
function value(random: Random, column: ColumnName, centre: number): string {
  if (random() < 0.06 && !partitionColumns.includes(column)) return 'NULL'
  const near = centre + whole(random, -8, 8)
  switch (column) {
    case 'i':
    case 'g':
      return `${near}::${columnTypes[column]}`
    case 'd':
      return `(${near}.${pad(whole(random, 0, 99))})::DECIMAL(9,2)`
    case 'f':
    case 'r':
      if (random() < 0.04) return `'${pick(random, ['NaN', 'Infinity', '-Infinity', '-0.0'])}'::${columnTypes[column]}`
      return `(${near} + 0.${whole(random, 0, 99)})::${columnTypes[column]}`
    case 't':
      return random() < 0.02 ? `DATE 'infinity'` : `DATE '${date(random)}'`
    case 'ts':
      return `TIMESTAMP '${timestamp(random)}'`
    case 'tz':
      return `TIMESTAMPTZ '${timestamp(random)}+0${whole(random, 0, 9)}'`
    case 'v':
      return `'${pick(random, words).replaceAll("'", "''")}${near > 0 ? near : ''}'`
    case 'b':
      return String(random() < 0.5)
    default:
      return 'NULL'
  }
}

/** A constant to compare a column with: mostly of its type, sometimes of another that DuckDB would cast. */
function constant(random: Random, column: ColumnName): string {
  if (random() < 0.03) return 'NULL'
  const number = whole(random, -20, 130)
  switch (column) {
    case 'i':
    case 'g':
    case 'p':
      return pick(random, [
        `${number}`,
        `${number}.5`,
        `${number}::DOUBLE`,
        `'${number}'`,
        `${number} + 1`,
        `${number}::FLOAT`,
        `-${number}.49`,
      ])
    case 'd':
    case 'f':
    case 'r':
      return pick(random, [
        `${number}`,
        `${number}.25`,
        `${number}.1::DOUBLE`,
        `'${number}.5'`,
        `${number}e0`,
        `'NaN'::DOUBLE`,
        `${number}.3::FLOAT`,
      ])
    case 't':
    case 'ts':
      return pick(random, [
        `DATE '${date(random)}'`,
        `'${date(random)}'`,
        `TIMESTAMP '${timestamp(random)}'`,
        `DATE '${date(random)}' - INTERVAL 3 DAY`,
        `DATE '${date(random)}' + 5`,
        `date_trunc('month', DATE '${date(random)}')`,
      ])
    case 'tz':
      return pick(random, [
        `TIMESTAMPTZ '${timestamp(random)}+02'`,
        `'${timestamp(random)}+01'`,
        `DATE '${date(random)}'`,
        `TIMESTAMP '${timestamp(random)}'`,
      ])
    case 'b':
      return pick(random, ['true', 'false'])
    default:
      return `'${pick(random, [...words, 'p1', 'p3', 'ab3']).replaceAll("'", "''")}'`
  }
}

function predicate(random: Random, prefix: string, depth: number): string {
  if (depth > 0 && random() < 0.45) {
    const inner = (): string => predicate(random, prefix, depth - 1)
    return pick(random, [() => `(${inner()} AND ${inner()})`, () => `(${inner()} OR ${inner()})`, () => `NOT (${inner()})`])()
  }
  const column = pick(random, names)
  const name = `${prefix}${column}`
  const one = (): string => constant(random, column)
  return pick(random, [
    () => `${name} ${pick(random, ['=', '<', '<=', '>', '>=', '<>'])} ${one()}`,
    () => `${one()} ${pick(random, ['=', '<', '<=', '>', '>='])} ${name}`,
    () => `${name} ${random() < 0.3 ? 'NOT ' : ''}BETWEEN ${one()} AND ${one()}`,
    () => `${name} ${random() < 0.3 ? 'NOT ' : ''}IN (${one()}, ${one()}, ${one()})`,
    () => `${name} IS ${random() < 0.5 ? 'NOT ' : ''}NULL`,
    () => `v LIKE '${pick(random, ['a%', 'ab_%', 'Z%', '😀%', 'zz1%', 'a\\%'])}'`.replace(/^v/, `${prefix}v`),
    () => `starts_with(${prefix}q, '${pick(random, ['p', 'p1', 'x'])}')`,
    () => `${name} IS DISTINCT FROM ${one()}`,
  ])()
}

function statement(random: Random): string {
  const where = (prefix = ''): string => predicate(random, prefix, 2)
  return pick(random, [
    () => `SELECT * FROM a WHERE ${where()}`,
    () => `SELECT count(*), min(i), max(v) FROM a WHERE ${where()}`,
    () => `SELECT * FROM (SELECT * FROM a) AS x WHERE ${where('x.')}`,
    () => `SELECT * FROM (SELECT q, sum(i) AS s FROM a GROUP BY q) AS x WHERE x.q = 'p1' OR x.s > 100`,
    () =>
      `SELECT * FROM (SELECT i, ts, v, q FROM a WHERE ${where()} ORDER BY i LIMIT 5) AS x WHERE x.i > ${whole(random, 0, 99)}`,
    () => `SELECT i, n FROM (SELECT i, p, row_number() OVER (ORDER BY rid) AS n FROM a) AS x WHERE x.i > ${whole(random, 0, 99)}`,
    () => `WITH c AS (SELECT rid, i AS k, v, p FROM a WHERE ${where()}) SELECT * FROM c WHERE k > ${whole(random, 0, 99)}`,
    () => `WITH c AS (SELECT rid, i AS k FROM a) SELECT * FROM c WHERE k > 50 UNION ALL SELECT * FROM c WHERE k < 10`,
    () => `SELECT x.rid, y.rid FROM a x JOIN z y ON x.p = y.p AND ${where('x.')} WHERE ${where('y.')}`,
    () => `SELECT x.rid, y.rid FROM a x LEFT JOIN z y ON x.i = y.i AND ${where('y.')} WHERE ${where('x.')}`,
    () => `SELECT x.rid, y.rid FROM a x LEFT JOIN z y ON x.i = y.i AND ${where('x.')} WHERE ${where('y.')}`,
    () => `SELECT x.rid, y.rid FROM a x RIGHT JOIN z y ON x.i = y.i AND ${where('x.')} WHERE ${where('y.')}`,
    () => `SELECT x.rid, y.rid FROM a x FULL JOIN z y ON x.i = y.i AND ${where('x.')} WHERE ${where('y.')}`,
    () => `SELECT x.rid, y.rid FROM a x LEFT JOIN z y ON x.p = y.p AND ${where('x.')} AND ${where('y.')}`,
    () => `SELECT x.rid, y.rid FROM a x RIGHT JOIN z y ON x.p = y.p AND ${where('x.')} AND ${where('y.')}`,
    () => `SELECT x.rid, y.rid FROM a x FULL JOIN z y ON x.p = y.p AND ${where('x.')} AND ${where('y.')}`,
    () => `SELECT x.rid, y.rid FROM a x LEFT JOIN z y ON x.p = y.p WHERE y.i > 50 OR y.i IS NULL`,
    () => `SELECT x.rid FROM a x SEMI JOIN z y ON x.i = y.i AND ${where('y.')} WHERE ${where('x.')}`,
    () => `SELECT x.rid FROM a x ANTI JOIN z y ON x.i = y.i AND ${where('x.')} AND ${where('y.')}`,
    () => `SELECT a.rid, z.rid FROM a JOIN z USING (p) WHERE p > ${whole(random, 0, 6)} AND ${where('a.')}`,
    () => `SELECT a.rid, z.rid, p FROM a FULL JOIN z USING (p) WHERE p IS NULL OR p = 2`,
    () => `SELECT a.rid, z.rid, p FROM a RIGHT JOIN z USING (p) WHERE p IS NULL OR p = 2`,
    () => `SELECT rid FROM a WHERE EXISTS (SELECT 1 FROM z WHERE z.i = a.i AND ${where('z.')}) AND ${where('a.')}`,
    () => `SELECT rid, (SELECT max(z.i) FROM z WHERE z.p = a.p AND ${where('z.')}) FROM a WHERE ${where('a.')}`,
    () => `SELECT rid FROM a WHERE i NOT IN (SELECT i FROM z WHERE i IS NOT NULL AND ${where('z.')})`,
    () =>
      `SELECT * FROM (SELECT DISTINCT q, p FROM a) AS x WHERE ${pick(random, ["q = 'p2'", 'p BETWEEN 1 AND 2', 'p IS NULL'])}`,
    () => `SELECT * FROM (SELECT rid, v, p FROM a UNION ALL SELECT rid, v, p FROM z) AS x WHERE x.p = 1`,
    () => `SELECT x.rid FROM a x JOIN (SELECT * FROM z WHERE ${where('z.')}) y ON x.p = y.p WHERE y.i > 30 AND ${where('x.')}`,
    () => `SELECT a.rid, z.rid FROM a ASOF JOIN z ON a.i >= z.i WHERE ${where('a.')} AND ${where('z.')}`,
    () => `SELECT i AS v2, count(*) FROM a WHERE ${where()} GROUP BY ROLLUP (i)`,
  ])()
}

interface Lake {
  readonly planner: InProcessPlanner
  run(sql: string, kept: ReadonlyMap<string, readonly number[]>): Promise<readonly string[]>
}

async function makeLake(random: Random): Promise<Lake> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'Europe/Berlin'")
  const parts: Record<string, Partial<BaseSegment>[]> = { a: [], z: [] }
  for (const table of ['a', 'z']) {
    const definition = names.map((name) => `${name} ${columnTypes[name]}`).join(', ')
    await connection.run(`CREATE TABLE data_${table} (segment INTEGER, rid INTEGER, ${definition})`)
    for (let segment = 0; segment < segmentCount; segment++) {
      const partition = { p: random() < 0.1 ? null : String(segment % 7), q: random() < 0.1 ? null : `p${segment % 4}` }
      const rows = Array.from({ length: whole(random, 0, 9) }, (_, row) => {
        const cells = names.map((name) => {
          if (name === 'p' || name === 'q') return partition[name] === null ? 'NULL' : `'${partition[name]}'`
          return segment === 3 && name === 'i' ? 'NULL' : value(random, name, segment * 10)
        })
        return `(${segment}, ${segment * 100 + row}, ${cells.join(', ')})`
      })
      if (rows.length > 0) await connection.run(`INSERT INTO data_${table} VALUES ${rows.join(', ')}`)
      parts[table]?.push({ rows: rows.length, partition, statistics: await statistics(connection, table, segment, random) })
    }
  }
  const columns = { rid: 'INTEGER', ...columnTypes }
  const planner = await openInProcessPlanner([
    dataset('a', columns, parts.a, partitionColumns),
    dataset('z', columns, parts.z, partitionColumns),
  ])
  return {
    planner,
    run: async (sql, kept) => {
      for (const [relation, [table, ordinals]] of [...kept].map(
        ([key, list]) => [key, [key.split(':')[1], list] as const] as const,
      )) {
        const name = relation.split(':')[0]
        const filter = ordinals.length === 0 ? 'false' : `segment IN (${ordinals.join(', ')})`
        await connection.run(
          `CREATE OR REPLACE TEMP VIEW ${name} AS SELECT * EXCLUDE (segment) FROM data_${table} WHERE ${filter}`,
        )
      }
      const answer = await connection.runAndReadAll(sql)
      return answer
        .getRowsJson()
        .map((row) => JSON.stringify(row))
        .sort()
    },
  }
}

type Connection = Awaited<ReturnType<DuckDBInstance['connect']>>

/** As a Parquet footer has them: without NaN, text bounds sometimes shortened, sometimes nothing at all. */
async function statistics(
  connection: Connection,
  table: string,
  segment: number,
  random: Random,
): Promise<Record<string, ColumnStatistics>> {
  const found: Record<string, ColumnStatistics> = {}
  await connection.run("SET TimeZone = 'UTC'")
  for (const name of names) {
    if (partitionColumns.includes(name)) continue
    const noNaN = columnTypes[name] === 'DOUBLE' || columnTypes[name] === 'FLOAT' ? `AND NOT isnan(${name})` : ''
    const answer = await connection.runAndReadAll(`
      SELECT (SELECT min(${name})::VARCHAR FROM data_${table} WHERE segment = ${segment} ${noNaN}),
             (SELECT max(${name})::VARCHAR FROM data_${table} WHERE segment = ${segment} ${noNaN}),
             (SELECT count(*) FILTER (WHERE ${name} IS NULL)::INTEGER FROM data_${table} WHERE segment = ${segment})`)
    const [min, max, nulls] = answer.getRows()[0] ?? []
    if (random() < 0.1) continue
    found[name] = {
      ...(min === null || min === undefined
        ? {}
        : { min: name === 'v' && random() < 0.2 ? [...String(min)].slice(0, 1).join('') : String(min) }),
      ...(max === null || max === undefined ? {} : { max: String(max) }),
      ...(random() < 0.1 ? {} : { nulls: Number(nulls) }),
    }
  }
  await connection.run("SET TimeZone = 'Europe/Berlin'")
  return found
}

describe('pruning', () => {
  const base = Number(process.env.FOREBAY_PRUNE_BASE ?? 1)
  it.each(Array.from({ length: seeds }, (_, index) => base + index))('never changes an answer (seed %i)', async (seed) => {
    const random = randomFrom(seed)
    const lake = await makeLake(random)
    let pruned = 0
    let compared = 0
    for (let count = 0; count < statementsPerSeed; count++) {
      const sql = statement(random)
      const plan = await lake.planner.plan(sql, { timeZone: 'Europe/Berlin', tree: 'never' }).catch(() => undefined)
      if (plan === undefined) continue
      const all = Array.from({ length: segmentCount }, (_, index) => index)
      const whatAll = new Map(plan.reads.map((read) => [`${read.relation}:${read.dataset}`, all]))
      const whatKept = new Map(plan.reads.map((read) => [`${read.relation}:${read.dataset}`, read.segments]))
      const expected = await lake.run(plan.work.whole.sql, whatAll).catch(() => undefined)
      if (expected === undefined) continue
      compared++
      pruned += plan.reads.reduce((total, read) => total + read.segmentsTotal - read.segments.length, 0)
      expect(await lake.run(plan.work.whole.sql, whatKept), `${sql}\n${JSON.stringify(plan.reads)}`).toEqual(expected)
    }
    expect(compared).toBeGreaterThan(statementsPerSeed / 2)
    expect(pruned).toBeGreaterThan(compared)
  })

  it.each([
    ['g between 9007199254740993 and 9007199254740993::double', true],
    ['g in (9007199254740993, 0.5::double)', true],
    ['not (g not between 9007199254740993 and 1e17)', true],
    ['g between 9007199254740993 and 9007199254740995', false],
    ['g in (9007199254740993, -5)', false],
    ['g in (9007199254740993, null::double)', true],
    ['g in (9007199254740993, (null)::float)', true],
    ['g in (9007199254740993, null)', false],
    ['g between 9100000000000000 and 1e17', false],
  ])('compares in one type with several constants: %s', async (condition, kept) => {
    const part = { statistics: { g: { min: '1', max: '9007199254740992', nulls: 0 } } }
    const planner = await openInProcessPlanner([dataset('t', { g: 'BIGINT' }, [part])])
    const duckdb = await (await DuckDBInstance.create(':memory:')).connect()
    const rows = await duckdb.runAndReadAll(`SELECT g FROM (SELECT 9007199254740992 AS g) WHERE ${condition}`)
    expect(rows.currentRowCount === 1).toBe(kept)
    const plan = await planner.plan(`select g from t where ${condition}`)
    expect(plan.reads[0]?.segments).toEqual(kept ? [0] : [])
  })
})
