import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeSmallLake } from '../support/small-lake.js'
import { startServer, type TestServer } from '../support/start-server.js'
import { startStopwatch } from '../support/stopwatch.js'

const root = mkdtempSync(join(tmpdir(), 'forebay-queries-'))
let server: TestServer

beforeAll(async () => {
  await writeSmallLake(join(root, 'data'))
  server = await startServer({ data: join(root, 'data') })
}, 60_000)
afterAll(async () => {
  await server.stop()
  rmSync(root, { recursive: true, force: true })
})

const slow = 'SELECT count(*) FROM range(100000) a(i), range(10000000) b(j) WHERE (i * j) % 7 = 3'

async function raw(accept: string, sql: string): Promise<{ readonly response: Response; readonly bytes: Buffer }> {
  const response = await fetch(`${server.url}/v1/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept },
    body: JSON.stringify({ sql }),
  })
  return { response, bytes: Buffer.from(await response.arrayBuffer()) }
}

describe('POST /v1/query', () => {
  it('answers as JSON with columns, rows, id and statistics', async () => {
    const answer = await server.query(
      'SELECT region, count(*) AS n, sum(amount) AS total FROM sales GROUP BY region ORDER BY region',
    )
    expect(answer.columns).toEqual([
      { name: 'region', type: 'VARCHAR' },
      { name: 'n', type: 'BIGINT' },
      { name: 'total', type: 'DECIMAL(38,2)' },
    ])
    expect(answer.rows.map(([region, n]) => [region, n])).toEqual([
      ['east', 833],
      ['north', 834],
      ['south', 833],
    ])
    expect(answer.queryId).toMatch(/^q-/)
    expect(answer.stats).toMatchObject({ rows: 3 })
  })

  it('writes every kind of value as promised', async () => {
    const { columns, rows } = await server.query(`SELECT
      9007199254740992::BIGINT AS safe, 9007199254740993::BIGINT AS big, 170141183460469231731687303715884105727::HUGEINT AS huge,
      1.50::DECIMAL(10,2) AS dec, 'nan'::DOUBLE AS nan, 'inf'::DOUBLE AS inf, '-inf'::FLOAT AS ninf, 0.1::DOUBLE AS d,
      'a"b\\c' || chr(10) || chr(8232) || '☂' AS s, '\\x00\\xFFab'::BLOB AS b, DATE '2026-01-31' AS date,
      TIMESTAMP '2026-01-31 10:00:00.123456' AS ts, TIMESTAMPTZ '2026-01-31 10:00:00+02' AS tz,
      INTERVAL '1 year 2 months 3 days 4 hours 5.5 seconds' AS iv, [1, NULL, 3] AS list, {'x': 1, 'y': [DATE '2026-01-01']} AS st,
      MAP {'a': 1, 'b': NULL} AS m, NULL::INTEGER AS n, true AS t, '123e4567-e89b-12d3-a456-426614174000'::UUID AS u`)
    const row = Object.fromEntries(columns.map(({ name }, index) => [name, rows[0]?.[index]]))
    expect(row).toMatchObject({
      big: '9007199254740993',
      huge: '170141183460469231731687303715884105727',
      dec: '1.50',
      nan: 'NaN',
      inf: 'Infinity',
      ninf: '-Infinity',
      d: 0.1,
      s: 'a"b\\c\n\u2028☂',
      b: Buffer.from([0, 255, 97, 98]).toString('base64'),
      date: '2026-01-31',
      ts: '2026-01-31T10:00:00.123456',
      tz: '2026-01-31T08:00:00Z',
      list: [1, null, 3],
      st: { x: 1, y: ['2026-01-01'] },
      m: [
        ['a', 1],
        ['b', null],
      ],
      n: null,
      t: true,
      u: '123e4567-e89b-12d3-a456-426614174000',
    })
    expect(row['iv']).toBe('P1Y2M3DT4H5.5S')
    expect(Number(row['safe'])).toBe(2 ** 53)
  })

  it('answers in every format with the same rows', async () => {
    const sql = "SELECT i, name FROM numbers WHERE i < 3 OR i = 9999 UNION ALL SELECT NULL, 'a,\"b' ORDER BY i NULLS LAST"
    const expected = [
      [0, 'n0'],
      [1, 'n1'],
      [2, 'n2'],
      [9999, 'n9999'],
      [null, 'a,"b'],
    ]
    const ndjson = await raw('application/x-ndjson', sql)
    expect(ndjson.response.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = ndjson.bytes.toString().trimEnd().split('\n')
    expect(lines.map((line) => Object.values(JSON.parse(line) as object))).toEqual(expected)

    const csv = await raw('text/csv', sql)
    expect(csv.response.headers.get('content-type')).toContain('text/csv')
    expect(csv.bytes.toString().trimEnd().split(/\r?\n/)).toEqual(['i,name', '0,n0', '1,n1', '2,n2', '9999,n9999', ',"a,""b"'])

    const arrow = await raw('application/vnd.apache.arrow.stream', sql)
    const table = tableFromIPC(arrow.bytes)
    expect(table.toArray().map((row) => [row?.['i'], row?.['name']])).toEqual(expected)

    const parquet = await raw('application/vnd.apache.parquet', sql)
    expect(await readParquet(parquet.bytes)).toEqual(expected)
    for (const { response } of [ndjson, csv, arrow, parquet]) expect(response.headers.get('x-forebay-query-id')).toMatch(/^q-/)
  })

  it('answers without rows in every format', async () => {
    const sql = 'SELECT a, b FROM empty'
    expect(await server.query(sql)).toMatchObject({ columns: [{ name: 'a' }, { name: 'b' }], rows: [] })
    expect((await raw('application/x-ndjson', sql)).bytes.toString()).toBe('')
    expect((await raw('text/csv', sql)).bytes.toString().trim()).toBe('a,b')
    const table = tableFromIPC((await raw('application/vnd.apache.arrow.stream', sql)).bytes)
    expect([table.numRows, table.schema.names]).toEqual([0, ['a', 'b']])
    expect(await readParquet((await raw('application/vnd.apache.parquet', sql)).bytes)).toEqual([])
  })

  it('streams large answers whole', async () => {
    const sql = 'SELECT i, i * 7 AS j FROM range(300000) t(i)'
    const answer = await server.query(sql)
    expect(answer.rows.length).toBe(300_000)
    expect(new Set(answer.rows.map(([i]) => i)).size).toBe(300_000)
    expect((await raw('text/csv', sql)).bytes.toString().trimEnd().split('\n').length).toBe(300_001)
  }, 60_000)

  it('binds parameters by name and by position', async () => {
    const byName = await server.query('SELECT $low AS low, $name AS name, $flag AS flag, $none AS none', {
      params: { low: 10, name: "it's", flag: true, none: null },
    })
    expect(byName.rows).toEqual([[10, "it's", true, null]])
    expect((await server.query('SELECT ? + ? AS sum', { params: [1, 2] })).rows).toEqual([[3]])
    await expect(server.query('SELECT $gone')).rejects.toMatchObject({ code: 'PARAMETER_INVALID' })
  })

  it('keeps to the time zone of the query', async () => {
    const answer = await server.query("SELECT (TIMESTAMPTZ '2026-07-01 12:00:00Z')::VARCHAR AS t", { timeZone: 'Europe/Berlin' })
    expect(answer.rows[0]?.[0]).toContain('14:00:00')
  })

  it.each([
    ['SELEC 1', 'SQL_SYNTAX'],
    ['SELECT 1; SELECT 2', undefined],
    ['SELECT * FROM nowhere', 'NAME_NOT_FOUND'],
    ['SELECT nothing FROM sales', 'NAME_NOT_FOUND'],
    ["SELECT * FROM read_csv('/etc/passwd')", 'NOT_ALLOWED'],
    ["COPY sales TO '/tmp/x.csv'", undefined],
    ['DELETE FROM sales', 'NOT_SUPPORTED'],
    ['INSERT INTO sales SELECT * FROM sales', 'TABLE_NOT_MANAGED'],
    ['INSERT INTO sales SELECT 1', 'TABLE_NOT_MANAGED'],
    ["SELECT 'x'::INTEGER FROM sales", undefined],
    ['', 'REQUEST_INVALID'],
  ])('refuses %j with status 400', async (sql, code) => {
    const { status, body } = await server.call('/v1/query', { body: { sql } })
    expect(status).toBe(400)
    if (code !== undefined) expect(body.error.code).toBe(code)
    expect(body.error.message).not.toBe('')
  })

  it('says where a syntax error is and which query it was', async () => {
    const { body, headers } = await server.call('/v1/query', { body: { sql: 'SELECT 1 FROM WHERE' } })
    expect(body.error).toMatchObject({ code: 'SQL_SYNTAX', queryId: headers.get('x-forebay-query-id') })
    expect(body.error.position).toBeGreaterThan(0)
  })

  it('takes a statement of a megabyte, or says clearly that it does not', async () => {
    const long = `SELECT ${Array.from({ length: 3_000 }, (_, index) => `${index} AS a_long_column_name_for_number_${index}`).join(', ')}`
    const large = await server.call('/v1/query', { body: { sql: `SELECT 1 AS a -- ${'x'.repeat(999_900)}` } })
    expect(large.status).toBe(200)
    const wide = await server.call('/v1/query', { body: { sql: long } })
    if (wide.status !== 200) expect(wide.body.error.message).not.toBe('')
    const beyond = await server.call('/v1/query', { body: { sql: `SELECT 1 -- ${'x'.repeat(1_000_001)}` } })
    expect([beyond.status, beyond.body.error.code]).toEqual([413, 'REQUEST_TOO_LARGE'])
    // A client sees why, though it is still writing when the server knows that it is too much.
    for (const size of [8e6, 20e6, 60e6]) {
      const far = await server.call('/v1/query', { body: { sql: 'x'.repeat(size) } })
      expect([far.status, far.body.error.code]).toEqual([413, 'REQUEST_TOO_LARGE'])
    }
  }, 60_000)

  it('ends at its deadline', async () => {
    const endedInMs = startStopwatch()
    const { status, body } = await server.call('/v1/query', { body: { sql: slow, timeoutMs: 500 } })
    expect([status, body.error.code]).toEqual([504, 'DEADLINE_EXCEEDED'])
    expect(endedInMs()).toBeLessThan(5_000)
  })

  it('is cancelled when its client goes away', async () => {
    const id = `q-${'gone'.padEnd(12, '0')}`
    const away = new AbortController()
    const asked = server.call('/v1/query', { body: { sql: slow }, headers: { 'x-forebay-query-id': id }, signal: away.signal })
    await expect.poll(async () => (await server.call(`/v1/queries/${id}`)).body.state).toBe('running')
    away.abort()
    await expect(asked).rejects.toThrow()
    await expect.poll(async () => (await server.call(`/v1/queries/${id}`)).body.state).toBe('cancelled')
  })

  it('lets a client that stops reading go, without holding others up', async () => {
    const { hostname, port } = new URL(server.url)
    const body = JSON.stringify({ sql: 'SELECT repeat(i::VARCHAR, 50) AS text FROM range(3000000) t(i)' })
    const socket = createConnection(Number(port), hostname)
    socket.write(
      `POST /v1/query HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nx-forebay-query-id: q-slow-reader-1\r\n\r\n${body}`,
    )
    await new Promise((resolve) => socket.once('readable', resolve))
    socket.pause()
    expect((await server.query('SELECT 1 AS one')).rows).toEqual([[1]])
    socket.destroy()
    await expect
      .poll(async () => (await server.call('/v1/queries/q-slow-reader-1')).body.state, { timeout: 10_000 })
      .toMatch(/cancelled|failed/)
  }, 30_000)
})

describe('/v1/queries', () => {
  it('promises, tells the state and keeps the answer', async () => {
    const promised = await server.call('/v1/queries', { body: { sql: 'SELECT count(*) AS n FROM sales' } })
    expect(promised.status).toBe(202)
    const { queryId } = promised.body
    for (const _ of [1, 2]) {
      const result = await server.call(`/v1/queries/${queryId}/result`)
      expect([result.status, result.body.rows]).toEqual([200, [[2500]]])
    }
    const { body } = await server.call(`/v1/queries/${queryId}`)
    expect(body).toMatchObject({ queryId, state: 'finished', progress: 1, priority: 'interactive' })
    expect(Date.parse(body.submittedAt)).toBeGreaterThan(Date.now() - 60_000)
  })

  it('takes the id that its client brings, once', async () => {
    const headers = { 'x-forebay-query-id': 'q-brought-along-1' }
    const promise = () => server.call('/v1/queries', { body: { sql: 'SELECT 1 AS a' }, headers })
    expect(await promise()).toMatchObject({ status: 202, body: { queryId: 'q-brought-along-1' } })
    expect((await server.call('/v1/queries/q-brought-along-1/result')).body.rows).toEqual([[1]])
    expect(await promise()).toMatchObject({ status: 409, body: { error: { code: 'CONFLICT' } } })
    const odd = await server.call('/v1/queries', { body: { sql: 'SELECT 1' }, headers: { 'x-forebay-query-id': 'mine' } })
    expect(odd).toMatchObject({ status: 400, body: { error: { code: 'REQUEST_INVALID' } } })
  })

  it('gives a kept answer in other formats too', async () => {
    const { queryId } = (await server.call('/v1/queries', { body: { sql: 'SELECT 1 AS a, 2 AS b' } })).body
    const csv = await server.call(`/v1/queries/${queryId}/result`, { headers: { accept: 'text/csv' } })
    expect(csv.body.trim().split(/\r?\n/)).toEqual(['a,b', '1,2'])
    const best = (accept: string) => server.call(`/v1/queries/${queryId}/result`, { headers: { accept } })
    expect((await best('text/csv, */*;q=0.1')).body).toBe(csv.body)
    expect((await best('text/html, */*;q=0.8')).body.rows).toEqual([[1, 2]])
  })

  it('makes no promised write again for another format, and runs nothing for HEAD', async () => {
    const { queryId } = (await server.call('/v1/queries', { body: { sql: 'DROP TABLE IF EXISTS victim' } })).body
    const path = `/v1/queries/${queryId}/result`
    expect((await server.call(path)).body.rows).toEqual([[0]])
    await server.query('CREATE TABLE victim AS SELECT 1 AS a')
    const head = await fetch(`${server.url}${path}`, { method: 'HEAD', headers: { accept: 'text/csv' } })
    expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([200, 'text/csv; charset=utf-8', ''])
    const csv = await server.call(path, { headers: { accept: 'text/csv' } })
    expect(csv.body.trim().split(/\r?\n/)).toEqual(['Count', '0'])
    expect((await server.query('SELECT a FROM victim')).rows).toEqual([[1]])
    await server.query('DROP TABLE victim')
    const arrow = await fetch(`${server.url}${path}`, { headers: { accept: 'application/vnd.apache.arrow.stream' } })
    const table = tableFromIPC(Buffer.from(await arrow.arrayBuffer()))
    expect([table.schema.names, table.numRows]).toEqual([['Count'], 1])
  })

  it('cancels within two seconds', async () => {
    const { queryId } = (await server.call('/v1/queries', { body: { sql: slow } })).body
    await expect.poll(async () => (await server.call(`/v1/queries/${queryId}`)).body.state).toBe('running')
    const cancelledInMs = startStopwatch()
    expect((await server.call(`/v1/queries/${queryId}`, { method: 'DELETE' })).body).toEqual({ queryId, cancelled: true })
    await expect.poll(async () => (await server.call(`/v1/queries/${queryId}`)).body.state, { interval: 20 }).toBe('cancelled')
    expect(cancelledInMs()).toBeLessThan(2_000)
    const result = await server.call(`/v1/queries/${queryId}/result`)
    expect(result.body.error.code).toBe('CANCELLED')
    expect((await server.call(`/v1/queries/${queryId}`, { method: 'DELETE' })).body.cancelled).toBe(false)
  })

  it('tells the error of a promised query with its status', async () => {
    const { queryId } = (await server.call('/v1/queries', { body: { sql: 'SELECT * FROM nowhere' } })).body
    const result = await server.call(`/v1/queries/${queryId}/result`)
    expect([result.status, result.body.error.code, result.body.error.queryId]).toEqual([400, 'NAME_NOT_FOUND', queryId])
    expect((await server.call(`/v1/queries/${queryId}`)).body).toMatchObject({
      state: 'failed',
      error: { code: 'NAME_NOT_FOUND' },
    })
  })

  it('knows no query that never was', async () => {
    for (const path of ['/v1/queries/q-none', '/v1/queries/q-none/result']) {
      expect((await server.call(path)).body.error.code).toBe('NOT_FOUND')
    }
    expect((await server.call('/v1/queries/q-none', { method: 'DELETE' })).status).toBe(404)
  })

  it('lists the history newest first, in pages, by state and template', async () => {
    for (let index = 0; index < 5; index += 1) await server.query(`SELECT ${index} AS history_${index}`)
    const ids: string[] = []
    let next: string | undefined
    for (let page = 0; page < 3; page += 1) {
      const path: string = `/v1/queries?limit=2${next === undefined ? '' : `&next=${encodeURIComponent(next)}`}`
      const { body } = await server.call(path)
      ids.push(...body.queries.map((query: { queryId: string }) => query.queryId))
      next = body.next
    }
    expect(new Set(ids).size).toBe(6)
    const { queries } = (await server.call('/v1/queries?state=failed&limit=5')).body
    expect(queries.every(({ state }: { state: string }) => state === 'failed')).toBe(true)
    const [query] = (await server.call('/v1/queries?limit=1')).body.queries
    const same = (await server.call(`/v1/queries?template=${query.fingerprint}`)).body.queries
    expect(same.every(({ fingerprint }: { fingerprint: string }) => fingerprint === query.fingerprint)).toBe(true)
    expect(Number.isNaN(Date.parse(query.submittedAt))).toBe(false)
    expect(typeof query.submittedAt).toBe('string')
  })
})

async function readParquet(bytes: Buffer): Promise<readonly (readonly unknown[])[]> {
  const { writeFileSync } = await import('node:fs')
  const file = join(root, `answer-${Math.random()}.parquet`)
  writeFileSync(file, bytes)
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const reader = await connection.runAndReadAll(`FROM '${file}'`)
  return reader.getRowsJS().map((row) => row.map((value) => (typeof value === 'bigint' ? Number(value) : value)))
}
