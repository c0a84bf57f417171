import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isAggregate } from '../../../src/sql/split/aggregate-names.js'
import type { Exactness } from '../../support/generate-query.js'
import { difference } from '../../support/oracle.js'
import { PlanOracle } from '../../support/oracle-plan.js'

let oracle: PlanOracle

beforeAll(async () => {
  oracle = await PlanOracle.open()
  await oracle.connection.run(`
    CREATE TABLE sales AS SELECT i AS id, i % 7 AS shop, i % 3 = 0 AS online, (i * 1.37)::DECIMAL(9,2) AS price, sin(i) AS weight,
      'item ' || i % 11 AS item, DATE '2024-01-01' + (i % 40)::INTEGER AS day, [i, i + 1] AS tags,
      to_days((i % 3)::INTEGER) AS span FROM range(1000) r(i);
    CREATE TABLE shops AS SELECT i AS shop, 'shop ' || i AS name, i * 1.5 AS area, i / 2.0::DOUBLE AS score FROM range(5) r(i);
    CREATE TABLE visits AS SELECT i AS id, i % 7 AS shop FROM range(200000) r(i)`)
  for (const name of ['sales', 'shops', 'visits']) await oracle.declare(name)
})
afterAll(() => oracle.close())

async function reason(sql: string): Promise<string> {
  const split = await oracle.split(sql)
  return split.shape === 'whole' ? split.why : `split: ${split.why}`
}

describe('what runs whole, and the reason it gives', () => {
  it.each([
    ['SELECT random(), id FROM sales', 'random() gives something else each time'],
    ['SELECT first(item) FROM sales', 'first() depends on the order of rows'],
    ['SELECT arg_max(item, price) FROM sales', 'arg_max() depends on the order of rows'],
    ['SELECT mode(item) FROM sales', 'mode() depends on the order of rows'],
    [`SELECT string_agg(item, ',') FROM sales`, 'string_agg() depends on the order of rows'],
    ['SELECT list(id ORDER BY id) FROM sales', 'list() depends on the order of rows'],
    ['SELECT median(id) FROM sales', 'median() needs all rows at once'],
    ['SELECT approx_count_distinct(id) FROM sales', 'approx_count_distinct() needs all rows at once'],
    ['SELECT corr(id, weight) FROM sales', 'corr() needs all rows at once'],
    ['SELECT id, row_number() OVER (ORDER BY id) FROM sales', 'a window function'],
    ['SELECT id FROM sales USING SAMPLE 10', 'a sample'],
    ['SELECT item FROM sales ORDER BY item COLLATE noaccent, item', 'a collation, which partial results do not keep'],
    ['SELECT min(item COLLATE nocase) FROM sales', 'a collation, which partial results do not keep'],
    ['SELECT id, item FROM sales LIMIT 3', 'LIMIT without a total order'],
    ['SELECT id, item FROM sales ORDER BY id LIMIT 3', 'LIMIT without a total order'],
    ['SELECT shop, count(*) AS c FROM sales GROUP BY shop ORDER BY c DESC LIMIT 3', 'LIMIT without a total order'],
    ['SELECT shop, sum(id) AS s FROM sales GROUP BY ROLLUP (shop) ORDER BY shop LIMIT 3', 'LIMIT without a total order'],
    ['SELECT shop, unnest([min(id), max(id)]) FROM sales GROUP BY shop ORDER BY shop LIMIT 3', 'LIMIT without a total order'],
    [
      'SELECT count(*) FROM sales WHERE id IN (SELECT unnest([min(id), max(id)]) FROM shops JOIN visits USING (shop) GROUP BY shop ORDER BY shop LIMIT 3)',
      'LIMIT without a total order',
    ],
    [
      'SELECT shop, sum(weight) FROM sales GROUP BY shop HAVING sum(weight) > 0',
      'a floating-point aggregate in HAVING or ORDER BY',
    ],
    ['SELECT shop, avg(weight) AS w FROM sales GROUP BY shop ORDER BY w', 'a floating-point aggregate in HAVING or ORDER BY'],
    ['SELECT shop, avg(weight) AS w FROM sales GROUP BY shop ORDER BY ALL', 'a floating-point aggregate in HAVING or ORDER BY'],
    ['SELECT DISTINCT sum(weight) FROM sales GROUP BY shop', 'DISTINCT over a floating-point aggregate'],
    ['SELECT round(avg(weight), 2) FROM sales', 'an expression that can magnify the error of a floating-point aggregate'],
    ['SELECT sum(weight) - avg(weight) FROM sales', 'an expression that can magnify the error of a floating-point aggregate'],
    [
      'SELECT w FROM (SELECT sum(weight) AS w FROM sales GROUP BY shop) q WHERE w > 0',
      'a floating-point aggregate that something else is computed from',
    ],
    [
      'SELECT max(w) FROM (SELECT sum(weight) AS w FROM sales GROUP BY shop) q',
      'a floating-point aggregate that something else is computed from',
    ],
    [
      'SELECT name FROM shops WHERE area > (SELECT avg(weight) FROM sales)',
      'a floating-point aggregate that something else is computed from',
    ],
    [
      'SELECT count(*) FROM sales WHERE weight > (SELECT avg(score) FROM shops)',
      'avg() of floating-point numbers beside what is split',
    ],
    ['SELECT count(DISTINCT shop), count(DISTINCT item) FROM sales', 'DISTINCT aggregates of different arguments'],
    ['SELECT DISTINCT ON (shop) id FROM sales', 'DISTINCT ON'],
    [
      'SELECT DISTINCT area > 3 FROM shops JOIN (SELECT shop, count(*) AS c FROM visits GROUP BY shop) q USING (shop) ORDER BY c, name',
      'DISTINCT ordered by what it does not show',
    ],
    ['SELECT span, count(*) FROM sales GROUP BY span', 'groups by INTERVAL'],
    ['SELECT max(span) FROM sales', 'max() of INTERVAL'],
    ['SELECT item COLLATE nocase AS i, count(*) FROM sales GROUP BY i', 'a collation, which partial results do not keep'],
    ['SELECT a.id FROM sales a, sales b WHERE a.id = b.id', 'sales is read in 2 places'],
    ['SELECT count(*) FROM sales FULL JOIN shops USING (shop)', 'the large side of a FULL join is not the one that is kept'],
    ['SELECT count(*) FROM sales JOIN visits USING (id)', 'split: count over visits'],
    [
      'SELECT sum(v.id) FROM visits v WHERE EXISTS (SELECT 1 FROM shops s WHERE s.shop = v.shop LIMIT 1)',
      'LIMIT in a correlated subquery',
    ],
    ['SELECT 1', 'no dataset is read'],
  ])('%s', async (sql, why) => {
    expect(await reason(sql)).toBe(why)
  })

  it('is what would make every node read a large dataset', async () => {
    await oracle.connection.run('CREATE TABLE clicks AS SELECT i AS id FROM range(300000) r(i)')
    await oracle.declare('clicks')
    expect(await reason('SELECT count(*) FROM clicks JOIN visits USING (id)')).toBe(
      'clicks is too large to be read by every node',
    )
  })
})

describe('what is split', () => {
  it.each([
    ['SELECT count(*) FROM sales', 'one'],
    ['SELECT shop, sum(price) FROM sales GROUP BY shop', 'groups'],
    ["SELECT date_trunc('month', day) AS day, count(*) FROM sales GROUP BY date_trunc('month', day)", 'groups'],
    ['SELECT DISTINCT item FROM sales', 'groups'],
    ['SELECT * FROM sales WHERE id < 10', 'rows'],
    ['SELECT id, item FROM sales ORDER BY item, id LIMIT 5 OFFSET 2', 'limited'],
    ['SELECT id % 3 AS r, id FROM sales ORDER BY r, id DESC LIMIT 5 OFFSET 2', 'limited'],
    ['SELECT DISTINCT id % 3 AS r, item FROM sales ORDER BY ALL LIMIT 9', 'limited'],
    ['SELECT item FROM sales ORDER BY id % 3 DESC, price', 'rows'],
    ['SELECT item, count(*) AS c FROM sales GROUP BY item ORDER BY c DESC, item LIMIT 3', 'groups'],
    ['SELECT name, sum(price) FROM sales JOIN shops USING (shop) GROUP BY name', 'groups'],
    ['SELECT count(*) FROM shops RIGHT JOIN sales USING (shop)', 'one'],
    [
      'WITH x AS (SELECT shop, sum(price) AS p FROM sales GROUP BY shop) SELECT * FROM x WHERE p > (SELECT avg(p) FROM x)',
      'groups',
    ],
    ['SELECT sum(p) FROM (SELECT price * 2 AS p FROM sales WHERE online) q', 'one'],
    ['SELECT p, count(*) AS n FROM (SELECT shop AS p FROM sales) GROUP BY p HAVING max(p) IS NOT NULL', 'groups'],
    ['SELECT max(p) FROM (SELECT price AS p FROM sales)', 'one'],
    ['SELECT sum(weight) / count(*), coalesce(avg(weight), 0), -stddev(weight) FROM sales', 'one'],
    ['SELECT shop, w FROM (SELECT shop, sum(weight) AS w FROM sales GROUP BY shop) q ORDER BY shop DESC', 'groups'],
    ['SELECT shop, count(DISTINCT item) FILTER (WHERE online), sum(id) FROM sales GROUP BY CUBE (shop, online)', 'groups'],
    ['SELECT s.shop, t.tag FROM sales s, unnest(s.tags) AS t(tag) WHERE s.id < 5', 'rows'],
  ])('%s', async (sql, partial) => {
    const split = await oracle.split(sql)
    expect(split).toMatchObject({ shape: 'split', partial })
    if (split.shape !== 'split') return
    const expected = await oracle.whole(sql)
    const bound = { exactness: expected.columns.map(({ name }) => (/weight|w$/.test(name) ? 'spread' : 'exact') as Exactness) }
    for (const cell of [
      { leaves: 1, fanIn: 2 },
      { leaves: 3, fanIn: 2 },
    ]) {
      const actual = await oracle.splitAnswer(split, cell)
      expect(difference(expected, actual, { ...bound, orderedBy: [], rows: 1000, largest: 1 })).toBeUndefined()
    }
  })

  it('names what leaves and root read besides their own', async () => {
    const joined = await oracle.split(
      'SELECT name, q.c FROM shops JOIN (SELECT shop, count(*) AS c FROM sales GROUP BY shop) q USING (shop)',
    )
    expect(joined).toMatchObject({ distributed: '__fb0', broadcast: [], rootReads: ['__fb1'] })
    const inside = await oracle.split('SELECT name, count(*) FROM sales JOIN shops USING (shop) GROUP BY name')
    expect(inside).toMatchObject({ distributed: '__fb0', broadcast: ['__fb1'], rootReads: [] })
  })

  it('tells which columns the groups come from', async () => {
    const split = await oracle.split('SELECT s.shop, lower(item), count(*) FROM sales s GROUP BY 1, 2')
    expect(split).toMatchObject({ groupColumns: [{ dataset: 'sales', column: 'shop' }] })
  })

  it('leaves the tree that it was given as it was', async () => {
    const tree = await oracle.resolve('SELECT shop AS s, avg(price) FROM sales GROUP BY s ORDER BY 1')
    const before = JSON.stringify(tree)
    await oracle.split('SELECT shop AS s, avg(price) FROM sales GROUP BY s ORDER BY 1')
    expect(JSON.stringify(tree)).toBe(before)
  })
})

describe('partials', () => {
  it('keep an exact zero of constant values at 0.0', async () => {
    await oracle.connection.run('CREATE TABLE same AS SELECT 0.1::DOUBLE AS x, i % 2 AS g FROM range(1000) r(i)')
    await oracle.declare('same')
    const sql = 'SELECT stddev(x), var_pop(x), covar_pop(x, g) FROM same'
    const split = await oracle.split(sql)
    if (split.shape !== 'split') throw new Error(split.why)
    const { rows } = await oracle.splitAnswer(split, { leaves: 7, fanIn: 2 })
    expect(rows).toEqual([['0.0', '0.0', '0.0']])
  })

  it('keep a small spread far from zero', async () => {
    await oracle.connection.run('CREATE TABLE far AS SELECT 1e9 + (i % 2) AS x FROM range(1000) r(i)')
    await oracle.declare('far')
    const split = await oracle.split('SELECT stddev_pop(x::DOUBLE) FROM far')
    if (split.shape !== 'split') throw new Error(split.why)
    const { rows } = await oracle.splitAnswer(split, { leaves: 7, fanIn: 2 })
    expect(Number(rows[0]?.[0])).toBeCloseTo(0.5, 9)
  })

  it('keep all digits of a HUGEINT sum', async () => {
    await oracle.connection.run('CREATE TABLE huge AS SELECT 9223372036854775807 - i AS x FROM range(1000) r(i)')
    await oracle.declare('huge')
    const sql = 'SELECT sum(x) FROM huge'
    const split = await oracle.split(sql)
    if (split.shape !== 'split') throw new Error(split.why)
    expect(await oracle.splitAnswer(split, { leaves: 7, fanIn: 2 })).toEqual(await oracle.whole(sql))
  })

  it('are right when every leaf, or none of the rows, is empty', async () => {
    const sql = 'SELECT count(*), sum(id), avg(price), max(item), stddev(weight) FROM sales WHERE id < 0'
    const split = await oracle.split(sql)
    if (split.shape !== 'split') throw new Error(split.why)
    expect(await oracle.splitAnswer(split, { leaves: 3, fanIn: 2 })).toEqual(await oracle.whole(sql))
  })
})

it('knows every aggregate function of the installed DuckDB', async () => {
  const { rows } = await oracle.answer(
    `SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'
      OR (function_type = 'macro' AND regexp_matches(macro_definition, '(^|[^_a-z])(string_agg|avg|sum|count|list|first)\\('))`,
  )
  const names = rows.map(([name]) => String(name))
  expect(names.filter((name) => !isAggregate(name) && !name.startsWith('list_'))).toEqual([])
})

describe('a large table in places where each row of it is not a row of FROM', () => {
  it.each([
    'SELECT s.shop FROM shops s JOIN shops u ON s.shop = u.shop AND s.shop NOT IN (SELECT shop FROM visits WHERE id < 3) ORDER BY 1',
    'SELECT count(*) FROM shops s JOIN shops u ON s.shop = u.shop AND s.shop IN (SELECT shop FROM visits)',
    'SELECT * FROM (VALUES ((SELECT id FROM visits WHERE id = 3))) r(z) ORDER BY 1',
    'SELECT shop, count(*) FROM visits GROUP BY ROLLUP (shop, visits.shop) ORDER BY ALL',
    'SELECT shop, count(*) FROM visits GROUP BY GROUPING SETS ((shop, id % 2), (visits.shop)) ORDER BY ALL',
    'SELECT id % 5 AS shop, -id AS shop FROM visits WHERE id < 20 ORDER BY shop, 1, 2',
  ])('%s', async (sql) => {
    const split = await oracle.split(sql)
    const expected = await oracle.whole(sql)
    const answer = split.shape === 'whole' ? expected : await oracle.splitAnswer(split, { leaves: 3, fanIn: 2 })
    expect(answer).toEqual(expected)
  })
})

describe('names and groups that are what DuckDB takes them for', () => {
  async function answers(sql: string): Promise<'split' | 'whole'> {
    const split = await oracle.split(sql)
    if (split.shape === 'split') {
      expect(await oracle.splitAnswer(split, { leaves: 3, fanIn: 2 })).toEqual(await oracle.whole(sql))
    }
    return split.shape
  }

  it.each([
    'SELECT shop AS k1, item AS k2, count(*) FROM sales WHERE k1 = 1 GROUP BY ALL ORDER BY ALL',
    'SELECT shop AS k1, id AS k0, count(*) FROM sales WHERE k0 > 900 GROUP BY shop, id ORDER BY ALL',
  ])('leaves to WHERE the names that the user gave: %s', async (sql) => {
    await answers(sql)
  })

  it.each([
    'SELECT shop, count(*) FROM (SELECT 1::BIGINT AS shop) a RIGHT JOIN visits USING (shop) LEFT JOIN shops USING (shop) GROUP BY ALL ORDER BY ALL',
    'SELECT shop, max(id) FROM (SELECT 1::BIGINT AS shop) a FULL JOIN (SELECT 2::BIGINT AS shop) b USING (shop) JOIN visits USING (shop) GROUP BY 1 ORDER BY 1',
  ])('takes what a RIGHT or FULL join has merged for no column of its left side: %s', async (sql) => {
    await answers(sql)
  })

  it('takes what inner and left joins have merged for the column of the first table', async () => {
    const joins =
      'visits LEFT JOIN shops USING (shop) JOIN (SELECT 2::BIGINT AS shop) b USING (shop) SEMI JOIN shops c USING (shop)'
    expect(await answers(`SELECT shop, count(*) FROM ${joins} GROUP BY ALL`)).toBe('split')
  })

  it.each([
    'SELECT s.shop FROM shops s RIGHT JOIN visits v USING (shop) WHERE id < 14 ORDER BY shop DESC, id',
    'SELECT s.*, id FROM shops s RIGHT JOIN visits v USING (shop) WHERE id < 14 ORDER BY shop DESC, id',
    'SELECT shop AS q, s.shop, id FROM visits LEFT JOIN shops s USING (shop) WHERE id < 14 ORDER BY shop DESC, id',
    'SELECT s.shop, count(*) FROM visits v LEFT JOIN shops s USING (shop) GROUP BY s.shop, v.shop ORDER BY shop DESC, v.shop',
    'SELECT * REPLACE (-id AS id), 1 AS one FROM visits WHERE id < 9 ORDER BY id',
    'SELECT * RENAME (id AS shop, shop AS id), 1 AS one FROM visits WHERE id < 9 ORDER BY shop DESC',
    'SELECT v.*, v.* RENAME (id AS shop, shop AS id) FROM visits v WHERE id < 9 ORDER BY shop DESC, 1',
    'SELECT DISTINCT shop % 2 AS x, * RENAME (id AS x) FROM visits WHERE id < 9 ORDER BY x DESC, 1',
    "SELECT -COLUMNS('^id$'), 1 AS one FROM visits WHERE id < 9 ORDER BY id",
    "SELECT COLUMNS('^id(.*)$') AS 'shop\\1', 1 AS one FROM visits WHERE id < 9 ORDER BY shop DESC",
    'SELECT boxed.* FROM (SELECT id, {id: -id} AS boxed FROM visits WHERE id < 9) q ORDER BY id',
  ])('sorts by what a name in ORDER BY means beside what is shown: %s', async (sql) => {
    await answers(sql)
  })

  it.each([
    'SELECT *, id + 1 AS next FROM visits WHERE id < 9 ORDER BY id DESC',
    'SELECT v.shop, id, s.name FROM visits v LEFT JOIN shops s ON v.shop = s.shop WHERE id < 9 ORDER BY id DESC',
    'SELECT v.*, s.name FROM visits v JOIN shops s USING (shop) WHERE id < 9 ORDER BY shop, id',
    "SELECT COLUMNS('^(id|shop)$') FROM visits WHERE id < 9 ORDER BY id DESC",
    'SELECT v.shop, count(*) FROM visits v JOIN shops s ON v.shop = s.shop GROUP BY v.shop ORDER BY v.shop DESC LIMIT 2',
  ])('splits where such a name can only be one column: %s', async (sql) => {
    expect(await answers(sql)).toBe('split')
  })

  it('keeps the first row of each value of an aggregate', async () => {
    await answers('SELECT DISTINCT ON (count(*)) item, count(*) FROM sales GROUP BY item ORDER BY count(*), item')
  })

  it.each([
    "SELECT 'x' AS k, sum(id) FROM visits WHERE id < 0 GROUP BY ALL",
    "SELECT 1 + 1, NULL, today() > DATE '2020-01-01', count(*) FROM visits WHERE id < 0 GROUP BY ALL",
    'SELECT (SELECT max(shop) FROM shops) AS m, count(id) FROM visits WHERE id < 0 GROUP BY ALL',
    'SELECT list_transform([1, 2], lambda id: id + 1) AS m, sum(id) FROM visits WHERE id < 0 GROUP BY ALL',
    'SELECT 5 AS c, c + 1 AS d, avg(id), count(DISTINCT shop) FROM visits WHERE id < 0 GROUP BY ALL',
    "SELECT q.* FROM (SELECT 'x' AS k, sum(id) AS s FROM visits WHERE id < 0 GROUP BY ALL) q",
    "SELECT 'x' AS k, shop, sum(id) FROM visits GROUP BY ALL ORDER BY ALL LIMIT 3",
    'SELECT list_transform([1, 2], lambda x: x + shop) AS m, sum(id) FROM visits GROUP BY ALL ORDER BY ALL',
  ])('groups by ALL that reads a column, and by nothing else: %s', async (sql) => {
    expect(await answers(sql)).toBe('split')
  })

  it('makes no group of constants alone', async () => {
    expect(await reason("SELECT 'x' AS k FROM visits WHERE id < 3 GROUP BY ALL")).toBe('neither groups nor aggregates')
  })

  it.each([
    'SELECT sum(id) AS shop, shop AS q FROM visits GROUP BY ALL HAVING shop > 3000',
    "SELECT item AS shop, shop, count(*) FROM sales GROUP BY ALL HAVING shop = 'item 1'",
    "SELECT date_trunc('month', day) AS mon, sum(id) FROM sales GROUP BY ALL HAVING mon >= '2024-02-01'",
    'SELECT id % 3 AS m, count(*) FROM sales GROUP BY ALL HAVING id % 3 > 0',
    'SELECT shop IN (1, 2) AS m, count(*) FROM sales GROUP BY ALL HAVING shop IN (1, 2)',
  ])('leaves columns in HAVING beside GROUP BY ALL to DuckDB: %s', async (sql) => {
    expect(await reason(sql)).toBe('columns in HAVING beside GROUP BY ALL')
  })

  it.each([
    'SELECT shop, count(*) AS c, c * 2 AS d FROM sales GROUP BY ALL HAVING d > 285 AND max(id) > 3 ORDER BY ALL',
    'SELECT shop, count(*) FROM sales GROUP BY ALL HAVING list_transform([1], lambda x: x + count(*))[1] > 143 ORDER BY ALL',
  ])('splits GROUP BY ALL whose HAVING asks for aggregates: %s', async (sql) => {
    expect(await answers(sql)).toBe('split')
  })
})
