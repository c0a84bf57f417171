import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { request as plainRequest } from 'node:http'
import { request } from 'node:https'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setInterval } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { writeSmallLake } from '../support/small-lake.js'
import { startServer, type TestServer } from '../support/start-server.js'
import { startStopwatch } from '../support/stopwatch.js'

const root = mkdtempSync(join(tmpdir(), 'forebay-lifecycle-'))
const data = join(root, 'data')
const main = new URL('../../dist/cli/main.js', import.meta.url).pathname

beforeAll(() => writeSmallLake(data))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const slow = 'SELECT count(*) FROM range(100000) a(i), range(10000000) b(j) WHERE (i * j) % 7 = 3'
/** Takes some seconds, whatever the machine, since it is divided by what the machine did in one. */
const lasting = (rows: number): string => `SELECT count(*) FROM range(${rows}) a(i), range(1000) b(j) WHERE (i * j) % 7 = 3`

/** Runs a command to its end. */
function run(
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve) => child.once('exit', (code) => resolve({ code, stdout, stderr })))
}

const serve = (...flags: readonly string[]) => run(['serve', '--port', '0', '--nodes', '1', '--data', data, ...flags])

/** Processes whose parent is this one. */
function children(pid: number): readonly number[] {
  try {
    const text = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
    return text.trim().split(/\s+/).filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

it('finishes running queries at SIGTERM, takes no new ones, and ends with 0', async () => {
  const server = await startServer({ data })
  const id = 'q-drained-00001'
  const running = server.call('/v1/query', { body: { sql: lasting(150_000) }, headers: { 'x-forebay-query-id': id } })
  await expect.poll(async () => (await server.call(`/v1/queries/${id}`)).body.state).toBe('running')
  const stopped = server.stop()
  expect((await running).body.rows.length).toBe(1)
  expect(await stopped).toBe(0)
}, 60_000)

it('cancels what still runs at the second signal', async () => {
  const server = await startServer({ data })
  const id = 'q-stubborn-0001'
  const running = server.call('/v1/query', { body: { sql: slow }, headers: { 'x-forebay-query-id': id } })
  await expect.poll(async () => (await server.call(`/v1/queries/${id}`)).body.state).toBe('running')
  const nodes = children(server.pid)
  expect(nodes.length).toBeGreaterThan(0)
  process.kill(server.pid, 'SIGTERM')
  // Two signals at once would come as one: the first is there when the server takes no more.
  await untilItTakesNoMore(server)
  const stoppedInMs = startStopwatch()
  const stopped = server.stop()
  expect((await running).body.error.code).toBe('CANCELLED')
  expect(await stopped).toBe(0)
  expect(stoppedInMs()).toBeLessThan(8_000)
  await expect.poll(() => nodes.filter(isAlive)).toEqual([])
}, 60_000)

it('cancels what still runs after the time for it, however much garbage was collected', async () => {
  const [file, collector] = [join(root, 'brief.yaml'), join(root, 'collector.cjs')]
  writeFileSync(file, 'drain: 1s\n')
  writeFileSync(
    collector,
    `require('node:v8').setFlagsFromString('--expose-gc')
     const collect = require('node:vm').runInNewContext('gc')
     if (process.argv.includes('serve') && require('node:worker_threads').isMainThread) setInterval(collect, 100).unref()`,
  )
  const environment = { NODE_OPTIONS: `--require ${collector}` }
  const server = await startServer({ data, flags: ['--config', file, '--proactive', 'off'], environment })
  const id = 'q-garbage-00001'
  const running = server.call('/v1/query', { body: { sql: slow }, headers: { 'x-forebay-query-id': id } })
  await expect.poll(async () => (await server.call(`/v1/queries/${id}`)).body.state).toBe('running')
  const stopped = server.stop()
  expect((await running).body.error.code).toBe('CANCELLED')
  expect(await stopped).toBe(0)
}, 60_000)

/** Resolves when a server that was told to stop takes no more. */
async function untilItTakesNoMore(server: TestServer): Promise<void> {
  const takesMore = (): Promise<boolean> =>
    server.call('/readyz').then(
      ({ status }) => status === 200,
      () => false,
    )
  await expect.poll(takesMore).toBe(false)
}

/** An import whose file is sent as it is written here. */
function slowImport({ url }: TestServer) {
  const headers = { 'content-type': 'text/csv' }
  const call = plainRequest(new URL('/v1/tables/slow/import', url), { method: 'POST', headers })
  let isAnswered = false
  const answer = new Promise<{ readonly status: number | undefined; readonly body: string }>((resolve, reject) => {
    call.once('error', reject).once('close', () => {
      isAnswered = true
    })
    call.once('response', async (response) => {
      isAnswered = true
      let body = ''
      for await (const part of response.setEncoding('utf8')) body += part
      resolve({ status: response.statusCode, body })
    })
  })
  answer.catch(() => {})
  /** A row twenty times a second, until they are so many or the answer is there. */
  const trickle = async (rowsMax: number): Promise<void> => {
    let rows = 0
    for await (const _ of setInterval(50)) {
      if (rows === rowsMax || isAnswered) break
      call.write('2,y\n')
      rows += 1
    }
  }
  // Long enough to tell what kind of file it is, which is when it goes to the disk.
  call.write(`a,b\n${'1,x\n'.repeat(100)}`)
  return { trickle, end: () => call.end(), answer }
}

const uploads = (server: TestServer): number => readdirSync(join(server.state, 'imports')).length

it('finishes an import at SIGTERM, however slowly its file comes', async () => {
  const state = join(root, 'importing')
  const server = await startServer({ data, state })
  const file = slowImport(server)
  await expect.poll(() => uploads(server)).toBe(1)
  const stopped = server.stop()
  await untilItTakesNoMore(server)
  await file.trickle(50)
  file.end()
  const { status, body } = await file.answer
  expect([status, JSON.parse(body)]).toEqual([200, expect.objectContaining({ rows: 150 })])
  expect(await stopped).toBe(0)
  const next = await startServer({ data, state })
  expect((await next.query('SELECT count(*)::INT FROM slow')).rows).toEqual([[150]])
  expect(await next.stop()).toBe(0)
}, 60_000)

it.each([
  ['comes slowly', Number.POSITIVE_INFINITY],
  ['comes no more', 0],
])(
  'tells who imports that the server stops, at the second signal, where the file %s',
  async (_, rows) => {
    const server = await startServer({ data })
    const file = slowImport(server)
    await expect.poll(() => uploads(server)).toBe(1)
    process.kill(server.pid, 'SIGTERM')
    await untilItTakesNoMore(server)
    const stopped = server.stop()
    await file.trickle(rows)
    const { status, body } = await file.answer
    expect([status, JSON.parse(body).error.code]).toEqual([503, 'UNAVAILABLE'])
    expect(await stopped).toBe(0)
  },
  60_000,
)

it('keeps history, written tables and lineage over kill -9, leaves no orphans, and keeps its promises', async () => {
  const state = join(root, 'killed')
  const first = await startServer({ data, state })
  await first.query('CREATE TABLE kept AS SELECT * FROM sales')
  const { queryId } = await first.query('SELECT count(*) AS n FROM kept')
  const promised = (await first.call('/v1/queries', { body: { sql: lasting(400_000) } })).body.queryId as string
  const write = (
    await first.call('/v1/queries', { body: { sql: "INSERT INTO kept SELECT id, 'late', amount, day FROM sales LIMIT 10" } })
  ).body
  await expect
    .poll(async () => (await first.call(`/v1/queries/${write.queryId}`)).body.state, { timeout: 30_000 })
    .toBe('finished')
  await expect.poll(async () => (await first.call('/v1/queries?limit=1000')).body.queries.length).toBeGreaterThan(2)
  await expect.poll(async () => (await first.call(`/v1/lineage?from=query:${queryId}`)).status).toBe(200)
  const nodes = children(first.pid)
  await first.kill('SIGKILL')
  await expect.poll(() => nodes.filter(isAlive)).toEqual([])

  const second = await startServer({ data, state })
  expect((await second.query('SELECT count(*) FROM kept')).rows).toEqual([[2510]])
  const history = (await second.call('/v1/queries?limit=1000')).body.queries.map((query: { queryId: string }) => query.queryId)
  expect(history).toContain(queryId)
  expect((await second.call(`/v1/queries/${queryId}`)).body.state).toBe('finished')
  expect((await second.call(`/v1/lineage?from=query:${queryId}`)).status).toBe(200)
  expect((await second.call(`/v1/queries/${promised}/result`)).body.rows.length).toBe(1)
  expect(await second.stop()).toBe(0)
}, 90_000)

it('gives one state folder to one server, and the data folder to many', async () => {
  const state = join(root, 'shared')
  const first = await startServer({ data, state })
  const second = await serve('--state', state)
  expect(second.code).toBe(1)
  expect(second.stderr).toMatch(/error: state folder .* is in use by another server \(process \d+, http:/)
  expect(second.stderr).toMatch(/try: .*--state DIR/)
  expect(second.stdout).toBe('')
  expect((await first.query('SELECT 1')).rows).toEqual([[1]])
  expect(await first.stop()).toBe(0)
}, 60_000)

it('names a port that is taken, and leaves the state folder free', async () => {
  const taken = createServer()
  const port = await new Promise<number>((resolve) =>
    taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port)),
  )
  const state = join(root, 'port')
  const { code, stderr } = await serve('--state', state, '--port', String(port))
  expect(code).toBe(1)
  expect(stderr).toContain(`error: port ${port} of 127.0.0.1 is taken`)
  expect(stderr).toMatch(/try: .*--port/)
  taken.close()
  const server = await startServer({ data, state })
  expect(await server.stop()).toBe(0)
}, 60_000)

it('refuses what it cannot open, with an error and what to try', async () => {
  const file = join(root, 'a-file')
  writeFileSync(file, '')
  const newer = join(root, 'newer')
  mkdirSync(newer)
  writeFileSync(join(newer, 'version'), '99\n')
  const yaml = join(root, 'forebay.yaml')
  writeFileSync(yaml, 'limits:\n  diskFree: 900TB\n')
  const cases: readonly (readonly [readonly string[], string, code?: number])[] = [
    [['--state', file], 'not writable'],
    [['--state', newer], 'has version "99"'],
    [['--state', join(root, 'disk'), '--config', yaml], 'bytes free'],
    [['--state', join(root, 's'), '--memory', 'lots'], '"memory"', 2],
    [['--state', join(root, 's'), '--host', '0.0.0.0'], 'needs a token and TLS', 2],
    [['--state', join(root, 's'), '--queue', 'redis://x'], '"queue"', 2],
    [['--state', join(root, 's'), '--config', join(root, 'none.yaml')], 'cannot be read', 2],
    [['--state', join(root, 's'), '--data', file], 'data folder'],
  ]
  for (const [flags, message, expected = 1] of cases) {
    const { code, stderr, stdout } = await serve(...flags)
    expect([flags, code, stdout]).toEqual([flags, expected, ''])
    expect(stderr).toMatch(/^error: /m)
    expect(stderr).toContain(message)
  }
  expect((await serve('--state', join(root, 's'), '--tree', 'perhaps')).code).toBe(2)
}, 90_000)

it('leaves nothing behind when it cannot say where it serves, after all has been opened', async () => {
  const state = join(root, 'unannounced')
  mkdirSync(join(state, 'server.json', 'inner'), { recursive: true })
  const { code, stderr, stdout } = await serve('--state', state)
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/^error: .*server\.json/m)
  rmSync(join(state, 'server.json'), { recursive: true })
  const server = await startServer({ state, flags: ['--proactive', 'off'] })
  expect(await server.stop()).toBe(0)
}, 60_000)

it('ends a request that does not arrive in the time of the configuration, and names the limit', async () => {
  const file = join(root, 'impatient.yaml')
  writeFileSync(file, 'limits:\n  requestTimeout: 1s\n')
  await using server = await startServer({ data, flags: ['--config', file] })
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.write(
    'POST /v1/tables/late/import HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/csv\r\ncontent-length: 100\r\n\r\na\n',
  )
  let text = ''
  for await (const part of socket) text += String(part)
  expect(text).toContain('408 Request Timeout')
  expect(JSON.parse(text.split('\r\n\r\n')[1] ?? '')).toEqual({
    error: {
      code: 'REQUEST_INVALID',
      message: 'the request did not arrive in time',
      hint: expect.stringContaining('limits.requestTimeout'),
    },
  })
}, 30_000)

it('serves without a data folder', async () => {
  const absent = join(root, 'absent')
  const server = await startServer({ data: absent, flags: ['--proactive', 'off', '--tree', 'always'] })
  expect((await server.call('/v1/tables')).body).toEqual({ tables: [] })
  rmSync(absent, { recursive: true })
  const note = `data folder "${absent}" is not there`
  expect((await server.call('/v1/tables')).body).toEqual({ tables: [], note })
  expect((await run(['tables', '--url', server.url])).stdout).toContain(`note: ${note}\n`)
  const missing = await server.call('/v1/query', { body: { sql: 'SELECT * FROM trips' } })
  expect(missing.body).toMatchObject({ error: { code: 'NAME_NOT_FOUND', hint: note } })
  mkdirSync(absent)
  expect((await server.call('/v1/tables')).body).toEqual({ tables: [] })
  expect((await server.query('SELECT 1')).rows).toEqual([[1]])
  expect(await server.stop()).toBe(0)
}, 60_000)

it('serves others over TLS to who has the token', async () => {
  const [key, cert, token] = [join(root, 'key.pem'), join(root, 'cert.pem'), join(root, 'token')]
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=lake.example',
      '-keyout',
      key,
      '-out',
      cert,
    ],
    { stdio: 'ignore' },
  )
  writeFileSync(token, '0123456789abcdef0123456789abcdef\n')
  const server = await startServer({
    data,
    flags: ['--host', '127.0.0.1', '--token-file', token, '--tls-cert', cert, '--tls-key', key],
  })
  expect(server.url).toMatch(/^https:/)
  const get = (path: string, headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      request(server.url + path, { headers, rejectUnauthorized: false }, (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
        .on('error', reject)
        .end()
    })
  // An address of documentation, RFC 5737.
  const elsewhere = await serve('--host', '203.0.113.7', '--token-file', token, '--tls-cert', cert, '--tls-key', key)
  expect([elsewhere.code, elsewhere.stderr]).toEqual([
    1,
    expect.stringMatching(/^error: port 0 of 203\.0\.113\.7 .*\ntry: .*--host/m),
  ])
  const untrusting = await run(['tables', '--url', server.url])
  expect([untrusting.code, untrusting.stderr]).toEqual([
    1,
    expect.stringMatching(/self-signed certificate\ntry: NODE_EXTRA_CA_CERTS/),
  ])
  const plain = await run(['tables', '--url', server.url.replace('https:', 'http:')])
  expect([plain.code, plain.stderr]).toEqual([
    1,
    expect.stringMatching(/^error: the connection to .* broke: .*\ntry: https: in --url/),
  ])
  expect(await get('/v1/tables', {})).toBe(401)
  expect(await get('/v1/tables', { authorization: 'Bearer wrong' })).toBe(401)
  expect(await get('/metrics', {})).toBe(401)
  expect(await get('/healthz', {})).toBe(200)
  expect(await get('/v1/tables', { authorization: 'Bearer 0123456789abcdef0123456789abcdef', host: 'lake.example' })).toBe(200)
  expect(await server.stop()).toBe(0)
}, 60_000)
