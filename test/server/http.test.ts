import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { copy, writeSmallLake } from '../support/small-lake.js'
import { type CallOptions, startServer, type TestServer } from '../support/start-server.js'
import { startStopwatch } from '../support/stopwatch.js'

const root = mkdtempSync(join(tmpdir(), 'forebay-http-'))
/** Of pages that may call the server. */
const origin = 'https://console.example'
let server: TestServer

beforeAll(async () => {
  await writeSmallLake(join(root, 'data'))
  writeFileSync(join(root, 'data', 'broken.parquet'), 'this is not Parquet')
  writeFileSync(join(root, 'forebay.yaml'), `allowedOrigins: [${origin}]\n`)
  server = await startServer({ data: join(root, 'data'), flags: ['--config', join(root, 'forebay.yaml')] })
}, 60_000)
afterAll(async () => {
  await server.stop()
  rmSync(root, { recursive: true, force: true })
})

describe('tables', () => {
  it('lists tables with what they hold, and a broken one with its error', async () => {
    const { tables } = (await server.call('/v1/tables')).body
    const byName = new Map(tables.map((table: { name: string }) => [table.name, table]))
    expect([...byName.keys()]).toEqual(['broken', 'by_day', 'empty', 'numbers', 'sales'])
    expect(byName.get('sales')).toMatchObject({ kind: 'discovered', segments: 3, rows: 2500 })
    expect(byName.get('by_day')).toMatchObject({ partitionColumns: ['day'], rows: 300 })
    expect(byName.get('broken')).toMatchObject({ kind: 'broken', error: { code: 'FILE_UNREADABLE', hint: expect.any(String) } })
  })

  it('shows one table with its snapshot and segments', async () => {
    const { body } = await server.call('/v1/tables/sales')
    expect(body.columns.map(({ name }: { name: string }) => name)).toEqual(['id', 'region', 'amount', 'day'])
    expect(body.segments.map(({ rows }: { rows: number }) => rows)).toEqual([1000, 1000, 500])
    expect(body.segments[0].path).toContain('sales/a.parquet')
    expect(body.snapshot.id).not.toBe('')
  })

  it('answers for other tables while one is broken, and names the file for that one', async () => {
    expect((await server.query('SELECT count(*) FROM sales')).rows).toEqual([[2500]])
    await expect(server.query('SELECT * FROM broken')).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining('broken.parquet'),
      hint: expect.stringContaining('write the file again'),
    })
  })

  it('sees new files without a restart', async () => {
    await copy({ [join(root, 'data', 'late.parquet')]: 'SELECT 7 AS x' })
    expect((await server.call('/v1/tables/late')).body.columns).toEqual([{ name: 'x', type: 'INTEGER' }])
    await copy({ [join(root, 'data', 'later.parquet')]: 'SELECT 8 AS x' })
    await expect.poll(async () => (await server.call('/v1/query', { body: { sql: 'FROM later' } })).body.rows).toEqual([[8]])
  })

  it('knows no table that is not there', async () => {
    const { status, body } = await server.call('/v1/tables/none')
    expect([status, body.error.code]).toEqual([404, 'NOT_FOUND'])
  })
})

describe('import', () => {
  const send = async (
    path: string,
    type: string,
    body: string | Buffer,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; body: Answer }> => {
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': type, ...headers },
      body: new Uint8Array(Buffer.from(body)),
    })
    return { status: response.status, body: (await response.json()) as Answer }
  }
  type Answer = { readonly rows?: number; readonly error?: { readonly code: string; readonly message: string } }

  it('makes a table of CSV and appends JSON lines and Parquet to it', async () => {
    const csv = await send('/v1/tables/trips/import', 'text/csv', 'id,name\n1,a\n2,"b,c"\n')
    expect([csv.status, csv.body.rows]).toEqual([200, 2])
    await send('/v1/tables/trips/import', 'application/x-ndjson', '{"id":3,"name":"d"}\n{"id":4,"name":null}\n')
    expect((await server.query('SELECT * FROM trips ORDER BY id')).rows.map((row) => row.map(String))).toEqual([
      ['1', 'a'],
      ['2', 'b,c'],
      ['3', 'd'],
      ['4', 'null'],
    ])
  })

  it('takes the same bytes with one idempotency key once, and no others', async () => {
    const load = (text: string, key: string) => send('/v1/tables/keyed/import', 'text/csv', text, { 'idempotency-key': key })
    const first = await load('id\n1\n', 'import-1')
    expect(first).toMatchObject({ status: 200, body: { rows: 1 } })
    expect(await load('id\n1\n', 'import-1')).toEqual(first)
    expect((await load('id\n2\n', 'import-1')).body.error?.code).toBe('CONFLICT')
    expect((await load('id\n1\n', 'import 1')).body.error?.code).toBe('REQUEST_INVALID')
    expect((await server.query('SELECT id FROM keyed')).rows).toEqual([[1]])
  })

  it('finds out what a file is', async () => {
    const lines = '{"a":1}\n{"a":2}\n'
    await send('/v1/tables/guessed/import', 'application/octet-stream', lines)
    await send('/v1/tables/guessed/import', 'application/octet-stream', gzipSync(lines))
    expect((await server.query('SELECT sum(a) FROM guessed')).rows.map(String)).toEqual(['6'])
    // A picture, a spreadsheet, text of another encoding.
    for (const bytes of ['89504e470d0a1a0a0000000d', '504b030414000600', '612c62e90a312c320a']) {
      const { status, body } = await send('/v1/tables/unknown/import', 'application/octet-stream', Buffer.from(bytes, 'hex'))
      expect([status, body.error]).toEqual([
        400,
        {
          code: 'REQUEST_INVALID',
          message: 'the file is neither CSV, JSON nor Parquet by its first bytes',
          hint: expect.stringContaining('--format'),
        },
      ])
    }
    expect((await server.call('/v1/tables/unknown')).status).toBe(404)
  })

  it('takes gzip', async () => {
    await send('/v1/tables/zipped/import', 'text/csv', gzipSync('a\n1\n2\n3\n'))
    expect((await server.query('SELECT count(*) FROM zipped')).rows).toEqual([[3]])
  })

  it('keeps every line of a file or names the one that is unlike the others', async () => {
    const lines = [...Array(3_000).keys()].map((id) => `${id},n`)
    const cases = [
      ['text/csv', ['a,b', '1', '1,2,3,4'], /^line 2 of the file .* number 1, not 2$/],
      ['text/csv', ['a,b', ...lines, '1,2,3'], /^line 3002 of the file .* number 3, not 2$/],
      ['text/csv', ['a,b', ...lines.slice(0, 10), '#3,4', '#2', '5,6'], /^line 13 of the file .* number 1, not 2$/],
      ['text/csv', ['Report', 'a,b', ...lines], /^line 1 of the file is unlike later ones, which have 2 fields$/],
      [
        'application/x-ndjson',
        ['{"a":1}', '{"a": oops', '{"a":2}'],
        /^line 2 of the file .*: unexpected character at byte 7 of it$/,
      ],
    ] as const
    for (const [type, text, message] of cases) {
      const { body } = await send('/v1/tables/uneven/import', type, `${text.join('\n')}\n`)
      expect(body.error).toMatchObject({
        code: 'REQUEST_INVALID',
        message: expect.stringMatching(message),
        hint: expect.any(String),
      })
    }
    expect((await server.call('/v1/tables/uneven')).status).toBe(404)
    await send('/v1/tables/quoted/import', 'text/csv', '"last, first"\n"Doe, J"\n"Roe"\n')
    expect((await server.query('SELECT * FROM quoted ORDER BY ALL')).rows).toEqual([['Doe, J'], ['Roe']])
  })

  it('refuses tables of the data folder, empty bodies and rubbish', async () => {
    expect((await send('/v1/tables/sales/import', 'text/csv', 'id\n1\n')).body.error?.code).toBe('TABLE_NOT_MANAGED')
    expect((await send('/v1/tables/nothing/import', 'text/csv', '')).body.error?.code).toBe('REQUEST_INVALID')
    for (const [rubbish, reason] of [
      ['PAR1 not really', 'no magic bytes found at end of file'],
      ['PAR1', 'file too small to be a Parquet file'],
    ] as const) {
      const { status, body } = await send('/v1/tables/rubbish/import?format=parquet', 'text/plain', rubbish)
      expect([status, body.error]).toEqual([
        400,
        {
          code: 'REQUEST_INVALID',
          message: `the file cannot be read as Parquet: ${reason}`,
          hint: expect.stringContaining('mend the file'),
        },
      ])
    }
    expect((await server.call('/v1/tables/rubbish')).status).toBe(404)
  })

  it('refuses a Parquet file whose pages are damaged', async () => {
    const path = join(root, 'pages.parquet')
    await copy({ [path]: "SELECT 'text ' || i AS s FROM range(5000) t(i)" })
    const bytes = readFileSync(path)
    bytes.fill(0xff, 200, 2_000)
    const { body } = await send('/v1/tables/rubbish/import', 'application/vnd.apache.parquet', bytes)
    expect(body.error).toMatchObject({
      code: 'REQUEST_INVALID',
      message: expect.stringMatching(/^the file cannot be read as Parquet: failed to read file: /),
    })
  })
})

describe('writes', () => {
  it('answers with a count and makes lineage', async () => {
    const made = await server.query('CREATE TABLE summary AS SELECT region, sum(amount) AS total FROM sales GROUP BY region')
    expect(made.columns.map(({ name }) => name)).toEqual(['Count'])
    expect(made.rows.map(String)).toEqual(['3'])
    await server.query("INSERT INTO summary VALUES ('west', 1.5)")
    expect((await server.query('SELECT count(*) FROM summary')).rows).toEqual([[4]])
    await expect(server.query('CREATE TABLE summary AS SELECT 1')).rejects.toMatchObject({ code: 'TABLE_EXISTS' })
    await server.query('CREATE VIEW v AS SELECT region FROM summary')
    expect((await server.query('SELECT count(*) FROM v')).rows).toEqual([[4]])
    await server.query('DROP VIEW v')
    await server.query('DROP TABLE summary')
    await expect(server.query('SELECT * FROM summary')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
  })

  it('does a write once for one idempotency key', async () => {
    await server.query('CREATE TABLE counted AS SELECT 1 AS a')
    const insert = () =>
      server.call('/v1/query', { body: { sql: 'INSERT INTO counted VALUES (2)' }, headers: { 'idempotency-key': 'k-1' } })
    expect((await insert()).status).toBe(200)
    expect((await insert()).status).toBe(200)
    expect((await server.query('SELECT count(*) FROM counted')).rows).toEqual([[2]])
  })
})

describe('lineage', () => {
  it('verifies, rebuilds and prunes without a body, as with an empty one', async () => {
    for (const body of [undefined, {}]) {
      const given = body === undefined ? {} : { body }
      const verified = await server.call('/v1/lineage/verify', { method: 'POST', ...given })
      expect(verified).toMatchObject({ status: 200, body: { identical: true } })
      expect((await server.call('/v1/lineage/rebuild', { method: 'POST', ...given })).status).toBe(200)
      expect(await server.call('/v1/lineage/prune', { method: 'POST', ...given })).toMatchObject({ status: 200 })
    }
    expect((await server.call('/v1/lineage/verify', { body: { stores: 'sqlite' } })).status).toBe(400)
  })

  it('starts at the segments that a table has now, also when it had just these before', async () => {
    const folder = join(root, 'data', 'back')
    const segments = async (): Promise<number> => {
      await server.call('/v1/tables/back')
      return (await server.call('/v1/lineage?from=table:back')).body.vertices?.length
    }
    mkdirSync(folder)
    await copy({ [join(folder, 'a.parquet')]: 'SELECT 1 AS x' })
    await expect.poll(segments, { timeout: 10_000 }).toBe(1)
    await copy({ [join(folder, 'b.parquet')]: 'SELECT 2 AS x' })
    await expect.poll(segments, { timeout: 10_000 }).toBe(2)
    rmSync(join(folder, 'b.parquet'))
    await expect.poll(segments, { timeout: 10_000 }).toBe(1)
    rmSync(folder, { recursive: true })
  })

  it('tells where an answer came from, who worked on it, and the raw transfers', async () => {
    const { queryId } = await server.query('SELECT day, count(*) AS n FROM sales GROUP BY day')
    const tracedInMs = startStopwatch()
    const trace = () => server.call(`/v1/lineage?from=query:${queryId}&direction=upstream&depth=50`)
    const basesOf = ({ vertices = [] }: { vertices?: { kind: string; id: string }[] }) =>
      vertices.filter((vertex) => vertex.kind === 'base')
    // The answer's event may be readable before its task's: both are within a second.
    await expect.poll(async () => basesOf((await trace()).body).length).toBe(3)
    expect(tracedInMs()).toBeLessThan(1_000)
    const { body } = await trace()
    const base = basesOf(body)
    const kinds = new Set(body.edges.map((edge: { type: string }) => edge.type))
    expect(kinds).toEqual(new Set(['PROCESSED_BY', 'TRANSFORMED_INTO']))
    for (const edge of body.edges) {
      expect(edge).toMatchObject({ transformation: { type: expect.any(String), detail: expect.any(String) } })
      expect(edge.sourceNode).toMatch(/^(n\d+|storage|client)$/)
      expect(edge.destinationNode).toMatch(/^(n\d+|storage|client)$/)
      expect(Date.parse(edge.firstAt)).not.toBeNaN()
    }
    const { transfers } = (await server.call(`/v1/transfers?query=${queryId}`)).body
    expect(transfers.some(({ destination }: { destination: string }) => destination === 'client')).toBe(true)
    const [segment] = base
    expect((await server.call(`/v1/segments/${segment?.id}`)).body).toMatchObject({
      id: segment?.id,
      kind: 'base',
      dataset: 'sales',
    })
    const hot = (await server.call('/v1/hot-segments?limit=5')).body
    expect(hot.length).toBeGreaterThan(0)
    expect(hot[0]).toMatchObject({ id: expect.any(String), degree: expect.any(Number), hotness: expect.any(Number), warmOn: [] })
  })

  it('gives the bytes of a segment as Parquet', async () => {
    const { segments } = (await server.call('/v1/tables/sales')).body
    const response = await fetch(`${server.url}/v1/segments/${segments[2].id}/data`)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/vnd.apache.parquet'])
    expect(
      Buffer.from(await response.arrayBuffer())
        .subarray(0, 4)
        .toString(),
    ).toBe('PAR1')
    expect((await server.call(`/v1/segments/${segments[2].id}/data`, { method: 'HEAD' })).status).toBe(404)
    expect((await server.call(`/v1/segments/${segments[2].id}`, { method: 'HEAD' })).status).toBe(200)
    expect((await server.call('/v1/segments/s-none/data')).body.error.code).toBe('NOT_FOUND')
    expect((await server.call('/v1/segments/s-none')).body.error.code).toBe('NOT_FOUND')
  })

  it('traces columns', async () => {
    await server.query(
      'CREATE TABLE traced AS SELECT region AS place, sum(amount) AS total FROM sales WHERE day > DATE $since GROUP BY region'.replace(
        'DATE $since',
        "DATE '2026-01-05'",
      ),
    )
    await expect.poll(async () => (await server.call('/v1/lineage/columns?table=traced&column=total')).status).toBe(200)
    const text = JSON.stringify((await server.call('/v1/lineage/columns?table=traced&column=total')).body)
    for (const word of ['amount', 'DIRECT', 'INDIRECT', 'AGGREGATION', 'FILTER']) expect(text).toContain(word)
  })

  it.each([
    '/v1/lineage',
    '/v1/lineage?from=nothing',
    '/v1/lineage?from=table:sales&depth=0',
    '/v1/lineage?from=table:sales&depth=51',
    '/v1/lineage?from=table:sales&direction=sideways',
    '/v1/lineage?from=table:sales&asOf=soon',
    '/v1/lineage?from=table:sales&colour=blue',
    '/v1/lineage/columns?column=a',
    '/v1/transfers?limit=0',
    '/v1/hot-segments?limit=many',
    '/v1/forecast?horizonMs=-1',
    '/v1/allocations?limit=1.5',
    '/v1/queries?state=odd',
    '/v1/events?kinds=gossip',
  ])('refuses %s and names the field', async (path) => {
    const { status, body } = await server.call(path)
    expect([status, body.error.code]).toEqual([400, 'REQUEST_INVALID'])
    expect(body.error.message).toMatch(/^querystring\./)
  })
})

describe('prediction', () => {
  it('says what, where, how sure and why', async () => {
    await server.query('SELECT max(i) FROM numbers')
    const { body } = await server.call('/v1/predict', { body: { sql: 'SELECT max(i) FROM numbers' } })
    expect(body).toMatchObject({ template: expect.any(String), fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/) })
    expect(body.segments[0]).toMatchObject({
      dataset: 'numbers',
      hot: expect.any(Boolean),
      bytes: expect.any(Number),
      rows: 10_000,
      warmOn: expect.any(Array),
    })
    for (const resource of ['cpuMs', 'memoryBytes', 'networkBytes', 'wallMs']) {
      const { p50, p90, low, high, coverage } = body.total[resource]
      expect([p50, p90, low, high, coverage].every((value) => typeof value === 'number')).toBe(true)
    }
    expect(body.nodes.length).toBeGreaterThan(0)
    expect(body.evidence.length).toBeGreaterThan(0)
    // The best of some: the machine may stand still in any one.
    const times: number[] = []
    for (let n = 0; n < 5; n++) {
      times.push((await server.call('/v1/predict', { body: { sql: `SELECT max(i) + ${n} FROM numbers` } })).body.predictionMs)
    }
    expect(Math.min(...times)).toBeLessThan(100)
  })

  it('explains without running', async () => {
    const { body } = await server.call('/v1/explain', { body: { sql: "SELECT * FROM by_day WHERE day = '2026-01-01'" } })
    expect(body.reads[0]).toMatchObject({ dataset: 'by_day', segmentsKept: 1, segmentsPruned: 1 })
    expect(body.tasks[0].sql).toContain('SELECT')
    expect(body.prediction).toMatchObject({
      template: body.template,
      segments: [{ dataset: 'by_day', hot: expect.any(Boolean), warmOn: expect.any(Array) }],
      segmentsTotal: 1,
    })
    const predicted = (await server.call('/v1/predict', { body: { sql: "SELECT * FROM by_day WHERE day = '2026-01-01'" } })).body
    expect(Object.keys(body.prediction)).toEqual(Object.keys(predicted))
  })

  it('lists nodes, forecasts and allocations', async () => {
    const nodes = (await server.call('/v1/nodes')).body
    expect(nodes.map(({ id }: { id: string }) => id)).toEqual(expect.arrayContaining(['n1', 'n2']))
    expect(nodes[0]).toMatchObject({ kind: 'duckdb', incarnation: 1, roles: expect.any(Array), loadScore: expect.any(Number) })
    expect((await server.call('/v1/forecast')).body).toEqual([])
    expect(Array.isArray((await server.call('/v1/allocations')).body)).toBe(true)
  })

  it('learns from a query log, plain or gzip, and names bad lines', async () => {
    const day = 86_400_000
    const from = Date.now() - 21 * day
    const lines = Array.from({ length: 20 }, (_, index) =>
      JSON.stringify({
        at: from + index * day,
        tenant: 'learned',
        template: 'q1',
        args: [],
        sql: 'SELECT count(*) FROM sales',
        kind: 'read',
        reads: [{ segment: 'sales', bytes: 1000 }],
        durationMs: 12,
        queuedMs: 0,
        clusterSize: 1,
      }),
    )
    const learn = async (body: string | Buffer) => {
      const response = await fetch(`${server.url}/v1/learn`, { method: 'POST', body: new Uint8Array(Buffer.from(body)) })
      return (await response.json()) as Record<string, unknown>
    }
    expect(await learn([...lines, 'rubbish'].join('\n'))).toMatchObject({ learned: 20, badLines: 1, bad: [{ line: 21 }] })
    expect(await learn(gzipSync(lines.join('\n')))).toMatchObject({ learned: 20, badLines: 0 })
    expect(await learn('rubbish')).toMatchObject({ error: { code: 'REQUEST_INVALID' } })
    expect(await learn('\n')).toMatchObject({ error: { code: 'REQUEST_INVALID', message: expect.stringContaining('is empty') } })
    expect(await learn('{"at":1700000000000,"periodMs":3600000,"tenant":"c7","count":12}')).toMatchObject({ activity: 1 })
    expect(await learn(gzipSync(lines.join('\n')).subarray(0, 100))).toMatchObject({ error: { code: 'REQUEST_INVALID' } })
    const forecast = (await server.call('/v1/forecast?horizonMs=172800000')).body
    expect(forecast[0]).toMatchObject({ tenant: 'learned', probability: expect.any(Number), why: expect.any(String) })
    expect(forecast[0].expected.sql).toBe('SELECT count(*) FROM sales')
  })
})

describe('events', () => {
  it('streams what happens, and only the kinds asked for', async () => {
    const away = new AbortController()
    const response = await fetch(`${server.url}/v1/events?kinds=query,transfer`, { signal: away.signal })
    expect(response.headers.get('content-type')).toContain('text/event-stream')
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    await server.query("SELECT 'seen' AS event")
    let text = ''
    while (!/event: query\ndata: .*"state":"finished"/.test(text) || !text.includes('event: transfer')) {
      const { value, done } = (await reader?.read()) ?? { value: '', done: true }
      if (done) break
      text += value
    }
    away.abort()
    expect(text).toMatch(/event: query\ndata: .*"state":"finished"/)
    expect(text).not.toContain('event: node')
    const ids = [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]))
    expect(ids).toEqual([...ids].sort((a, b) => a - b))
  })

  it('holds the beginning of a long statement, whose status has all of it', async () => {
    const sql = `SELECT 1 AS long -- ${'x'.repeat(50_000)}`
    const { queryId } = await server.query(sql)
    const response = await fetch(`${server.url}/v1/events?kinds=query`, { headers: { 'last-event-id': '0' } })
    const reader = response.body?.getReader()
    let text = ''
    const own = (): string | undefined =>
      text.split('\n\n').find((event) => event.includes(queryId) && event.includes('"state":"finished"'))
    while (own() === undefined) text += Buffer.from((await reader?.read())?.value ?? []).toString()
    await reader?.cancel()
    const event = JSON.parse(own()?.split('\ndata: ')[1] ?? '') as { sql: string }
    expect(event.sql).toBe(sql.slice(0, 1_000))
    expect((await server.call(`/v1/queries/${queryId}`)).body.sql).toBe(sql)
  })

  it('has no HEAD of the stream, which would never end', async () => {
    const { status } = await server.call('/v1/events', { method: 'HEAD', signal: AbortSignal.timeout(30_000) })
    expect(status).toBe(404)
  })

  it('brings what a listener missed', async () => {
    await server.query('SELECT 1')
    const response = await fetch(`${server.url}/v1/events?kinds=query`, { headers: { 'last-event-id': '0' } })
    const reader = response.body?.getReader()
    let text = ''
    while (!text.includes('event: query')) text += Buffer.from((await reader?.read())?.value ?? []).toString()
    await reader?.cancel()
  })
})

describe('probes', () => {
  it('is alive, ready, and describes itself', async () => {
    expect((await server.call('/healthz')).body.status).toBe('ok')
    const ready = await server.call('/readyz')
    expect([ready.status, ready.body.checks.filter(({ ok }: { ok: boolean }) => !ok)]).toEqual([200, []])
    const { body } = await server.call('/openapi.json')
    expect(body.openapi).toBe('3.1.0')
    const paths = Object.keys(body.paths)
    for (const path of [
      '/v1/query',
      '/v1/queries/{id}/result',
      '/v1/lineage',
      '/v1/tables/{name}/import',
      '/v1/events',
      '/metrics',
    ]) {
      expect(paths).toContain(path)
    }
    const text = JSON.stringify(body)
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      expect(Object.keys(body.components.schemas)).toContain(name)
    }
  })

  it('describes its answers as they are', async () => {
    const { paths } = (await server.call('/openapi.json')).body
    const sql = { sql: 'SELECT 1 AS one' }
    const event = { eventTime: '2026-01-31T10:00:00Z', producer: 'https://example.com', schemaURL: 'https://example.com' }
    const job = { ...event, job: { namespace: 'etl', name: 'load' } }
    const { queryId } = (await server.call('/v1/queries', { body: sql })).body
    const calls: readonly (readonly [string, string, string, CallOptions?])[] = [
      ...['json', 'x-ndjson', 'vnd.apache.arrow.stream', 'vnd.apache.parquet'].map(
        (type) => ['post', '/v1/query', '/v1/query', { body: sql, headers: { accept: `application/${type}` } }] as const,
      ),
      ['post', '/v1/query', '/v1/query', { body: { sql: 'SELEC' } }],
      ['post', '/v1/queries', '/v1/queries', { body: sql }],
      ['get', '/v1/queries/{id}/result', `/v1/queries/${queryId}/result`, { headers: { accept: 'text/csv' } }],
      ['get', '/v1/tables', '/v1/tables'],
      ['get', '/v1/tables/{name}', '/v1/tables/none'],
      ['get', '/readyz', '/readyz'],
      ['get', '/metrics', '/metrics'],
      ['get', '/v1/lineage/export', '/v1/lineage/export?format=graphml'],
      ['post', '/api/v1/lineage', '/api/v1/lineage', { body: job }],
      ['post', '/api/v1/lineage/batch', '/api/v1/lineage/batch', { body: [job] }],
    ]
    for (const [method, path, at, options] of calls) {
      const { status, headers } = await server.call(at, options)
      const { responses } = paths[path][method]
      expect([path, Object.keys(responses).sort()]).toEqual([
        path,
        expect.arrayContaining(status < 400 ? [`${status}`] : ['default']),
      ])
      const types = Object.keys((responses[status] ?? responses.default).content)
      expect([path, types]).toEqual([path, expect.arrayContaining([headers.get('content-type')?.split(';')[0]])])
    }
    expect(Object.keys(paths['/v1/tables/{name}/import'].post.requestBody.content)).toContain('text/csv')
  })

  it('gives every promised metric, with labels from closed lists', async () => {
    const { body } = await server.call('/metrics')
    for (const name of promisedMetrics) expect(body).toMatch(new RegExp(`^# TYPE forebay_${name} `, 'm'))
    expect(body).not.toMatch(/SELECT|q-[0-9a-z]{9}/)
    expect(body).toMatch(/forebay_queries_total\{state="finished",priority="interactive"\} [1-9]/)
    expect(body).toMatch(/forebay_segment_reads_total\{tier="parquet"\} [1-9]/)
    expect(body).toMatch(/forebay_nodes\{state="ready"\} 2/)
    expect(body).toMatch(/forebay_lineage_events_total [1-9]/)
  })

  it('sends headers that keep answers from becoming pages', async () => {
    const { headers } = await server.call('/healthz')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })
})

describe('malformed requests', () => {
  it('refuses 500 malformed bodies with REQUEST_INVALID, and goes on', async () => {
    const wrong = fc.oneof(
      fc.string().map((text) => `{${text}`),
      fc.json().filter((text) => !/^\s*\{/.test(text)),
      fc
        .record({ sql: fc.oneof(fc.integer(), fc.constant(null), fc.boolean(), fc.array(fc.string()), fc.constant('')) })
        .map((body) => JSON.stringify(body)),
      fc
        .record({ sql: fc.constant('SELECT 1'), timeoutMs: fc.oneof(fc.double({ max: 0, noNaN: true }), fc.string()) })
        .map((body) => JSON.stringify(body)),
      fc
        .record({
          sql: fc.constant('SELECT 1'),
          params: fc.oneof(fc.string(), fc.integer(), fc.constant([{ a: 1 }]), fc.constant({ a: {} })),
        })
        .map((body) => JSON.stringify(body)),
      fc.record({ sql: fc.constant('SELECT 1'), priority: fc.string() }).map((body) => JSON.stringify(body)),
      fc.record({ sql: fc.constant('SELECT 1'), tree: fc.integer() }).map((body) => JSON.stringify(body)),
      fc.string({ minLength: 1 }).map((key) => JSON.stringify({ sql: 'SELECT 1', [`x${key}`]: 1 })),
      fc.constant('{"sql":"SELECT 1","__proto__":{"a":1}}'),
      fc.constant('{"sql":"SELECT 1","constructor":{"prototype":{"a":1}}}'),
      fc.constant(`${'['.repeat(50_000)}`),
      fc.uint8Array({ minLength: 1, maxLength: 50 }).map((bytes) => `\u0000${Buffer.from(bytes).toString('latin1')}`),
    )
    await fc.assert(
      fc.asyncProperty(wrong, async (body) => {
        const answer = await server.call('/v1/query', { body })
        expect([answer.status, answer.body.error?.code]).toEqual([400, 'REQUEST_INVALID'])
      }),
      { numRuns: 500, seed: 20260131 },
    )
    expect((await server.query('SELECT 1')).rows).toEqual([[1]])
  }, 120_000)

  it('names the field', async () => {
    const message = async (body: unknown) => (await server.call('/v1/query', { body })).body.error.message as string
    expect(await message({ sql: 'SELECT 1', timeoutMs: 0 })).toContain('body.timeoutMs')
    expect(await message({ sql: 'SELECT 1', params: { a: [] } })).toContain('body.params')
    expect(await message({ sql: 'SELECT 1', bogus: 1 })).toContain('body.bogus')
    expect(await message({ sql: 'SELECT 1', timeZone: 'Mars/Olympus' })).toContain('body.timeZone')
    expect(await message({})).toContain('body.sql')
    expect(await message([])).toContain('body')
  })

  it('says what is wrong with a field in plain words', async () => {
    const bodies: readonly (readonly [unknown, string])[] = [
      [{}, 'body.sql: is missing'],
      [{ sql: '' }, 'body.sql: is empty'],
      [{ sql: 5 }, 'body.sql: must be text'],
      [[], 'body: must be an object'],
      [{ sql: 'SELECT 1', timeoutMs: 0 }, 'body.timeoutMs: must be at least 1'],
      [{ sql: 'SELECT 1', timeoutMs: 1e12 }, 'body.timeoutMs: must be at most 86400000'],
      [{ sql: 'SELECT 1', timeoutMs: 1.5 }, 'body.timeoutMs: must be a whole number'],
      [{ sql: 'SELECT 1', tenant: 'x'.repeat(201) }, 'body.tenant: must have at most 200 characters'],
      [{ sql: 'SELECT 1', priority: 'urgent' }, 'body.priority: must be one of proactive, interactive, batch, background'],
      [{ sql: 'SELECT 1', params: 5 }, 'body.params: must be an object or a list of texts, numbers, booleans and nulls'],
      [{ sql: 'SELECT 1', limit: 5 }, 'body.limit: there is no such field'],
    ]
    for (const [body, message] of bodies) {
      const { status, body: answer } = await server.call('/v1/query', { body })
      expect([status, answer.error.code, answer.error.message]).toEqual([400, 'REQUEST_INVALID', message])
    }
    expect((await server.call('/v1/lineage')).body.error.message).toBe('querystring.from: is missing')
    expect((await server.call('/v1/events?kinds=none')).body.error.message).toMatch(
      /^querystring\.kinds\.0: must be one of query, /,
    )
  })

  it('names the next step where the graph does not know what is asked for, and where a parameter has no value', async () => {
    for (const [path, hint] of [
      ['?from=table:nowhere', 'forebay tables'],
      ['?from=segment:nowhere', 'forebay hot'],
      ['?from=query:nowhere', 'forebay status'],
      ['?from=node:nowhere', 'forebay nodes'],
      ['/columns?table=sales&column=nowhere', 'CREATE TABLE'],
    ]) {
      const { status, body } = await server.call(`/v1/lineage${path}`)
      expect([path, status, body.error.hint]).toEqual([path, 404, expect.stringContaining(hint ?? '')])
    }
    const { body } = await server.call('/v1/query', { body: { sql: 'SELECT $low' } })
    expect(body.error).toMatchObject({ code: 'PARAMETER_INVALID', hint: expect.stringContaining('--param low=') })
  })

  it('refuses formats and content types that it does not know', async () => {
    const accept = await server.call('/v1/query', { body: { sql: 'SELECT 1' }, headers: { accept: 'image/png' } })
    expect(accept.body.error).toMatchObject({ code: 'REQUEST_INVALID', message: expect.stringContaining('accept') })
    const type = await server.call('/v1/query', { body: '{"sql":"SELECT 1"}', headers: { 'content-type': 'text/plain' } })
    expect(type.body.error).toMatchObject({
      code: 'REQUEST_INVALID',
      message: 'the body has a content type that is not understood',
      hint: expect.stringContaining('content-type: application/json'),
    })
    expect((await server.call('/v1/nothing')).body.error.code).toBe('NOT_FOUND')
    expect((await server.call('/v1/query')).body.error.code).toBe('NOT_FOUND')
    expect((await server.call('/v1/queries/%E0%A4%A')).body.error.code).toBe('REQUEST_INVALID')
  })

  it('refuses other hosts and origins', async () => {
    const raw = async (head: string): Promise<string> =>
      exchange(`GET /v1/tables HTTP/1.1\r\n${head}\r\nconnection: close\r\n\r\n`)
    expect(await raw('host: evil.example')).toContain('FORBIDDEN_ORIGIN')
    expect(await raw('host: 127.0.0.1\r\norigin: https://evil.example')).toContain('FORBIDDEN_ORIGIN')
    expect(await raw(`host: ${new URL(server.url).host}\r\norigin: ${server.url}`)).toContain('200 OK')
  })

  it('lets a page of an allowed origin ask, and read what it gets', async () => {
    const preflight = await server.call('/v1/query', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    })
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, origin])
    expect(preflight.headers.get('access-control-allow-methods')).toContain('POST')
    expect(preflight.headers.get('access-control-allow-headers')).toContain('content-type')
    for (const [sql, status] of [
      ['SELECT 1', 200],
      ['SELEC 1', 400],
    ] as const) {
      const answer = await server.call('/v1/query', { body: { sql }, headers: { origin } })
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([status, origin])
      expect(answer.headers.get('access-control-expose-headers')).toContain('x-forebay-query-id')
      expect(answer.headers.get('cross-origin-resource-policy')).toBe('cross-origin')
    }
    const own = await server.call('/v1/tables', { headers: { origin: server.url } })
    expect([own.status, own.headers.get('access-control-allow-origin')]).toEqual([200, null])
    const other = await server.call('/v1/query', {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    })
    expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([403, null])
  })

  it('answers bytes that are not HTTP, and headers that are too large', async () => {
    expect(await exchange('hello\r\n\r\n')).toContain('REQUEST_INVALID')
    expect(await exchange(`GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`)).toContain('431')
  })

  it('goes on while slow clients trickle, and ends them', async () => {
    const { hostname, port } = new URL(server.url)
    const sockets = Array.from({ length: 20 }, () => createConnection(Number(port), hostname))
    const ended = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve).on('error', () => {})))
    for (const socket of sockets) socket.write('POST /v1/query HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow:')
    const trickle = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write(' y')
    }, 500)
    expect((await server.query('SELECT 1')).rows).toEqual([[1]])
    for (const socket of sockets) socket.resume()
    await Promise.all(ended)
    clearInterval(trickle)
  }, 25_000)
})

function exchange(request: string): Promise<string> {
  const { hostname, port } = new URL(server.url)
  return new Promise((resolve, reject) => {
    const socket = createConnection(Number(port), hostname, () => socket.write(request))
    let text = ''
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    socket.once('close', () => resolve(text))
    socket.once('error', reject)
  })
}

const promisedMetrics = [
  'queries_total',
  'query_seconds',
  'queue_depth',
  'queue_wait_seconds',
  'tasks_total',
  'transfers_total',
  'transfer_bytes_total',
  'lineage_events_total',
  'lineage_commit_seconds',
  'lineage_lag_events',
  'segments',
  'segment_reads_total',
  'warm_bytes',
  'node_load_score',
  'nodes',
  'prediction_seconds',
  'prediction_q_error',
  'prediction_interval_coverage',
  'forecasts_total',
  'allocations_total',
  'allocation_saved_seconds_total',
  'allocation_cost_byte_seconds_total',
  'prefetch_bytes_total',
]
