import { beforeAll, describe, expect, it } from 'vitest'
import type { RelationDefinition } from '../../src/model/catalogue.js'
import { dataset, type InProcessPlanner, openInProcessPlanner, view } from './in-process-planner.js'

const nowMs = Date.UTC(2026, 0, 31, 23, 30, 0, 250)
let planner: InProcessPlanner
beforeAll(async () => {
  planner = await openInProcessPlanner([
    dataset('sales', {
      id: 'BIGINT',
      Day: 'DATE',
      amount: 'DECIMAL(15,2)',
      city: 'VARCHAR',
      at: 'TIMESTAMP',
      s: 'STRUCT(x INTEGER)',
    }),
    { ...dataset('cities', { city: 'VARCHAR', country: 'VARCHAR' }), written: true },
    dataset('odd "name"', { 'a b': 'INTEGER', select: 'INTEGER' }),
    { kind: 'broken', name: 'damaged', error: { code: 'FILE_UNREADABLE', message: 'file "x" is not readable: cut short' } },
    dataset('clocks', { id: 'BIGINT', localtime: 'TIME' }),
    view('today', 'select current_date, id from sales'),
    view('doubles', 'select 1.5e0 as e'),
    view('big', 'select * from sales where amount > 1000'),
    view('bigger', 'select city, sum(amount) as total from BIG group by all'),
    view('loop', 'select * from loop'),
    view('gone', "select 'a long text', x.id from nowhere x"),
    view('of gone', 'select * from gone'),
    view('stale', "select 'a long text', missing from sales"),
    view('meta', 'select table_name from information_schema.columns'),
  ])
})

const sqlOf = async (sql: string, asked = {}): Promise<string> => (await planner.plan(sql, { nowMs, ...asked })).work.whole.sql

describe('names', () => {
  it('replaces datasets by placeholders and keeps the names that columns are asked by', async () => {
    expect(await sqlOf('select SALES.id, c.country from Sales join main.cities c using (city)')).toBe(
      'SELECT SALES.id, c.country FROM __fb0 AS Sales INNER JOIN __fb1 AS c USING (city)',
    )
  })

  it('uses one placeholder for a dataset, however often it is read', async () => {
    const plan = await planner.plan('select * from sales a, sales b where a.id = b.id')
    expect(plan.reads.map((read) => read.relation)).toEqual(['__fb0'])
  })

  it('takes a method for a call on the column, and keeps its name', async () => {
    const plan = await planner.plan('select city.upper().substr(1, 2), c.city.lower() from sales c where city.length() > 2')
    expect(plan.columns.map((column) => column.name)).toEqual(['substr(city.upper(), 1, 2)', 'c.city.lower()'])
    expect(plan.work.whole.sql).toContain('lower(c.city)')
    await expect(planner.plan('select nowhere.upper() from sales')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
  })

  it('keeps the type of a decimal without digits after its point', async () => {
    expect((await planner.plan('select 5., 12. + 1')).columns).toEqual([
      { name: '5', type: 'DECIMAL(1,0)' },
      { name: '(12 + 1)', type: 'DECIMAL(11,0)' },
    ])
  })

  it('takes the schema off column names', async () => {
    expect(await sqlOf('select main.sales.id from main.sales')).toBe('SELECT sales.id FROM __fb0 AS sales')
    expect(await sqlOf('select forebay.main.sales.id from forebay.main.sales')).toBe('SELECT sales.id FROM __fb0 AS sales')
  })

  it('lets a CTE hide a table, also a recursive one', async () => {
    expect((await planner.plan('with sales as (select 1 as x) select * from sales')).reads).toEqual([])
    expect((await planner.plan('with sales as (select * from sales) select id from sales')).reads).toHaveLength(1)
    const plan = await planner.plan(
      'with recursive cities as (select 1 n union all select n + 1 from cities where n < 3) from cities',
    )
    expect(plan.reads).toEqual([])
  })

  it('does not let a CTE be seen outside its query', async () => {
    await expect(planner.plan('select * from (with x as (select 1) from x), x')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
  })

  it.each([
    'with __fb0 as (select 42 as id) select * from sales, __fb0',
    'select * from (with recursive __FB12 as (select 1 as n union select n + 1 from __fb12 where n < 3) from __fb12)',
  ])('refuses a CTE with the name of a placeholder: %s', async (sql) => {
    await expect(planner.plan(sql)).rejects.toMatchObject({
      code: 'NOT_SUPPORTED',
      message: expect.stringMatching(/^a CTE cannot be named "__fb\d+"$/),
    })
  })

  it('puts views in place, views of views too', async () => {
    const plan = await planner.plan("select * from bigger where city = 'Rome'")
    expect(plan.reads).toMatchObject(
      [{ dataset: 'sales', columns: [{ name: 'amount' }, { name: 'city' }].sort(), segments: [0] }].map(() => ({
        dataset: 'sales',
      })),
    )
    expect(plan.columns).toEqual([
      { name: 'city', type: 'VARCHAR' },
      { name: 'total', type: 'DECIMAL(38,2)' },
    ])
  })

  it('ends on a view that refers to itself', async () => {
    await expect(planner.plan('select * from loop')).rejects.toMatchObject({ code: 'NOT_SUPPORTED' })
  })

  it.each([
    ['select 1, id from "of gone"', 'table "nowhere", which view "gone" reads, does not exist', 18],
    ['select * from (select * from stale)', expect.stringContaining('"missing"'), 29],
  ])('says of a view that cannot be read any more what is missing, and where it is used: %s', async (sql, message, position) => {
    await expect(planner.plan(sql)).rejects.toMatchObject({ code: 'NAME_NOT_FOUND', message, position })
  })

  it('answers for a broken table with its own error', async () => {
    await expect(planner.plan('select * from damaged')).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
  })

  it('takes quoted names', async () => {
    const plan = await planner.plan('select "a b", "select" from "ODD ""name"""')
    expect(plan.reads[0]).toMatchObject({ dataset: 'odd "name"', columns: [{ name: 'a b' }, { name: 'select' }] })
  })
})

describe('errors', () => {
  it.each([
    ['select * from slaes', 'NAME_NOT_FOUND', 14, 'did you mean "sales"?'],
    ['select idd from sales', 'NAME_NOT_FOUND', 7, 'candidate bindings: "id"'],
    ['/* ü */ select s.idd from sales s', 'NAME_NOT_FOUND', 15, undefined],
    ['select summ(id) from sales', 'NAME_NOT_FOUND', 7, 'did you mean "sum"?'],
    ['select id from sales group by', 'SQL_SYNTAX', 29, undefined],
    ['create table x as select id frm sales where', 'SQL_SYNTAX', 32, undefined],
    ['select sum(city) from sales', 'TYPE_MISMATCH', 7, undefined],
    ["select date '2026-01-31' + 'x'", 'TYPE_MISMATCH', undefined, undefined],
    ['select city, count(*) from sales', 'SQL_SYNTAX', 7, undefined],
    ["values ('a'), (1)", 'TYPE_MISMATCH', undefined, undefined],
    ['with x as (insert into t values (1)) select 1', 'SQL_SYNTAX', undefined, undefined],
  ])('%s', async (sql, code, position, hint) => {
    const error = await planner.plan(sql).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code })
    if (position !== undefined) expect(error).toMatchObject({ position })
    if (hint !== undefined) expect(error).toMatchObject({ hint: expect.stringContaining(hint) })
    expect((error as Error).message).not.toMatch(/__fb|LINE \d/)
  })
})

describe('values', () => {
  it('binds parameters to typed literals and keeps column names', async () => {
    const plan = await planner.plan(
      'select $n + 1, $t as t from sales where id > $n and Day >= $d and city is distinct from $x',
      {
        params: { n: 5, t: true, d: '2026-01-01', x: null },
      },
    )
    expect(plan.columns).toEqual([
      { name: '($n + 1)', type: 'INTEGER' },
      { name: 't', type: 'BOOLEAN' },
    ])
    expect(plan.work.whole.sql).toContain(
      "WHERE ((id > CAST('5' AS INTEGER)) AND (\"Day\" >= '2026-01-01') AND (city IS DISTINCT FROM NULL))",
    )
    expect(plan.parameterTypes).toEqual(['INTEGER', 'BOOLEAN', 'VARCHAR', 'NULL'])
  })

  it('binds positional parameters', async () => {
    expect(await sqlOf('select ? as a, ? as b', { params: { 1: 1.5, 2: 3_000_000_000 } })).toBe(
      "SELECT CAST('1.5' AS DOUBLE) AS a, CAST('3000000000' AS BIGINT) AS b",
    )
  })

  it('does not take a number for a position', async () => {
    expect(await sqlOf('select id from sales order by $1', { params: { 1: 1 } })).toContain("ORDER BY CAST('1' AS INTEGER)")
  })

  it.each([
    ['select $a', {}],
    ['select 1', { a: 1 }],
    ['select $a', { a: 2 ** 60 }],
    ['select $a', { a: 'before\0after' }],
    ['select $a', { a: { x: 1 } as unknown as string }],
    ['create view w as select $a', {}],
  ])('refuses %s with %j', async (sql, params) => {
    await expect(planner.plan(sql, { params })).rejects.toMatchObject({ code: 'PARAMETER_INVALID' })
  })

  it('freezes the clock once per statement, in its time zone', async () => {
    const sql = await sqlOf(
      'select now(), current_date as d, today() t, current_timestamp ts, localtimestamp lt, localtime l, ago(interval 1 day) g',
      {
        timeZone: 'Europe/Berlin',
      },
    )
    expect(sql).toContain(`CAST('2026-02-01 00:30:00.25+01' AS TIMESTAMP WITH TIME ZONE) AS "now()"`)
    expect(sql).toContain("CAST('2026-02-01' AS DATE) AS d, CAST('2026-02-01' AS DATE) AS t")
    expect(sql).toContain("CAST('2026-02-01 00:30:00.25' AS TIMESTAMP) AS lt, CAST('00:30:00.25' AS TIME) AS l")
    expect(await sqlOf('select current_date d')).toContain("CAST('2026-01-31' AS DATE) AS d")
    expect(await sqlOf('select age("at") from sales')).toContain(`age(CAST('2026-01-31' AS TIMESTAMP), "at")`)
  })

  it.each([
    ['select current_date, current_date + 1', `CAST('2026-01-31' AS DATE) AS current_date, (CAST('2026-01-31' AS DATE) + 1)`],
    ['select CURRENT_DATE, count(*) from sales group by all', `SELECT CAST('2026-01-31' AS DATE) AS CURRENT_DATE, count_star()`],
    ['select id from sales where Day < (select current_date)', `(SELECT CAST('2026-01-31' AS DATE) AS current_date)`],
    ['create view w as select current_date, id from sales', `SELECT CAST('2026-01-31' AS DATE) AS current_date, id`],
    [
      'select current_time, current_timestamp, localtime, localtimestamp',
      `CAST('23:30:00.25' AS TIME) AS localtime, CAST('2026-01-31 23:30:00.25' AS TIMESTAMP) AS localtimestamp`,
    ],
  ])('names the clock in a select list after its word: %s', async (sql, expected) => {
    expect(await sqlOf(sql)).toContain(expected)
  })

  it.each([
    [
      'select id as localtime, (select max(localtime) from cities) as m from sales',
      `SELECT id AS localtime, (SELECT max(CAST('23:30:00.25' AS TIME))`,
    ],
    ['select id as localtime from sales order by localtime', 'ORDER BY localtime'],
    ['select localtime from clocks order by localtime', 'SELECT localtime FROM __fb0 AS clocks ORDER BY localtime'],
    [
      'select localtime, count(*) from clocks group by localtime',
      'SELECT localtime, count_star() FROM __fb0 AS clocks GROUP BY localtime',
    ],
    [
      'select s.id, current_date from sales s left join today t on s.id = t.id',
      `SELECT s.id, current_date FROM __fb0 AS s LEFT JOIN (SELECT CAST('2026-01-31' AS DATE) AS current_date`,
    ],
    [
      'select localtime from sales union all select localtime from clocks',
      `(SELECT CAST('23:30:00.25' AS TIME) AS localtime FROM __fb0 AS sales) UNION ALL (SELECT localtime FROM __fb1 AS clocks)`,
    ],
  ])('takes the clock for a column only where such a column is in reach: %s', async (sql, expected) => {
    expect(await sqlOf(sql)).toContain(expected)
  })

  it('refuses an unknown time zone', async () => {
    await expect(planner.plan('select 1', { timeZone: "x'; select 1" })).rejects.toMatchObject({ code: 'PARAMETER_INVALID' })
  })

  it('keeps the type of constants that DuckDB would print as another one', async () => {
    const plan = await planner.plan('select 1e3, 1e400, 0.1, 170141183460469231731687303715884105727, 9007199254740993, -0e0')
    expect(plan.columns.map((column) => column.type)).toEqual(['DOUBLE', 'DOUBLE', 'DECIMAL(2,1)', 'HUGEINT', 'BIGINT', 'DOUBLE'])
    expect(plan.work.whole.sql).toContain('170141183460469231731687303715884105727, 9007199254740993')
  })

  it('says which WITH ORDINALITY beside a table it cannot plan', async () => {
    const tags = await planner.plan('select city, o from sales, unnest([city]) with ordinality as t(tag, o)')
    expect(tags.columns.map(({ name }) => name)).toEqual(['city', 'o'])
    await expect(
      planner.plan('select * from sales where id in (select o from range(3) with ordinality as r(n, o))'),
    ).rejects.toMatchObject({
      code: 'NOT_SUPPORTED',
      message: expect.stringContaining('WITH ORDINALITY'),
    })
  })

  it('compares with decimals of more than 18 digits', async () => {
    expect(await sqlOf('select id from sales where amount > 3000000000.0000000001 and amount < 1234567890123456789.5')).toBe(
      'SELECT id FROM __fb0 AS sales WHERE ((amount > 3000000000.0000000001) AND (amount < 1234567890123456789.5))',
    )
  })

  it.each(['random()', 'uuid()', 'gen_random_uuid()', 'uuidv7()', 'setseed(0.5)'])('does not repeat %s', async (call) => {
    expect(await planner.plan(`select ${call}, id from sales`)).toMatchObject({ repeatable: false, work: { shape: 'whole' } })
  })

  it('does not repeat what depends on the day, or samples', async () => {
    expect((await planner.plan('select name, is_dst from pg_timezone_names()')).repeatable).toBe(false)
    expect((await planner.plan('select id from sales tablesample 10%')).repeatable).toBe(false)
    expect((await planner.plan('select id from sales using sample 3')).repeatable).toBe(false)
    expect((await planner.plan('select id from sales')).repeatable).toBe(true)
  })
})

describe('columns to read', () => {
  const columns = async (sql: string): Promise<readonly string[]> =>
    (await planner.plan(sql)).reads[0]?.columns.map((column) => column.name) ?? []

  it('are those that the statement refers to, in the order of the dataset', async () => {
    expect(await columns('select city from sales where amount > 1 order by id')).toEqual(['id', 'amount', 'city'])
    expect(await columns('select * from sales')).toHaveLength(6)
    expect(await columns('select s.x from sales')).toEqual(['s'])
    expect(await columns('select sales from sales')).toHaveLength(6)
  })

  it('are at least one', async () => {
    expect(await columns('select count(*) from sales')).toHaveLength(1)
  })

  it('are all where columns are counted', async () => {
    expect(await columns('select #2 from sales')).toHaveLength(6)
    expect(await columns('select b from sales as x(a, b)')).toHaveLength(6)
  })

  it('include what EXCLUDE, REPLACE and RENAME name', async () => {
    expect(await columns('select * exclude (id, city) from sales')).toHaveLength(6)
    expect(await columns('select columns(* exclude (id)) from sales')).toHaveLength(6)
  })
})

describe('templates', () => {
  it('are the same for other literals, parameters and lists, and differ for other shapes', async () => {
    const of = async (sql: string, params = {}): Promise<string> => (await planner.plan(sql, { params })).fingerprint
    const first = await of("select city, 1.5 from sales where id in (1, 2) and Day > date '2026-01-01' limit 3")
    expect(await of("select city, 7 from sales  where id in (4,5,6) AND Day > date '2020-02-02' limit 9")).toBe(first)
    expect(await of("select city, 7 from sales where id in ($a) AND Day > date '2020-02-02' limit 9", { a: 1 })).toBe(first)
    expect(await of("select city, 7 from sales where id in (4) AND Day < date '2020-02-02' limit 9")).not.toBe(first)
  })

  it('differ where the brackets around joins do', async () => {
    const of = async (from: string): Promise<string> => (await planner.plan(`select count(*) from ${from}`)).fingerprint
    const loose = await of('cities a cross join cities b left join sales c on b.city = c.city')
    expect(await of('cities a cross join (cities b left join sales c on b.city = c.city)')).not.toBe(loose)
    expect(await of('(cities a cross join cities b) left join sales c on b.city = c.city')).toBe(loose)
  })

  it('keep positions and give the literals', async () => {
    const plan = await planner.plan(
      "select city, sum(amount) from sales where city <> 'Rome' and amount > -1.25 group by 1 order by 2 desc",
    )
    expect(plan.template).toBe(
      'SELECT city, sum(amount) FROM sales WHERE ((city != ?) AND (amount > ?)) GROUP BY 1 ORDER BY 2 DESC',
    )
    expect(plan.literals).toEqual(['Rome', '-1.25'])
    expect(plan.ordered).toBe(true)
  })
})

describe('statements', () => {
  it('plan the SELECT of a write', async () => {
    expect(await planner.plan('create or replace table x as select id from sales')).toMatchObject({
      statement: { kind: 'create-table', table: 'x', replace: true },
      columns: [{ name: 'id', type: 'BIGINT' }],
    })
  })

  it('give INSERT the columns and types of the table', async () => {
    const plan = await planner.plan("insert into cities (country) values ('Italy'), ('Spain')")
    expect(plan.columns).toEqual([
      { name: 'city', type: 'VARCHAR' },
      { name: 'country', type: 'VARCHAR' },
    ])
    const byName = await planner.plan("insert into cities by name select 'IT' as country, 'Rome' as city")
    expect(byName.work.whole.sql).toContain('SELECT c1 AS city, c0 AS country')
    const cast = await planner.plan('insert into cities select 7, true')
    expect(cast.work.whole.sql).toContain('CAST(c0 AS VARCHAR) AS city, CAST(c1 AS VARCHAR) AS country')
  })

  it.each([
    ['insert into cities select 1', 'TYPE_MISMATCH'],
    ['insert into cities (nope) select 1', 'NAME_NOT_FOUND'],
    ['insert into cities (city, CITY) select 1, 2', 'SQL_SYNTAX'],
    ['insert into nowhere select 1', 'NAME_NOT_FOUND'],
    ['insert into big select 1', 'NOT_SUPPORTED'],
    ['insert into sales select 1', 'TABLE_NOT_MANAGED'],
    ['insert into sales (nope) select 1', 'TABLE_NOT_MANAGED'],
  ])('refuse %s', async (sql, code) => {
    await expect(planner.plan(sql)).rejects.toMatchObject({ code })
  })

  it('keep the text of a view, with its column names', async () => {
    const plan = await planner.plan('create view w(n) as select id from sales -- all')
    expect(plan.statement).toEqual({
      kind: 'create-view',
      view: 'w',
      replace: false,
      sql: 'SELECT * FROM (select id from sales\n) AS renamed("n")',
    })
  })

  it('validate the SELECT of a view', async () => {
    await expect(planner.plan('create view w as select nope from sales')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
  })
})

describe('metadata', () => {
  const rows = async (sql: string): Promise<readonly (readonly unknown[])[]> => planner.session.rows(await sqlOf(sql))

  it('answers DESCRIBE and SHOW as literals', async () => {
    expect(await rows('describe cities')).toEqual([
      ['city', 'VARCHAR', 'YES', null, null, null],
      ['country', 'VARCHAR', 'YES', null, null, null],
    ])
    expect(await rows("describe select 1 as a, 'x' as b")).toHaveLength(2)
    expect((await rows('describe select 1e3 as a, 1e18 as b, current_date')).map(([name, type]) => [name, type])).toEqual([
      ['a', 'DOUBLE'],
      ['b', 'DOUBLE'],
      ['current_date', 'DATE'],
    ])
    expect((await rows('describe doubles')).map(([name, type]) => [name, type])).toEqual([['e', 'DOUBLE']])
    expect((await rows('show tables')).flat()).toEqual([
      'big',
      'bigger',
      'cities',
      'clocks',
      'damaged',
      'doubles',
      'gone',
      'loop',
      'meta',
      'odd "name"',
      'of gone',
      'sales',
      'stale',
      'today',
    ])
    expect((await rows('show all tables')).length).toBe(14)
    expect(await rows('show databases')).toEqual([['forebay']])
    expect(await rows("select column_name from (describe sales) where column_type = 'DATE'")).toEqual([['Day']])
  })

  it('answers information_schema', async () => {
    expect(
      await rows("select table_type from information_schema.tables where table_name in ('big', 'sales') order by 1"),
    ).toEqual([['BASE TABLE'], ['VIEW']])
    expect(
      await rows("select column_name, data_type, numeric_scale from information_schema.columns c where c.table_name = 'bigger'"),
    ).toEqual([
      ['city', 'VARCHAR', null],
      ['total', 'DECIMAL(38,2)', 2],
    ])
    expect(await rows("select view_definition from information_schema.views where table_name = 'big'")).toEqual([
      ['select * from sales where amount > 1000'],
    ])
    expect(await rows('select schema_name from information_schema.schemata')).toEqual([['main']])
    expect(await rows("select count(*) from meta where table_name = 'cities'")).toEqual([[2n]])
  })

  it('shows nothing of ours', async () => {
    const everything = JSON.stringify(
      [await rows('show all tables'), await rows('from information_schema.columns')],
      (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
    )
    expect(everything).not.toMatch(/__fb|__partials|memory|temp"/)
  })

  it('leaves SUMMARIZE to the node, over the placeholder', async () => {
    const plan = await planner.plan('summarize cities')
    expect(plan.work.whole.sql).toBe('SELECT * FROM (SUMMARIZE (SELECT * FROM __fb0 AS cities))')
    expect(plan.reads[0]?.columns).toHaveLength(2)
  })

  it('knows no other schema of metadata', async () => {
    await expect(planner.plan('from information_schema.nothing')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
    await expect(planner.plan('show variables')).rejects.toBeDefined()
  })
})

describe('the most rows of an answer', () => {
  const rowsMax = async (sql: string): Promise<number | undefined> => (await planner.plan(sql)).rowsMax

  it('is what a LIMIT says, its offset included', async () => {
    expect(await rowsMax('select id from sales order by id limit 10')).toBe(10)
    expect(await rowsMax('select id from sales limit 10 offset 5')).toBe(15)
    expect(await rowsMax('select id from sales limit 10%')).toBeUndefined()
  })

  it('is one where everything is aggregated', async () => {
    expect(await rowsMax('select count(*), sum(amount) + 1 from sales')).toBe(1)
  })

  it('is not known of groups, plain rows, windows and what makes rows of a list', async () => {
    expect(await rowsMax('select city, count(*) from sales group by city')).toBeUndefined()
    expect(await rowsMax('select city, count(*) from sales group by all')).toBeUndefined()
    expect(await rowsMax('select id from sales')).toBeUndefined()
    expect(await rowsMax('select sum(id) over () from sales')).toBeUndefined()
    expect(await rowsMax('select unnest(list(id)) from sales')).toBeUndefined()
    expect(await rowsMax('select max(id) from sales union all select 1')).toBeUndefined()
  })
})

describe('a root that gives no more rows than its partials have', () => {
  const keepsRows = async (sql: string): Promise<boolean | undefined> => {
    const big = dataset('facts', { id: 'BIGINT', city: 'VARCHAR' }, [{ bytes: 5e6 }, { bytes: 5e6 }])
    const { work } = await (await openInProcessPlanner([big])).plan(sql, { tree: 'always' })
    return work.shape === 'split' ? work.rootKeepsRows : undefined
  }

  it('is one that merges groups, one row or the first of an order', async () => {
    expect(await keepsRows('select city, avg(id) from facts group by city having count(*) > 1 order by 1')).toBe(true)
    expect(await keepsRows('select sum(id) from facts')).toBe(true)
    expect(await keepsRows('select id from facts order by id limit 5')).toBe(true)
    // What repeats rows does so in the leaves: they are rows of the partials.
    expect(await keepsRows('select unnest(range(id)) from facts')).toBe(true)
  })

  it('is none that joins, repeats or groups by several sets', async () => {
    const groups = 'select city, count(*) as n from facts group by city'
    expect(await keepsRows(`select q.city, r.range from (${groups}) as q, range(1000000) as r`)).not.toBe(true)
    expect(await keepsRows(`select city, unnest(range(n)) from (${groups})`)).not.toBe(true)
    expect(await keepsRows('select city, id, count(*) from facts group by cube (city, id)')).not.toBe(true)
  })
})

describe('columns of EXISTS', () => {
  const columnsOf = async (sql: string): Promise<readonly string[]> => {
    const { reads } = await planner.plan(sql)
    return reads.filter((read) => read.dataset === 'sales').flatMap((read) => read.columns.map((column) => column.name))
  }

  it('are those that its conditions read, not all that a star stands for', async () => {
    expect(await columnsOf('select 1 from cities c where exists (select * from sales s where s.city = c.city)')).toEqual(['city'])
    expect(await columnsOf('select 1 from cities c where not exists (from sales s where s.id = 1 and s.city = c.city)')).toEqual([
      'id',
      'city',
    ])
  })

  it('are all where something refers to the star', async () => {
    for (const inside of [
      'select * from sales order by all limit 3',
      'select distinct * from sales',
      'select * exclude (id) from sales',
    ]) {
      expect((await columnsOf(`select exists (${inside}) from cities`)).length).toBeGreaterThanOrEqual(5)
    }
  })

  it('go without changing the name of an answer', async () => {
    const { columns } = await planner.plan('select exists (select * from sales) from cities')
    expect(columns.map(({ name }) => name)).toEqual(['EXISTS(SELECT * FROM sales)'])
  })

  it('still must exist', async () => {
    await expect(planner.plan('select exists (select nothing.* from sales)')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
    await expect(planner.plan('select exists (select *)')).rejects.toMatchObject({ code: 'SQL_SYNTAX' })
  })
})

describe('names of computed columns', () => {
  it('keeps the types of casts in names as DuckDB writes them', async () => {
    const { columns } = await planner.plan('select f.s.x::date, cast($p as hugeint), f.s.x::int from sales as f', {
      params: { p: 1 },
    })
    expect(columns.map(({ name }) => name)).toEqual(['CAST(f.s.x AS "DATE")', 'CAST($p AS "HUGEINT")', 'CAST(f.s.x AS INTEGER)'])
  })
})

describe('names and types of columns', () => {
  it.each([
    'true is true, null is not false, (select 1) = 1 is true',
    "date '2026-01-31' + interval 1 month, interval (2 + 1) day, interval 3 second, interval '2 days'",
    "1::double, cast(2 as double), to_seconds(cast(1 as double)), to_seconds('1'::double)",
    'list_filter([1, 2], lambda x: x > 1), list_reduce([1, 2], lambda x, y: x + y), list_filter([1, 2], x -> x > 1)',
    'list_filter([1], lambda x: len(list_filter([2], lambda "Y y": "Y y" > x)) > 0), [x + 1 for x in [1, 2] if x > 1]',
    '1e3, 1e15, 1e16, 1e18, -1e18, 123456789012345678e0, 1e18 + 1, 1e400, 2 + 1e400, -1e400, 2 * 1e2',
    "1::decimal(10,2) * 1e2, (select null::hugeint[]), (select '1'::enum('a', '1')), (select {'x': 1}::struct(x decimal(4,1)))",
    "* from unnest(['a', 'b']) with ordinality order by ordinality desc",
    '* from range(3) with ordinality as r(n, o)',
    '00.5, 01.5, 000.25, -00.5, 00.50 + 1, 0.5, .5, 0.00, 0.05, 1.50, 5., 01., 12345678901234567.5',
  ])('are those that DuckDB gives: %s', async (items) => {
    const sql = `select ${items}`
    expect((await planner.plan(sql)).columns).toEqual(await planner.session.describe(sql))
  })
})

describe('a statement that is planned again', () => {
  const sql = 'select city, sum(amount), avg(id) from facts where id > 3 and city <> upper($p) group by all order by 1'
  const parts = (count: number) => Array.from({ length: count }, () => ({ bytes: 5e6, rows: 100_000 }))
  const facts = (type: string, count: number) =>
    dataset('facts', { id: type, amount: 'DECIMAL(15,2)', city: 'VARCHAR' }, parts(count))
  const again = async (used: InProcessPlanner): Promise<unknown> => {
    const { planMs: _, ...plan } = await used.plan(sql, { params: { p: 'x' } })
    return plan
  }
  const fresh = async (table: RelationDefinition): Promise<unknown> => again(await openInProcessPlanner([table]))

  it('has the plan that a new planner makes, after its data has grown and after its columns have changed', async () => {
    const used = await openInProcessPlanner([facts('BIGINT', 2)])
    for (const definition of [facts('BIGINT', 2), facts('BIGINT', 3), facts('DOUBLE', 3), facts('BIGINT', 40)]) {
      used.definitions.define(definition)
      const expected = await fresh(definition)
      expect(await again(used)).toEqual(expected)
      expect(await again(used)).toEqual(expected)
      // Another statement gives the same placeholder to another table.
      await used.plan('select 1 from (values (1)) as v(a)')
    }
    used.definitions.define(dataset('others', { id: 'INTEGER', amount: 'BIGINT', city: 'VARCHAR' }))
    await used.plan(sql.replace('facts', 'others').replace('avg(id)', 'max(id)'), { params: { p: 'x' } })
    expect(await again(used)).toEqual(await fresh(facts('BIGINT', 40)))
  })

  it('is the same where what is remembered has to make room', async () => {
    const used = await openInProcessPlanner([facts('BIGINT', 3)])
    const expected = await fresh(facts('BIGINT', 3))
    // More text than a planner remembers of one kind.
    for (let n = 0; n < 8; n++) await used.plan(`select ${n} as n, '${'x'.repeat(900_000)}' as x`)
    expect(await again(used)).toEqual(expected)
    expect(await again(used)).toEqual(expected)
  })

  it('keeps no error', async () => {
    const used = await openInProcessPlanner([facts('VARCHAR', 1)])
    await expect(again(used)).rejects.toMatchObject({ code: expect.any(String) })
    used.definitions.define(facts('BIGINT', 1))
    expect(await again(used)).toEqual(await fresh(facts('BIGINT', 1)))
  })
})
