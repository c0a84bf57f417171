import { Seeded } from './seeded.js'

/** A table that is made by SQL from nothing: `select` gives its rows, files of Level 2 share them by `file`. */
export interface GeneratedTable {
  readonly name: string
  readonly select: string
  readonly rows: number
  /** Files, and whether they lie in `p=…` folders. */
  readonly files: number
  readonly partitioned: boolean
}

/**
 * A large table and two small ones with all that makes SQL engines differ: NULLs, empty tables and files, duplicates, unicode,
 * decimals, dates, integers near their limits, NaN, infinities, signed zeros, nested types.
 */
export function generateLake(seed: number): readonly GeneratedTable[] {
  const random = new Seeded(seed)
  const rows = random.pick([0, 1, 9, 80, 400, 400, 900])
  const partitioned = random.chance(0.4)
  const nulls = random.pick([3, 9, 1000])
  return [
    { name: 'facts', select: facts(seed, rows, nulls, partitioned), rows, files: random.pick([1, 2, 5]), partitioned },
    { name: 'dims', select: dims(seed), rows: 9, files: 1, partitioned: false },
    { name: 'days', select: days(seed), rows: 30, files: 1, partitioned: false },
  ]
}

function facts(seed: number, rows: number, nulls: number, partitioned: boolean): string {
  let salt = 0
  const h = (): string => `hash(i, ${seed}, ${salt++})`
  const maybe = (value: string): string => `CASE WHEN ${h()} % ${nulls} = 0 THEN NULL ELSE ${value} END`
  const texts = `['', 'a', 'A', 'b', 'Ünïcode', '日本語', '🙂', 'naïve', 'x''y', 'a,b', 'NULL', 'z z']`
  const huge = `['NaN', 'Infinity', '-Infinity', '1e300', '-1e300', '0', '-0.0', '5e-324', '1.5']`
  const columns = {
    id: 'i::BIGINT',
    g: maybe(`(${h()} % 6)::INTEGER`),
    k: maybe(`(${texts})[(${h()} % 12 + 1)::INTEGER]`),
    n: maybe(`((${h()} % 200001)::BIGINT - 100000)::INTEGER`),
    sm: maybe(`((${h()} % 2001)::INTEGER - 1000)::SMALLINT`),
    u: maybe(`(${h()} % 4294967296)::UINTEGER`),
    b: maybe(`((${h()} >> 1)::BIGINT - 4611686018427387904) * 2`),
    d1: maybe(`(((${h()} % 2000001)::BIGINT - 1000000) / 100.0)::DECIMAL(9,2)`),
    d2: maybe(`(((${h()} % 1000000007)::BIGINT - 500000003)::DECIMAL(20,4) * 1.0001)::DECIMAL(20,4)`),
    d3: maybe(`(((${h()} % 1999)::INTEGER - 999) / 10.0)::DECIMAL(4,1)`),
    f: maybe(`((${h()} % 2000003)::DOUBLE - 1000001) / 1013`),
    v: maybe(`(${huge})[(${h()} % 9 + 1)::INTEGER]::DOUBLE`),
    dt: maybe(`DATE '2023-11-05' + (${h()} % 90)::INTEGER`),
    ts: maybe(`TIMESTAMP '2024-01-31 23:59:59.999999' + to_microseconds((${h()} % 9999999999)::BIGINT)`),
    bo: maybe(`${h()} % 3 = 0`),
    l: maybe(`list_transform(range((${h()} % 4)::BIGINT), lambda x: (x * 3 + i % 5)::INTEGER)`),
    s: maybe(`{'a': (${h()} % 4)::INTEGER, 'b': 'b' || (${h()} % 3)}`),
    ...(partitioned ? { p: `'part ' || (${h()} % 3)` } : {}),
  }
  const items = Object.entries(columns).map(([name, value]) => `${value} AS ${name}`)
  return `SELECT ${items.join(', ')} FROM range(${rows}) r(i)`
}

function dims(seed: number): string {
  return `SELECT (i % 8)::INTEGER AS g, 'name ' || i AS name, (i * 1.25)::DECIMAL(9,2) AS w,
    CASE WHEN hash(i, ${seed}) % 4 = 0 THEN NULL ELSE i % 3 END::INTEGER AS class FROM range(9) r(i)`
}

function days(seed: number): string {
  return `SELECT DATE '2023-11-01' + (i * 4)::INTEGER AS dt, hash(i, ${seed}) % 2 = 0 AS holiday FROM range(30) r(i)`
}
