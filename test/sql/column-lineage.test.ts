import { beforeAll, describe, expect, it } from 'vitest'
import { dataset, type InProcessPlanner, openInProcessPlanner, view } from './in-process-planner.js'

let planner: InProcessPlanner
beforeAll(async () => {
  planner = await openInProcessPlanner([
    dataset('orders', {
      id: 'BIGINT',
      customer: 'BIGINT',
      day: 'DATE',
      total: 'DECIMAL(15,2)',
      status: 'VARCHAR',
      tags: 'VARCHAR[]',
    }),
    dataset('customers', { id: 'BIGINT', name: 'VARCHAR', city: 'VARCHAR' }),
    view('paid', "select id, customer, total from orders where status = 'paid'"),
  ])
})

/** `column: direct → …; indirect → …` in short: `total+ orders.total AGGREGATION`. */
const lineage = async (sql: string): Promise<Record<string, readonly string[]>> => {
  const plan = await planner.plan(sql)
  return Object.fromEntries(
    plan.columnLineage.map(({ column, inputs }) => [
      column,
      inputs.map((input) => `${input.kind === 'DIRECT' ? '' : '~'}${input.dataset}.${input.column} ${input.subtype}`),
    ]),
  )
}

describe('column lineage', () => {
  it('tells identity, transformation and aggregation apart, and filters from keys', async () => {
    expect(
      await lineage(
        "select customer, day + 1 as next, sum(total) as s from orders where status = 'x' group by customer, day order by s",
      ),
    ).toEqual({
      customer: [
        'orders.customer IDENTITY',
        '~orders.customer GROUP_BY',
        '~orders.day GROUP_BY',
        '~orders.status FILTER',
        '~orders.total SORT',
      ],
      next: [
        'orders.day TRANSFORMATION',
        '~orders.customer GROUP_BY',
        '~orders.day GROUP_BY',
        '~orders.status FILTER',
        '~orders.total SORT',
      ],
      s: [
        'orders.total AGGREGATION',
        '~orders.customer GROUP_BY',
        '~orders.day GROUP_BY',
        '~orders.status FILTER',
        '~orders.total SORT',
      ],
    })
  })

  it('follows CTEs, views and joins', async () => {
    expect(
      await lineage(
        'with t as (select customer as c, sum(total) as s from paid group by 1) select name, s * 2 as d from customers join t on c = id',
      ),
    ).toEqual({
      name: [
        'customers.name IDENTITY',
        '~customers.id JOIN',
        '~orders.customer GROUP_BY',
        '~orders.customer JOIN',
        '~orders.status FILTER',
      ],
      d: [
        'orders.total AGGREGATION',
        '~customers.id JOIN',
        '~orders.customer GROUP_BY',
        '~orders.customer JOIN',
        '~orders.status FILTER',
      ],
    })
  })

  it('follows correlated scalar subqueries', async () => {
    const found = await lineage('select name, (select max(total) from orders o where o.customer = c.id) as m from customers c')
    expect(found.m).toContain('orders.total AGGREGATION')
    expect(found.m?.filter((input) => !input.startsWith('~'))).toEqual(['orders.total AGGREGATION'])
    expect(found.name).toContain('customers.name IDENTITY')
  })

  it('counts what a condition and a window look at as indirect', async () => {
    const found = await lineage(
      "select case when status = 'x' then total else 0 end as c, row_number() over (partition by customer order by day) as n, lag(total) over (order by day) as l from orders",
    )
    expect(found).toEqual({
      c: ['orders.total TRANSFORMATION', '~orders.status CONDITIONAL'],
      n: ['~orders.customer WINDOW', '~orders.day WINDOW'],
      l: ['orders.total TRANSFORMATION', '~orders.day WINDOW'],
    })
    const frames = await lineage(
      `select count(*) filter (where status = 'x') over (partition by customer) as n,
         sum(total) over (order by day rows between id preceding and customer following) as s from orders`,
    )
    expect(frames).toEqual({
      n: ['~orders.customer WINDOW', '~orders.status FILTER'],
      s: ['orders.total AGGREGATION', '~orders.customer WINDOW', '~orders.day WINDOW', '~orders.id WINDOW'],
    })
  })

  it('joins the sides of set operations by position', async () => {
    expect(await lineage('select id, status from orders union all select id, name from customers')).toEqual({
      id: ['customers.id IDENTITY', 'orders.id IDENTITY'],
      status: ['customers.name IDENTITY', 'orders.status IDENTITY'],
    })
  })

  it('counts all columns of rows that are compared as deciding which rows there are', async () => {
    expect(await lineage('select distinct id, status from orders')).toEqual({
      id: ['orders.id IDENTITY', '~orders.id GROUP_BY', '~orders.status GROUP_BY'],
      status: ['orders.status IDENTITY', '~orders.id GROUP_BY', '~orders.status GROUP_BY'],
    })
    expect(await lineage('select total from (select distinct on (customer) total, customer from orders order by day)')).toEqual({
      total: ['orders.total IDENTITY', '~orders.customer GROUP_BY', '~orders.day SORT'],
    })
    const compared = ['~customers.id JOIN', '~customers.name JOIN', '~orders.id JOIN', '~orders.status JOIN']
    expect(await lineage('select id, status from orders except all select id, name from customers')).toEqual({
      id: ['orders.id IDENTITY', ...compared],
      status: ['orders.status IDENTITY', ...compared],
    })
    expect(await lineage('select id, status from orders intersect all select id, name from customers')).toEqual({
      id: ['customers.id IDENTITY', 'orders.id IDENTITY', ...compared],
      status: ['customers.name IDENTITY', 'orders.status IDENTITY', ...compared],
    })
  })

  it('follows stars, EXCLUDE, UNNEST, LATERAL and VALUES', async () => {
    expect(Object.keys(await lineage('select * exclude (tags) from orders'))).toEqual([
      'id',
      'customer',
      'day',
      'total',
      'status',
    ])
    expect((await lineage('select unnest(tags) as tag from orders')).tag).toEqual(['orders.tags TRANSFORMATION'])
    expect((await lineage('select l.x from orders o, lateral (select o.total + 1 as x) l')).x).toContain(
      'orders.total TRANSFORMATION',
    )
    expect((await lineage('select u from orders, unnest(tags) as t(u)')).u).toContain('orders.tags TRANSFORMATION')
    expect(await lineage('select * from (values (1, 2)) as v(a, b)')).toEqual({ a: [], b: [] })
  })

  it('ends on recursive CTEs', async () => {
    const found = await lineage(
      'with recursive r as (select id as n, customer as m from orders union all select m, n from r where n < 3) select * from r',
    )
    expect(found.n?.filter((input) => !input.startsWith('~'))).toEqual(['orders.customer IDENTITY', 'orders.id IDENTITY'])
  })

  it('follows a recursive CTE for as many rounds as something new flows', async () => {
    const { a } = await lineage(
      `with recursive r as (
         select id::varchar as a, customer::varchar as b, day::varchar as c, total::varchar as d, 0 as i from orders
         union all select b, c, d, a, i + 1 from r where i < 9) select a from r`,
    )
    const direct = ['customer', 'day', 'id', 'total'].map((column) => `orders.${column} TRANSFORMATION`)
    expect(a?.filter((input) => !input.startsWith('~'))).toEqual(direct)
  })

  it('keeps semi and anti joins indirect', async () => {
    const found = await lineage(
      'select name from customers where id in (select customer from orders) and not exists (select 1 from orders o where o.id = customers.id)',
    )
    expect(found.name?.filter((input) => !input.startsWith('~'))).toEqual(['customers.name IDENTITY'])
    expect(found.name).toContain('~orders.customer FILTER')
  })

  it('tells filters of aggregates and QUALIFY', async () => {
    const found = await lineage("select customer, count(*) filter (where status = 'x') as n from orders group by all")
    expect(found.n).toEqual(['~orders.customer GROUP_BY', '~orders.status FILTER'])
    const qualified = await lineage('select id from orders qualify row_number() over (partition by customer order by day) = 1')
    expect(qualified.id).toEqual(['orders.id IDENTITY', '~orders.customer WINDOW', '~orders.day WINDOW'])
  })

  it('gives a written table its columns', async () => {
    expect(Object.keys(await lineage('create table x as select id as a, total as b from orders'))).toEqual(['a', 'b'])
  })
})
