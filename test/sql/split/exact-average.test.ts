import { afterAll, beforeAll, expect, it } from 'vitest'
import { PlanOracle } from '../../support/oracle-plan.js'
import { Seeded } from '../../support/seeded.js'

let oracle: PlanOracle

beforeAll(async () => {
  oracle = await PlanOracle.open()
})
afterAll(() => oracle.close())

/** Numerator rounded to `bits` significant bits, half to even, with the power of two that was cut off. */
function round(value: bigint, sticky: boolean, bits: number): readonly [bigint, number] {
  const cut = value.toString(2).length - bits
  if (cut <= 0) return [value, 0]
  const kept = value >> BigInt(cut)
  const low = value & ((1n << BigInt(cut)) - 1n)
  const half = 1n << BigInt(cut - 1)
  const up = low > half || (low === half && (sticky || (kept & 1n) === 1n))
  return [up ? kept + 1n : kept, cut]
}

/** True where rounding a quotient to 64 and then to 53 bits is not the same as rounding it once. */
function roundsTwice(sum: bigint, divisor: bigint): boolean {
  const numerator = sum << 120n
  const [long, cut] = round(numerator / divisor, numerator % divisor !== 0n, 64)
  const [twice, more] = round(long, false, 53)
  const [once, all] = round(numerator / divisor, numerator % divisor !== 0n, 53)
  return twice << BigInt(cut + more) !== once << BigInt(all)
}

/** Sums of `count` values that plain division gets wrong by one ulp. */
function trickySums(
  type: { readonly largest: number; readonly scale: bigint },
  wanted: number,
): readonly { sum: bigint; count: bigint }[] {
  const random = new Seeded(11)
  const found: { sum: bigint; count: bigint }[] = []
  while (found.length < wanted) {
    const count = BigInt(4099 + 2 * random.below(900))
    const sum = BigInt(Math.floor(random.next() * type.largest)) * count + BigInt(random.below(4000))
    if (sum > 0n && roundsTwice(sum, count * type.scale)) found.push({ sum, count })
  }
  return found
}

const types = [
  { type: 'SMALLINT', largest: 30_000, scale: 1n, places: 0 },
  { type: 'INTEGER', largest: 2 ** 31 - 10, scale: 1n, places: 0 },
  { type: 'BIGINT', largest: 2 ** 40, scale: 1n, places: 0 },
  { type: 'DECIMAL(4,1)', largest: 9000, scale: 10n, places: 1 },
  { type: 'DECIMAL(9,2)', largest: 9e8, scale: 100n, places: 2 },
  { type: 'DECIMAL(18,4)', largest: 9e12, scale: 10_000n, places: 4 },
]

it.each(types)('averages of $type are bit-equal where rounding twice shows', async ({ type, largest, scale, places }) => {
  const groups = trickySums({ largest, scale }, 6)
  const selects = groups.map(({ sum, count }, group) => {
    const value = `(${sum / count} + CASE WHEN i < ${sum % count} THEN 1 ELSE 0 END)::DECIMAL(38,${places})`
    const scaled = places === 0 ? value : `(${value} * 0.${'0'.repeat(places - 1)}1::DECIMAL(${places + 1},${places}))`
    return `SELECT ${group} AS g, CAST(${scaled.replace('DECIMAL(38,', places === 0 ? 'DECIMAL(38,' : 'DECIMAL(20,')} AS ${type}) * ${group % 2 === 0 ? 1 : -1} AS x FROM range(${count}) r(i)`
  })
  const name = `tricky_${type.replace(/\W/g, '_')}`
  await oracle.connection.run(`CREATE TABLE ${name} AS SELECT g, x::${type} AS x FROM (${selects.join(' UNION ALL ')})`)
  await oracle.declare(name)
  // Merged by columns, and, where groups are made of others, by lambdas.
  for (const keys of ['g', 'ROLLUP (g)']) {
    const sql = `SELECT g, avg(x), sum(x), count(*) FROM ${name} GROUP BY ${keys} HAVING avg(x) IS NOT NULL ORDER BY avg(x), g`
    const split = await oracle.split(sql)
    if (split.shape !== 'split') throw new Error(split.why)
    expect(await oracle.splitAnswer(split, { leaves: 3, fanIn: 2 })).toEqual(await oracle.whole(sql))
  }
})

it('averages of integers whose sums pass 2^64 are bit-equal', async () => {
  await oracle.connection.run(
    'CREATE TABLE wide AS SELECT i % 500 AS g, ((hash(i) >> 1)::BIGINT - 4611686018427387904) * 2 AS x FROM range(40000) r(i)',
  )
  await oracle.declare('wide')
  const items =
    'avg(x), avg(x) FILTER (WHERE x > 0) AS p, avg(x) FILTER (WHERE x > 9000000000000000000) AS few, avg(g), avg(0), avg(NULL::INTEGER)'
  for (const rest of ['GROUP BY g ORDER BY g', 'GROUP BY CUBE (g) ORDER BY g', '']) {
    const sql = `SELECT ${rest === '' ? '' : 'g, '}${items} FROM wide ${rest}`
    const split = await oracle.split(sql)
    if (split.shape !== 'split') throw new Error(split.why)
    expect(await oracle.splitAnswer(split, { leaves: 4, fanIn: 2 })).toEqual(await oracle.whole(sql))
  }
})

it('averages are merged without lambdas where every group is one of the partials', async () => {
  await oracle.connection.run('CREATE TABLE plain AS SELECT i % 5 AS g, i AS x FROM range(100) r(i)')
  await oracle.declare('plain')
  const rootOf = async (sql: string): Promise<string> => {
    const split = await oracle.split(sql)
    if (split.shape !== 'split') throw new Error(split.why)
    return JSON.stringify(split.root)
  }
  expect(await rootOf('SELECT g, avg(x) FROM plain GROUP BY g')).not.toContain('list_transform')
  expect(await rootOf('SELECT avg(x) FROM plain')).not.toContain('list_transform')
  expect(await rootOf('SELECT g, avg(x) FROM plain GROUP BY ROLLUP (g)')).toContain('list_transform')
})
