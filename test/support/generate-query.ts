import { Seeded } from './seeded.js'

/** How a column of an answer may differ: not at all, by the rounding of a sum, or by that of a variance. */
export type Exactness = 'exact' | 'sum' | 'spread'

export interface GeneratedQuery {
  readonly sql: string
  /** By result column. */
  readonly exactness: readonly Exactness[]
  /** Result columns whose sequence the query fixes, in the order of ORDER BY. */
  readonly orderedBy: readonly number[]
}

interface Item {
  readonly sql: string
  readonly exactness: Exactness
  readonly group?: boolean
}

interface Source {
  readonly from: string
  /** Prefix of the facts' columns, e.g. `f.`; empty where they go by their names alone. */
  readonly at: string
  readonly more: readonly string[]
}

/** One random query over the lake of generate-lake.ts, in the shapes that are split and in those that must not be. */
export function generateQuery(seed: number): GeneratedQuery {
  const random = new Seeded(seed * 7919 + 13)
  const shape = random.below(20)
  if (shape < 11) return grouped(random)
  if (shape < 15) return rows(random)
  if (shape < 17) return nested(random)
  if (shape < 19) return withCte(random)
  return setOperation(random)
}

const texts = ['k', 'upper(k)', 's.b', 'substr(k, 1, 1)', "coalesce(k, '∅')", 'k || g']
const integers = ['g', 'n', 'sm', 'n % 7', 'length(k)', 'year(dt)', 'g + 1', 's.a', 'len(l)', 'u', 'b']
const decimals = ['d1', 'd2', 'd3', 'd1 * 2', 'd1 + d2', '-d3']
const dates = ['dt', "date_trunc('month', dt)", "date_trunc('hour', ts)", 'ts::DATE']
const keysOnly = ['bo', 'v', 'l', 's', 'f', 'id % 3', 'CASE WHEN n > 0 THEN 1 ELSE 0 END', 'b % 5']

/** Columns of facts inside an expression, called through an alias. */
function at(expression: string, prefix: string): string {
  if (prefix === '') return expression
  const names = new Set('id g k n sm u b d1 d2 d3 f v dt ts bo l s'.split(' '))
  return expression.replace(/'[^']*'|[a-zA-Z_]\w*(?!\s*\()/g, (word, offset: number, text: string) => {
    if (word.startsWith("'") || !names.has(word)) return word
    return text[offset - 1] === '.' || text[offset - 1] === ':' ? word : `${prefix}${word}`
  })
}

function scalar(random: Seeded, prefix: string, choices: readonly string[]): string {
  return at(random.pick(choices), prefix)
}

function predicate(random: Seeded, prefix: string): string {
  const p = (text: string): string => at(text, prefix)
  switch (random.below(14)) {
    case 0:
      return p(`g > ${random.below(5)}`)
    case 1:
      return p('k IS NOT NULL')
    case 2:
      return p(`k LIKE '%${random.pick(['a', 'ü', 'z', '', '🙂'])}%'`)
    case 3:
      return p(`dt >= DATE '2023-12-${10 + random.below(20)}'`)
    case 4:
      return p(`n BETWEEN -${random.below(90000)} AND ${random.below(90000)}`)
    case 5:
      return p('bo')
    case 6:
      return p(`d1 < ${random.below(9000)}.5 OR d3 IS NULL`)
    case 7:
      return p(`g IN (SELECT dims.g FROM dims WHERE dims.class ${random.pick(['= 1', 'IS NOT NULL', '<> 0'])})`)
    case 8:
      return `${random.pick(['', 'NOT '])}EXISTS (SELECT 1 FROM dims WHERE dims.g = ${prefix === '' ? 'facts.' : prefix}g AND dims.w > 2)`
    case 9:
      return p(`d1 > (SELECT ${random.pick(['max', 'min', 'avg'])}(w) FROM dims)`)
    case 10:
      return p('len(l) > 1 AND list_contains(l, 3)')
    case 11:
      return p(`v > ${random.pick(['0', "'-Infinity'", "'NaN'", '1.0'])}::DOUBLE`)
    case 12:
      return p(`id % ${2 + random.below(5)} = 1`)
    default:
      return p("ts < TIMESTAMP '2024-02-01 01:00:00'")
  }
}

function where(random: Seeded, prefix: string): string {
  const count = random.pick([0, 0, 1, 1, 2])
  const predicates = Array.from({ length: count }, () => `(${predicate(random, prefix)})`)
  return count === 0 ? '' : ` WHERE ${predicates.join(' AND ')}`
}

function source(random: Seeded): Source {
  switch (random.below(9)) {
    case 0:
      return { from: 'facts AS f JOIN dims AS d ON f.g = d.g', at: 'f.', more: ['d.name', 'd.class', 'd.w'] }
    case 1:
      return { from: 'facts AS f LEFT JOIN dims AS d ON f.g = d.g AND d.w > 3', at: 'f.', more: ['d.name', 'd.class'] }
    case 2:
      return { from: 'facts AS f SEMI JOIN dims USING (g)', at: 'f.', more: [] }
    case 3:
      return { from: 'facts AS f ANTI JOIN days ON f.dt = days.dt', at: 'f.', more: [] }
    case 4:
      return { from: 'days RIGHT JOIN facts AS f ON days.dt = f.dt', at: 'f.', more: ['days.holiday'] }
    case 5:
      return { from: `(SELECT * FROM facts${where(random, '')}) AS f`, at: 'f.', more: [] }
    default:
      return { from: 'facts', at: '', more: [] }
  }
}

function aggregate(random: Seeded, prefix: string): Item {
  const filter = random.chance(0.2) ? ` FILTER (WHERE ${predicate(random, prefix)})` : ''
  const exact = (sql: string): Item => ({ sql: `${sql}${filter}`, exactness: 'exact' })
  const number = scalar(random, prefix, [...integers, ...decimals])
  switch (random.below(17)) {
    case 0:
      return exact('count(*)')
    case 1:
      return exact(`count(${scalar(random, prefix, [...texts, ...integers, ...keysOnly])})`)
    case 2:
    case 3:
      return exact(`sum(${number})`)
    case 4:
    case 5:
      return exact(`avg(${number})`)
    case 6:
    case 7:
      return exact(
        `${random.pick(['min', 'max'])}(${scalar(random, prefix, [...texts, ...integers, ...decimals, ...dates, ...keysOnly])})`,
      )
    case 8:
      return exact(`${random.pick(['bool_and', 'bool_or'])}(${at('bo', prefix)})`)
    case 9:
      return exact(`${random.pick(['bit_and', 'bit_or', 'bit_xor'])}(${scalar(random, prefix, ['g', 'n', 'u', 'b'])})`)
    case 10:
      return exact(`count(DISTINCT ${scalar(random, prefix, [...texts, ...integers])})`)
    case 11:
      return exact(`${random.pick(['sum', 'avg', 'max'])}(DISTINCT ${scalar(random, prefix, ['g', 'n', 'd1'])})`)
    case 12:
      return { sql: `${random.pick(['sum', 'avg'])}(${at('f', prefix)})${filter}`, exactness: 'sum' }
    case 13: {
      const name = random.pick(['stddev', 'var_pop', 'var_samp', 'stddev_pop'])
      return { sql: `${name}(${scalar(random, prefix, ['f', 'n', 'd1', 'g'])})${filter}`, exactness: 'spread' }
    }
    case 14:
      return { sql: `${random.pick(['covar_pop', 'covar_samp'])}(${at('f, n', prefix)})${filter}`, exactness: 'spread' }
    case 15:
      return exact(
        random.pick([
          `median(${at('n', prefix)})`,
          `string_agg(${at('k', prefix)}, ',' ORDER BY ${at('id', prefix)})`,
          `count_if(${at('bo', prefix)})`,
        ]),
      )
    default:
      return { sql: `sum(${number}) + count(*) * 2`, exactness: 'exact' }
  }
}

function key(random: Seeded, from: Source): string {
  if (from.more.length > 0 && random.chance(0.4)) return random.pick(from.more)
  return scalar(random, from.at, random.chance(0.3) ? keysOnly : [...texts, ...integers, ...dates, ...decimals])
}

function grouped(random: Seeded): GeneratedQuery {
  const from = source(random)
  const keys = Array.from({ length: random.pick([0, 1, 1, 1, 2, 2]) }, () => key(random, from))
  const items: Item[] = [
    ...keys.map((sql): Item => ({ sql, exactness: 'exact', group: true })),
    ...Array.from({ length: 1 + random.below(3) }, () => aggregate(random, from.at)),
  ]
  const named = items.map((item, index) =>
    random.chance(0.5) || item.sql.includes('SELECT') ? `${item.sql} AS r${index}` : item.sql,
  )
  const groupBy = keys.length === 0 ? '' : ` GROUP BY ${groupClause(random, keys)}`
  const having = random.chance(0.15) ? ` HAVING count(*) > ${random.below(4)}` : ''
  const select = `SELECT ${named.join(', ')} FROM ${from.from}${where(random, from.at)}${groupBy}${having}`
  return ordered(random, select, items)
}

function groupClause(random: Seeded, keys: readonly string[]): string {
  const [first = '', second] = keys
  const both = keys.join(', ')
  if (random.chance(0.3)) return keys.map((_, index) => index + 1).join(', ')
  if (random.chance(0.1)) return 'ALL'
  if (random.chance(0.12)) return `ROLLUP (${both})`
  if (random.chance(0.08)) return `CUBE (${both})`
  if (second !== undefined && random.chance(0.1)) return `GROUPING SETS ((${first}), (${second}), ())`
  return both
}

/** Adds ORDER BY over exact columns, and LIMIT: over a total order mostly, sometimes over one that leaves a choice. */
function ordered(random: Seeded, select: string, items: readonly Item[]): GeneratedQuery {
  const exactness = items.map((item) => item.exactness)
  const positions = items.flatMap((item, index) => (item.exactness === 'exact' ? [index] : []))
  if (positions.length === 0 || random.chance(0.5)) return { sql: select, exactness, orderedBy: [] }
  const all = random.chance(0.6)
  const orderedBy = all ? random.some(positions, positions.length) : random.some(positions, 1)
  const orders = orderedBy.map((index) => `${index + 1}${random.pick(['', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'])}`)
  const limit = random.chance(all ? 0.6 : 0.1)
    ? ` LIMIT ${1 + random.below(12)}${random.chance(0.3) ? ` OFFSET ${random.below(4)}` : ''}`
    : ''
  return { sql: `${select} ORDER BY ${orders.join(', ')}${limit}`, exactness, orderedBy }
}

function rows(random: Seeded): GeneratedQuery {
  const from = source(random)
  const items: Item[] = Array.from({ length: 1 + random.below(4) }, () => ({ sql: key(random, from), exactness: 'exact' }))
  if (random.chance(0.5)) items.push({ sql: at('id', from.at), exactness: 'exact' })
  const distinct = random.chance(0.35) ? 'DISTINCT ' : ''
  const named = items.map((item, index) => (random.chance(0.5) ? `${item.sql} AS r${index}` : item.sql))
  if (distinct === '' && random.chance(0.15)) {
    const select = `SELECT * FROM ${from.from}${where(random, from.at)}`
    return { sql: select, exactness: [], orderedBy: [] }
  }
  return ordered(random, `SELECT ${distinct}${named.join(', ')} FROM ${from.from}${where(random, from.at)}`, items)
}

const innerKeys = ['g', 'k', "date_trunc('month', dt)", 'n % 5', 'bo']
const innerAggregates = ['count(*)', 'sum(d1)', 'max(n)', 'min(dt)', 'avg(d2)', 'sum(b)', 'count(DISTINCT g)']

function inner(random: Seeded): string {
  const [x, y] = random.some(innerAggregates, 2)
  return `SELECT ${random.pick(innerKeys)} AS a, ${x} AS x, ${y} AS y FROM facts${where(random, '')} GROUP BY 1`
}

function nested(random: Seeded): GeneratedQuery {
  const block = inner(random)
  const outer = random.pick([
    `SELECT a, x FROM (${block}) AS q WHERE x IS NOT NULL`,
    `SELECT count(*), max(x), min(y) FROM (${block}) AS q`,
    `SELECT q.a, dims.name, q.x FROM (${block}) AS q JOIN dims ON dims.class = length(q.a::VARCHAR) % 3`,
    `SELECT DISTINCT x FROM (${block}) AS q`,
    `SELECT name FROM dims WHERE g IN (SELECT length(a::VARCHAR) FROM (${block}) AS q)`,
    `SELECT name, (SELECT count(x) FROM (${block}) AS q) AS c FROM dims`,
    `SELECT y, x FROM (${block}) AS q ORDER BY y, x, a LIMIT 4`,
  ])
  return { sql: outer, exactness: [], orderedBy: [] }
}

function withCte(random: Seeded): GeneratedQuery {
  const block = inner(random)
  const outer = random.pick([
    'SELECT * FROM q WHERE x >= (SELECT max(x) FROM q)',
    'SELECT one.a, two.y FROM q AS one JOIN q AS two ON one.a = two.a',
    'SELECT a, count(*) FROM q GROUP BY a',
    'SELECT x FROM q UNION SELECT y FROM q WHERE false',
  ])
  if (random.chance(0.5)) return { sql: `WITH q AS (${block}) ${outer}`, exactness: [], orderedBy: [] }
  const filtered = `WITH q AS (SELECT *, d1 * 2 AS twice FROM facts${where(random, '')})`
  return { sql: `${filtered} SELECT g, sum(twice), count(*) FROM q GROUP BY g`, exactness: [], orderedBy: [] }
}

function setOperation(random: Seeded): GeneratedQuery {
  const operation = random.pick(['UNION ALL', 'UNION', 'EXCEPT', 'INTERSECT'])
  const left = `SELECT g, count(*) AS c FROM facts${where(random, '')} GROUP BY g`
  return { sql: `(${left}) ${operation} (SELECT g, class FROM dims)`, exactness: [], orderedBy: [] }
}
