import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toErrorRecord } from '../../src/model/errors.js'
import { writeSmallLake } from '../support/small-lake.js'
import { startServer, type TestServer } from '../support/start-server.js'
import { startStopwatch } from '../support/stopwatch.js'

const root = mkdtempSync(join(tmpdir(), 'forebay-limits-'))
let server: TestServer

beforeAll(async () => {
  await writeSmallLake(join(root, 'data'))
  const config = join(root, 'forebay.yaml')
  writeFileSync(
    config,
    `limits: { sqlBytes: 5kB, importBytes: 10kB, resultBytes: 200kB, runningQueries: 1, queuedQueries: 2, queryTimeout: 1s, eventStreams: 1 }\n`,
  )
  server = await startServer({ data: join(root, 'data'), flags: ['--config', config, '--memory', '600MB', '--disk', '60MB'] })
}, 60_000)
afterAll(async () => {
  await server?.stop()
  rmSync(root, { recursive: true, force: true })
})

const slow = 'SELECT count(*) FROM range(100000) a(i), range(10000000) b(j) WHERE (i * j) % 7 = 3'
const failure = async (sql: string, more: Record<string, unknown> = {}): Promise<{ code: string; message: string }> => {
  const { body } = await server.call('/v1/query', { body: { sql, ...more } })
  return body.error
}

describe('reaching a limit gives an error that names it', () => {
  it('of a statement', async () => {
    const error = await failure(`SELECT '${'x'.repeat(5_000)}'`)
    expect([error.code, error.message]).toEqual(['REQUEST_TOO_LARGE', expect.stringContaining('5000')])
  })

  it('of an import', async () => {
    const csv = `a\n${'1\n'.repeat(10_000)}`
    const stopwatch = startStopwatch()
    const { body } = await server.call('/v1/tables/big/import', { body: csv, headers: { 'content-type': 'text/csv' } })
    expect([body.error.code, body.error.message]).toEqual(['REQUEST_TOO_LARGE', expect.stringContaining('10000')])
    expect(stopwatch()).toBeLessThan(2_000)
  })

  it('of an import without end, whose connection ends with the answer', async () => {
    const headers = { 'content-type': 'text/csv', 'content-length': 1e12 }
    const upload = request(`${server.url}/v1/tables/endless/import`, { method: 'POST', headers })
    const lines = Buffer.from('1\n'.repeat(500_000))
    const send = (): void => void (upload.write(lines) ? setImmediate(send) : upload.once('drain', send))
    const answer = once(upload, 'response') as Promise<[IncomingMessage]>
    const closed = new Promise((resolve) => upload.on('close', resolve))
    upload.on('error', () => {})
    send()
    const [response] = await answer
    expect([response.statusCode, response.headers.connection]).toEqual([413, 'close'])
    response.resume()
    await closed
  })

  it('of an answer', async () => {
    const error = await failure('SELECT i, name FROM numbers, range(10)', { timeoutMs: 30_000 })
    expect([error.code, error.message]).toEqual(['RESULT_TOO_LARGE', expect.stringContaining('200000')])
  })

  it('of time', async () => {
    const error = await failure(slow)
    expect([error.code, error.message]).toEqual(['DEADLINE_EXCEEDED', expect.stringContaining('1000 ms')])
  })

  it('of queries that wait', async () => {
    const ids = Array.from({ length: 6 }, (_, index) => `q-one-of-six-${index}`)
    const refusals: string[] = []
    const asked = ids.map(async (id) => {
      const headers = { 'x-forebay-query-id': id }
      const { body } = await server.call('/v1/query', { body: { sql: slow, timeoutMs: 60_000 }, headers })
      if (body.error.code === 'QUEUE_FULL') refusals.push(body.error.message)
    })
    await expect.poll(() => refusals.length).toBeGreaterThanOrEqual(3)
    for (const id of ids) await server.call(`/v1/queries/${id}`, { method: 'DELETE' })
    await Promise.all(asked)
    expect(refusals[0]).toMatch(/2 queries wait already/)
  })

  it('of memory and temporary files', async () => {
    const error = await failure('SELECT count(*) FROM (SELECT hash(i) AS h FROM range(60000000) t(i) ORDER BY h)', {
      timeoutMs: 60_000,
    })
    expect(error.code).toMatch(/^(MEMORY|DISK)_EXCEEDED$/)
    expect((await server.query('SELECT 1', { timeoutMs: 30_000 })).rows).toEqual([[1]])
  }, 60_000)

  it('of the disk, wherever the call was', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    expect(toErrorRecord(full)).toMatchObject({ code: 'DISK_EXCEEDED', message: expect.stringContaining('no space') })
  })

  it('of listeners', async () => {
    const abort = new AbortController()
    const first = await fetch(`${server.url}/v1/events`, { signal: abort.signal })
    expect(first.status).toBe(200)
    const { status, body } = await server.call('/v1/events')
    expect([status, body.error.code, body.error.message]).toEqual([503, 'UNAVAILABLE', expect.stringContaining('1')])
    abort.abort()
  })
})
