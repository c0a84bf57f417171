import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { BadLines } from '../../../src/predict/evaluate/read-log.js'
import { runEvaluate } from '../../../src/predict/evaluate/run-evaluate.js'
import { type ImportFormat, importLog } from '../../../src/predict/import-log/import-log.js'
import { sqlShape } from '../../../src/predict/import-log/sql-shape.js'

async function file(text: string, zipped = false): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'forebay-import-')), 'log')
  await writeFile(path, zipped ? gzipSync(text) : text)
  return path
}

async function imported(format: ImportFormat, text: string, zipped = false) {
  const bad: BadLines = { count: 0, first: [] }
  return { queries: await importLog(await file(text, zipped), format, bad), bad }
}

describe('the shape of a statement', () => {
  it('keeps apart what differs in shape, and joins what differs in literals, layout and case', () => {
    const one = sqlShape('SELECT a FROM s.t JOIN "U" USING (k) WHERE d = \'2026-01-31\' AND n IN (1, 2, 3) -- daily\n;')
    const two = sqlShape("select A from S.T join \"U\" using (k) /* x */ where d = 'it''s' and n in (7)")
    expect(two.template).toBe(one.template)
    expect(one).toMatchObject({ args: ['2026-01-31', '1', '2', '3'], kind: 'read', tables: ['U', 's.t'] })
    expect(two.args).toEqual(["it's", '7'])
    expect(sqlShape('select b from s.t').template).not.toBe(sqlShape('select a from s.t').template)
    expect(sqlShape('insert into t select 1').kind).toBe('write')
  })

  it('takes a backslash for an escape in strings that say so, and in plain ones of dialects that do', () => {
    const escaping = { backslashEscapes: true }
    const then = "and d = 'x' -- it's"
    for (const shape of [
      sqlShape(String.raw`select 1 from t where a = E'it\'s' ${then}`),
      sqlShape(String.raw`select 1 from t where a = 'it\'s' ${then}`, escaping),
    ]) {
      expect(shape.args).toEqual(['1', String.raw`it\'s`, 'x'])
    }
    expect(sqlShape(String.raw`select 1 from t where a = 'c:\' ${then}`).args).toEqual(['1', 'c:\\', 'x'])
    expect(sqlShape("select date'2026-01-31' from t").args).toEqual(['2026-01-31'])
    expect(sqlShape("select 'it''s' from t", escaping).args).toEqual(["it's"])
  })

  it('has the sign of a number in its literal', () => {
    const one = sqlShape('select a - 1 from t where b in (-1, -2.5) and c > -3')
    expect(one.template).toBe(sqlShape('select a - 1 from t where b in (7) and c > 3').template)
    expect(one.args).toEqual(['1', '-1', '-2.5', '-3'])
    expect(sqlShape('select a - 1 from t').template).not.toBe(sqlShape('select a + 1 from t').template)
  })

  it.each([
    ['select extract(year from o_orderdate), trim(both from c), substring(s from 2 for 3) from orders', ['orders']],
    ['select overlay(a placing b from 3) from t where a is distinct from b or c is not distinct from d', ['t']],
    ['select extract(year from (select max(d) from t)) from u join v using (k)', ['t', 'u', 'v']],
    ['with a as (select * from t), b (x, y) as not materialized (select 1 from a) select * from a join b on x = y', ['t']],
    ['with orders as (select * from orders) select * from orders join s.orders o on true', ['orders', 's.orders']],
    ['with recursive r as (select 1 from t union all select 1 from r) select * from "r"', ['t']],
    ['with gone as (delete from t returning *) select * from gone', ['t']],
    ['delete from t where k in (select k from u)', ['t', 'u']],
    ['select sum(x) from lineitem l, orders as o, s."C" where a in (1, 2) group by b, c', ['lineitem', 'orders', 's.C']],
    ['select a, (select max(x) from u order by y, z) from t join v using (p, q), w limit 1, 2', ['t', 'u', 'v', 'w']],
    ['with a as (select 1 from b, c), d as (select 2) select * from a, d, e', ['b', 'c', 'e']],
    ['select * from only t, lateral (select 1) s, table(f(x)), unnest(y)', ['t']],
  ])('names the tables of %s', (sql, tables) => {
    expect(sqlShape(sql).tables).toEqual(tables)
  })
})

describe('the log of another system', () => {
  it('is read from events of Trino', async () => {
    const event = (name: string, createTime: string, endTime: string, bytes: number) => ({
      metadata: { queryId: name, query: `SELECT sum(x) FROM lake.s.t WHERE y > ${bytes}`, queryState: 'FINISHED' },
      statistics: { queuedTime: 0.5, cpuTime: '1.50s', peakUserMemoryBytes: 4096 },
      context: { user: 'ada' },
      ioMetadata: { inputs: [{ catalogName: 'lake', schema: 's', table: 't', physicalInputBytes: bytes }] },
      createTime,
      endTime,
    })
    const lines = [
      event('late', '2026-01-01T00:00:10.000Z', '2026-01-01T00:00:12.250Z', 20),
      { metadata: { queryId: 'created', query: 'SELECT 1' }, createTime: '2026-01-01T00:00:00Z' },
      event('early', '2026-01-01T00:00:01.000Z', '2026-01-01T00:00:31.000Z', 10),
      { metadata: { queryId: 'odd' }, statistics: {}, createTime: 'noon' },
    ]
    const { queries, bad } = await imported('trino-events', `${lines.map((line) => JSON.stringify(line)).join('\n')}\n{"cut`)
    expect(queries.map(({ at }) => at)).toEqual([Date.UTC(2026, 0, 1, 0, 0, 1), Date.UTC(2026, 0, 1, 0, 0, 10)])
    expect(queries[1]).toMatchObject({
      tenant: 'ada',
      args: '["20"]',
      kind: 'read',
      queuedMs: 500,
      durationMs: 1750,
      cpuMs: 1500,
      peakMemoryBytes: 4096,
      reads: [{ segment: 'lake.s.t', bytes: 20 }],
    })
    expect(queries[0]?.template).toBe(queries[1]?.template)
    expect(bad).toEqual({
      count: 2,
      first: [
        { line: 4, reason: 'is not a query completed event of Trino' },
        { line: 5, reason: 'is not a JSON object' },
      ],
    })
  })

  it.each([
    ['ISO-8601', '"2026-01-01T00:00:10Z"', '"2026-01-01T00:00:12.250Z"'],
    ['epoch seconds', '1767225610', '1767225612.250000000'],
    ['epoch milliseconds', '1767225610000', '1767225612250'],
  ])('is read from events of Trino with times in %s', async (_, createTime, endTime) => {
    const event = `{"metadata":{"query":"select 1"},"statistics":{},"createTime":${createTime},"endTime":${endTime}}`
    const { queries } = await imported('trino-events', event)
    expect(queries).toMatchObject([{ at: Date.UTC(2026, 0, 1, 0, 0, 10), durationMs: 2250 }])
  })

  it('is read from system tables of Redshift, quoted line breaks and bars included', async () => {
    const stl = `userid|query|database|querytxt|starttime|endtime|total_queue_time
100|1|dev |"select ""a"" from t
where b = 'x|y'"|2026-01-01 10:00:00.5|2026-01-01 10:00:03.5|1000000
100|2|dev|select 1||2026-01-01 10:00:03|0
`
    const { queries, bad } = await imported('redshift-stl', stl, true)
    expect(queries).toHaveLength(1)
    expect(queries[0]).toMatchObject({
      at: Date.UTC(2026, 0, 1, 10, 0, 0, 500),
      tenant: 'dev',
      args: '["x|y"]',
      queuedMs: 1000,
      durationMs: 2000,
      reads: [{ segment: 't', bytes: 0 }],
    })
    expect(bad.first).toEqual([{ line: 4, reason: 'has no start and end time (starttime, endtime)' }])
    const escaped = String.raw`querytxt,starttime,endtime
select 'it\'s' || 'x',2026-01-01 10:00:00,2026-01-01 10:00:03`
    expect((await imported('redshift-stl', escaped)).queries[0]?.args).toBe(JSON.stringify([String.raw`it\'s`, 'x']))
  })

  it('is read from the query history of Snowflake, as CSV and as JSON lines', async () => {
    const csv = `QUERY_TEXT,DATABASE_NAME,WAREHOUSE_SIZE,START_TIME,TOTAL_ELAPSED_TIME,BYTES_SCANNED,QUEUED_OVERLOAD_TIME,QUERY_PARAMETERIZED_HASH
"select * from a, b join c on 1=1",SALES,Medium,2026-01-01 10:00:00.000 -0800,900,600,100,h1
`
    const expected = {
      at: Date.UTC(2026, 0, 1, 18),
      tenant: 'SALES',
      template: 'h1',
      queuedMs: 100,
      durationMs: 800,
      clusterSize: 4,
      reads: [
        { segment: 'SALES.a', bytes: 200 },
        { segment: 'SALES.b', bytes: 200 },
        { segment: 'SALES.c', bytes: 200 },
      ],
    }
    expect((await imported('snowflake-query-history', csv)).queries[0]).toMatchObject(expected)
    const record = {
      query_text: 'select * from a, b join c on 1=1',
      database_name: 'SALES',
      warehouse_size: 'Medium',
      start_time: '2026-01-01T18:00:00Z',
      total_elapsed_time: 900,
      bytes_scanned: '600',
      queued_overload_time: 100,
      query_parameterized_hash: 'h1',
    }
    const json = JSON.stringify(record)
    expect((await imported('snowflake-query-history', json)).queries[0]).toMatchObject(expected)
    // As OBJECT_CONSTRUCT(*) names them.
    const upper = JSON.stringify(Object.fromEntries(Object.entries(record).map(([name, value]) => [name.toUpperCase(), value])))
    expect((await imported('snowflake-query-history', upper)).queries[0]).toMatchObject(expected)
    const marked = await imported('snowflake-query-history', `\ufeff${json}\n${upper}`)
    expect(marked).toMatchObject({ queries: [expected, expected], bad: { count: 0 } })
    const quoted = csv.replace(/^[A-Z_]+/, '"$&"')
    expect((await imported('snowflake-query-history', `\ufeff${quoted}`, true)).queries[0]).toMatchObject(expected)
  })

  it('is read from csvlog of PostgreSQL', async () => {
    const row = (message: string, detail = '') =>
      `2026-01-01 10:00:05.250 UTC,"ada","shop",1,"[local]",s,1,"SELECT",2026-01-01 09:00:00 UTC,1/1,0,LOG,00000,"${message}","${detail}",,,,,,,,"psql","client backend",,0`
    const { queries, bad } = await imported(
      'postgres-csvlog',
      [
        row('duration: 250.5 ms  execute <unnamed>: select * from orders where id = $1', "parameters: $1 = '42'"),
        row('connection authorized'),
        row('duration: 5.000 ms  statement: update orders set x = 1'),
      ].join('\n'),
    )
    expect(bad.count).toBe(0)
    expect(queries).toHaveLength(2)
    expect(queries[0]).toMatchObject({
      tenant: 'shop',
      args: '["42"]',
      durationMs: 250.5,
      reads: [{ segment: 'shop.orders', bytes: 0 }],
    })
    expect(queries[0]?.at).toBe(Date.UTC(2026, 0, 1, 10, 0, 5, 250) - 250.5)
    expect(queries[1]).toMatchObject({ kind: 'write', durationMs: 5 })
  })

  it('is read from runs of OpenLineage', async () => {
    const event = (eventType: string, runId: string, eventTime: string, more: object = {}) =>
      JSON.stringify({ eventType, eventTime, run: { runId }, job: { namespace: 'etl', name: 'daily' }, ...more })
    const { queries, bad } = await imported(
      'openlineage',
      [
        event('START', 'r1', '2026-01-01T00:00:00Z'),
        event('RUNNING', 'r1', '2026-01-01T00:00:01Z'),
        event('COMPLETE', 'r1', '2026-01-01T00:01:00Z', {
          inputs: [{ namespace: 'lake', name: 'orders', inputFacets: { inputStatistics: { size: 1234 } } }],
          outputs: [{ namespace: 'lake', name: 'sums' }],
        }),
        event('COMPLETE', 'r2', '2026-01-01T00:02:00Z'),
      ].join('\n'),
    )
    expect(queries).toEqual([
      expect.objectContaining({
        tenant: 'etl',
        template: 'daily',
        kind: 'write',
        durationMs: 60_000,
        reads: [{ segment: 'lake.orders', bytes: 1234 }],
      }),
    ])
    expect(bad.first).toEqual([{ line: 4, reason: 'run r2 ends and never began' }])
  })

  it('is read from events of OpenLineage in any order, each telling of its inputs what it knows', async () => {
    const event = (eventType: string, seconds: number, inputFacets?: object) =>
      JSON.stringify({
        eventType,
        eventTime: new Date(Date.UTC(2026, 0, 1, 0, 0, seconds)).toISOString(),
        run: { runId: 'r1' },
        job: { namespace: 'etl', name: 'daily' },
        inputs: [{ namespace: 'lake', name: 'orders', ...(inputFacets === undefined ? {} : { inputFacets }) }],
      })
    const sized = { inputStatistics: { size: 1234 } }
    const expected = [{ at: Date.UTC(2026, 0, 1), durationMs: 60_000, reads: [{ segment: 'lake.orders', bytes: 1234 }] }]
    for (const events of [
      [event('START', 0, sized), event('COMPLETE', 60)],
      [event('COMPLETE', 60), event('START', 0, sized)],
      [event('RUNNING', 1), event('START', 0), event('COMPLETE', 60, sized)],
      [event('START', 0), event('COMPLETE', 60, sized), event('COMPLETE', 60, sized), event('RUNNING', 2), event('START', 0)],
    ]) {
      const { queries, bad } = await imported('openlineage', events.join('\n'))
      expect(queries).toMatchObject(expected)
      expect(bad.count).toBe(0)
    }
  })

  it('tells of no query at a time or of an amount that no line of ours may have', async () => {
    const event = (createTime: string, endTime: string, statistics: object = {}) =>
      JSON.stringify({ createTime: 0, endTime: 1, statistics, metadata: { queryId: 'q', query: 'select 1' } })
        .replace('"createTime":0', `"createTime":${createTime}`)
        .replace('"endTime":1', `"endTime":${endTime}`)
    const { queries, bad } = await imported(
      'trino-events',
      [
        event('"2026-01-01T00:00:00Z"', '"2026-01-01T00:00:01Z"'),
        event('1e400', '1e400'),
        event('-5', '10'),
        event('1767225600000', '1767225601000', { cpuTime: 1e300 }),
      ].join('\n'),
    )
    expect(queries.map(({ durationMs }) => durationMs)).toEqual([1000])
    expect(bad.first).toEqual([
      { line: 2, reason: '`at` is not a time in epoch milliseconds' },
      { line: 3, reason: '`at` is not a time in epoch milliseconds' },
      { line: 4, reason: '`cpuMs` is above 1e18' },
    ])
  })

  it('is evaluated like our own', async () => {
    const lines = Array.from({ length: 40 }, (_, i) => {
      const at = Date.UTC(2026, 0, 1, 0, i)
      return `select ${i} from t,dev,${new Date(at).toISOString()},${new Date(at + 1000).toISOString()}`
    })
    const path = await file(['querytxt,database,starttime,endtime', ...lines].join('\n'))
    const evaluation = await runEvaluate({ path, from: 'redshift-stl', fast: true })
    expect(evaluation).toMatchObject({ queries: 40, badLines: { count: 0 } })
    await expect(runEvaluate({ path, from: 'trino-events' })).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  })

  it('names a quote that never closes', async () => {
    await expect(imported('redshift-stl', 'querytxt,starttime\n"select')).rejects.toThrow('opens on line 2')
  })
})
