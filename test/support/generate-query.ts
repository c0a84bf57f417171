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

/** A select item under the alias that it is given, if it is given one. */
interface Named extends Item {
  readonly alias?: string
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
  switch (random.below(11)) {
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
    case 6: {
      const few = random.pick(['d.w > (SELECT min(w) FROM dims)', 'd.g IN (SELECT x.g FROM dims AS x WHERE x.class = 1)'])
      return { from: `facts AS f JOIN dims AS d ON f.g = d.g AND ${few}`, at: 'f.', more: ['d.name', 'd.w'] }
    }
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

/** Names that could be taken for columns of the tables, for those of partials, or for one another. */
const aliases = ['k0', 'k1', 'a0', 'c0', 'g', 'n', 'K0', 'same', 'same']
const constants = ["'x'", '1 + 1', 'NULL', '7', "DATE '2024-01-31'", '(SELECT max(w) FROM dims)', '[1, 2]']

function named(random: Seeded, items: readonly Item[]): readonly Named[] {
  const odd = random.chance(0.3)
  return items.map((item, index) => {
    if (odd && random.chance(0.7)) return { ...item, alias: random.pick(aliases) }
    return random.chance(0.5) || item.sql.includes('SELECT') ? { ...item, alias: `r${index}` } : item
  })
}

function selectList(items: readonly Named[]): string {
  return items.map(({ sql, alias }) => (alias === undefined ? sql : `${sql} AS ${alias}`)).join(', ')
}

/** Something that is true of some values of every type. */
function ofAnyType(random: Seeded, expression: string): string {
  return random.pick([`${expression} IS NOT NULL`, `length(${expression}::VARCHAR) > 2`])
}

/**
 * WHERE with conditions over columns, and sometimes over what the select list names. Not beside GROUP BY: runs with such
 * statements ended now and then in corrupted memory inside DuckDB 1.5.6, runs without them did not.
 */
function whereNamed(random: Seeded, prefix: string, items: readonly Named[]): string {
  const names = items.flatMap(({ alias }) => alias ?? [])
  const given = where(random, prefix)
  if (names.length === 0 || random.chance(0.8)) return given
  return `${given === '' ? ' WHERE ' : `${given} AND `}${ofAnyType(random, random.pick(names))}`
}

function having(random: Seeded, items: readonly Named[]): string {
  if (random.chance(0.75)) return ''
  const item = random.pick(items)
  const called = item.alias ?? item.sql
  return ` HAVING ${random.pick([`count(*) > ${random.below(4)}`, ofAnyType(random, item.sql), ofAnyType(random, called)])}`
}

function grouped(random: Seeded): GeneratedQuery {
  const from = source(random)
  const different = Array.from({ length: random.pick([0, 1, 1, 1, 2, 2]) }, () => key(random, from))
  const keys = different.length > 0 && random.chance(0.08) ? [...different, random.pick(different)] : different
  const constant = random.chance(0.12) ? [random.pick(constants)] : []
  const items = named(random, [
    ...keys.map((sql): Item => ({ sql, exactness: 'exact', group: true })),
    ...constant.map((sql): Item => ({ sql, exactness: 'exact' })),
    ...Array.from({ length: 1 + random.below(3) }, () => aggregate(random, from.at)),
  ])
  const grouping = keys.length > 0 ? groupClause(random, keys) : random.chance(0.3) ? 'ALL' : undefined
  const groupBy = grouping === undefined ? '' : ` GROUP BY ${grouping}`
  const conditions = where(random, from.at)
  const select = `SELECT ${selectList(items)} FROM ${from.from}${conditions}${groupBy}${having(random, items)}`
  return ordered(random, select, items)
}

function groupClause(random: Seeded, keys: readonly string[]): string {
  const [first = '', second] = keys
  const both = keys.join(', ')
  if (random.chance(0.3)) return keys.map((_, index) => index + 1).join(', ')
  if (random.chance(0.2)) return 'ALL'
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
  const shown = named(random, items)
  if (distinct === '' && random.chance(0.15)) {
    const select = `SELECT * FROM ${from.from}${where(random, from.at)}`
    return { sql: select, exactness: [], orderedBy: [] }
  }
  const conditions = whereNamed(random, from.at, shown)
  return ordered(random, `SELECT ${distinct}${selectList(shown)} FROM ${from.from}${conditions}`, shown)
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
    `SELECT name, holiday FROM dims JOIN days ON g = day(dt) % 8 AND g IN (SELECT length(a::VARCHAR) FROM (${block}) AS q)`,
    `SELECT name, count(*) FROM dims JOIN days ON w > (SELECT min(g) FROM facts${where(random, '')}) GROUP BY ALL`,
    `SELECT 'x' AS k0, count(x) AS c, max(y) AS a0 FROM (${block}) AS q GROUP BY ALL HAVING c >= 0`,
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
