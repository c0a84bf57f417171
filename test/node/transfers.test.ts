import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DerivedSource, TaskInput } from '../../src/model/messages.js'
import type { StoredSegment } from '../../src/model/segment.js'
import { baseInput, baseSegment, duckdb, jsonRowsOf, NodeUnderTest, task, testFolder, toClient } from './node-under-test.js'

const folder = testFolder()
const one = new NodeUnderTest(folder.path, { id: 'n1' })
const two = new NodeUnderTest(folder.path, { id: 'n2' })
const columns = [{ name: 'a0', type: 'BIGINT' }]
beforeAll(() => Promise.all([one.ready(), two.ready()]))
afterAll(async () => {
  await Promise.all([one.stop(), two.stop()])
  folder.remove()
})

let count = 0
async function publish(): Promise<StoredSegment> {
  const { result } = await one.finished(task('SELECT * FROM range(5000)', { to: 'segment', segment: `d-${++count}`, columns }))
  if (result.to !== 'segment') throw new Error('no segment')
  return result.stored
}
function source(
  stored: StoredSegment,
  via: 'file' | 'network',
  url = `${one.url}/segments/${basename(stored.path)}`,
): DerivedSource {
  return { stored, url, via, tier: 'remote' }
}
function read(sources: readonly DerivedSource[]) {
  const input: TaskInput = { kind: 'derived', relation: '__partials', columns, sources }
  return task('SELECT sum(a0)::BIGINT FROM __partials', toClient(columns, { segment: `d-answer-${++count}` }), [input])
}
function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const sent = request(`${one.url}${path}`, { method, headers }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(pieces) }))
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}
const token = { 'x-forebay-token': 'secret-token' }

describe('transfers', () => {
  it('note the true source, destination, bytes and rows, by file and by network', async () => {
    const stored = await publish()
    for (const via of ['file', 'network'] as const) {
      const message = read([source(stored, via)])
      const outcome = await two.finished(message)
      expect(jsonRowsOf(outcome)).toEqual([[12497500]])
      expect(outcome.report).toMatchObject({ bytesMoved: stored.bytes, tiers: { remote: 1 } })
      const event = await two.event(message)
      expect(event.transfers).toMatchObject([
        { segment: stored.id, source: 'n1', destination: 'n2', via, bytes: stored.bytes, rows: 5000 },
      ])
      expect(event.derivedReads).toMatchObject([{ segment: stored.id, source: 'n1', tier: 'remote' }])
      expect(event.output).toMatchObject({ segment: message.output.to === 'client' ? message.output.segment : '', rows: 1 })
      for (const value of [...Object.values(event.cost), event.transfers[0]?.micros, event.at])
        expect(Number.isInteger(value)).toBe(true)
    }
    expect(readdirSync(join(two.configuration.folder, 'passing'))).toEqual([])
  })

  it('stay on record when the task fails after them', async () => {
    const stored = await publish()
    const message = read([source(stored, 'network')])
    await two.failed({ ...message, sql: "SELECT error('no')::BIGINT FROM __partials" })
    const event = await two.event(message)
    expect(event.transfers).toMatchObject([{ segment: stored.id, source: 'n1', destination: 'n2', bytes: stored.bytes }])
    expect(event.output).toBeUndefined()
  })

  it('move nothing on the node that has the segment', async () => {
    const message = read([source(await publish(), 'file')])
    const outcome = await one.finished(message)
    expect(outcome.report.bytesMoved).toBe(0)
    expect((await one.event(message)).transfers).toMatchObject([{ source: 'n1', destination: 'n1' }])
  })

  it('never let a flipped bit through', async () => {
    const stored = await publish()
    const bytes = readFileSync(stored.path)
    for (const offset of [0, 4, 700, bytes.length >> 1, bytes.length - 30, bytes.length - 1]) {
      const flipped = Buffer.from(bytes)
      flipped[offset] = (flipped[offset] ?? 0) ^ 16
      writeFileSync(stored.path, flipped)
      for (const via of ['file', 'network'] as const) {
        const { error } = await two.failed(read([source(stored, via)]))
        expect(error.code).toBe('CHECKSUM_MISMATCH')
        expect(error.message).toContain(stored.id)
      }
    }
    writeFileSync(stored.path, bytes.subarray(0, 100))
    expect((await two.failed(read([source(stored, 'network')]))).error.code).toBe('CHECKSUM_MISMATCH')
    expect(readdirSync(join(two.configuration.folder, 'passing'))).toEqual([])
  })

  it('say UNAVAILABLE of what is gone or where nobody answers', async () => {
    const stored = await publish()
    one.send({ type: 'drop-segments', segments: [stored.id] })
    await one.finished(task('SELECT 1', toClient([])))
    for (const from of [
      source(stored, 'file'),
      source(stored, 'network'),
      source(stored, 'network', 'http://127.0.0.1:9/segments/x'),
    ]) {
      expect((await two.failed(read([from]))).error.code).toBe('UNAVAILABLE')
    }
    expect(readdirSync(join(one.configuration.folder, 'spool')).filter((name) => name.startsWith(`${stored.id}.`))).toEqual([])
  })
})

describe('the segment server', () => {
  it('gives a segment to whoever has the token', async () => {
    const stored = await publish()
    const answer = await ask(`/segments/${stored.id}`, token)
    expect(answer.status).toBe(200)
    expect(answer.body.equals(readFileSync(stored.path))).toBe(true)
  })

  it.each([{}, { 'x-forebay-token': '' }, { 'x-forebay-token': 'secret-tokem' }, { 'x-forebay-token': 'secret-token2' }])(
    'refuses %o',
    async (headers) => {
      const stored = await publish()
      expect((await ask(`/segments/${stored.id}`, headers as Record<string, string>)).status).toBe(401)
    },
  )

  it.each([
    '/',
    '/segments/',
    '/segments/..%2f..%2fsecret',
    '/segments/../../etc/passwd',
    '/results/t0',
    '/segments/%',
    '/spool/x',
    '/segments/d-none',
  ])('knows nothing of %s', async (path) => {
    writeFileSync(join(folder.path, 'secret'), 'secret')
    expect(await ask(path, token)).toMatchObject({ status: 404 })
  })

  it('only reads', async () => {
    expect((await ask('/segments/d-1', token, 'DELETE')).status).toBe(405)
  })
})

describe('large answers', () => {
  const sql = "SELECT i, 'a text that is longer than twelve ' || i AS s FROM range(300000) t(i)"
  const output = (overrides = {}) =>
    toClient([...columns, { name: 's', type: 'VARCHAR' }], { inlineBytesMax: 1000, segment: 'd-large', ...overrides })

  it('stream to whoever fetches them, once', async () => {
    const message = task(sql, output({ format: 'ndjson' }))
    const { result } = await one.finished(message)
    if (result.to !== 'client' || result.streamPath === undefined) throw new Error('no stream')
    const { body } = await ask(result.streamPath, token)
    expect(body.toString().split('\n')).toHaveLength(300_001)
    const ended = await one.next('stream-ended', (end) => end.taskId === message.taskId)
    expect(ended).toMatchObject({ rows: 300_000, bytes: body.length })
    expect(ended.report?.cpuMs).toBeGreaterThan(10)
    expect((await one.event(message)).output).toMatchObject({ segment: 'd-large', rows: 300_000 })
    expect((await ask(result.streamPath, token)).status).toBe(404)
  })

  it('stream as Parquet too', async () => {
    const message = task(sql, output({ format: 'parquet' }))
    const { result } = await one.finished(message)
    if (result.to !== 'client' || result.streamPath === undefined) throw new Error('no stream')
    const { body } = await ask(result.streamPath, token)
    writeFileSync(join(folder.path, 'large.parquet'), body)
    expect(await duckdb(`SELECT count(*) FROM '${join(folder.path, 'large.parquet')}'`)).toEqual([['300000']])
    await one.next('stream-ended', (end) => end.taskId === message.taskId)
    expect(readdirSync(join(one.configuration.folder, 'passing'))).toEqual([])
  })

  it('wait for a slow reader and end with it', async () => {
    const message = task(sql.replace('300000', '30000000'), output())
    const { result } = await one.finished(message)
    if (result.to !== 'client' || result.streamPath === undefined) throw new Error('no stream')
    const path = result.streamPath
    await new Promise<void>((resolve) => {
      const sent = request(`${one.url}${path}`, { headers: token }, (response) => {
        response.pause()
        setTimeout(() => {
          sent.destroy()
          resolve()
        }, 500)
      })
      sent.on('error', () => undefined)
      sent.end()
    })
    const ended = await one.next('stream-ended', (end) => end.taskId === message.taskId)
    expect(ended.error?.code).toBe('CANCELLED')
    expect(ended.rows).toBeLessThan(1_000_000)
  })

  it('end at their deadline though the reader has stopped reading, and the node goes on', async () => {
    const message = task(sql.replace('300000', '30000000'), output(), [], { deadlineAt: Date.now() + 5_000 })
    const { result } = await one.finished(message)
    if (result.to !== 'client' || result.streamPath === undefined) throw new Error('no stream')
    const sent = request(`${one.url}${result.streamPath}`, { headers: token }, (response) => {
      response.on('error', () => undefined)
      response.pause()
    })
    sent.on('error', () => undefined)
    sent.end()
    const ended = await one.next('stream-ended', (end) => end.taskId === message.taskId)
    expect(ended.error?.code).toBe('DEADLINE_EXCEEDED')
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    await one.finished(task('SELECT 1', toClient([])))
  })

  it('break off when an error comes after the first byte', async () => {
    const message = task(
      "SELECT CASE WHEN i = 250000 THEN error('late') ELSE s END FROM (" + sql + ')',
      output({ format: 'csv' }),
    )
    const { result } = await one.finished(message)
    if (result.to !== 'client' || result.streamPath === undefined) throw new Error('no stream')
    await expect(ask(result.streamPath, token)).rejects.toThrow()
    const ended = await one.next('stream-ended', (end) => end.taskId === message.taskId)
    expect(ended.error).toMatchObject({ code: 'QUERY_FAILED', message: expect.stringContaining('late') })
  })

  it('beyond the limit are refused, before or after the first byte', async () => {
    expect((await one.failed(task(sql, output({ resultBytesMax: 500 })))).error.code).toBe('RESULT_TOO_LARGE')
    expect((await one.failed(task(sql, output({ resultBytesMax: 500, format: 'parquet' })))).error.code).toBe('RESULT_TOO_LARGE')
    const message = task(sql, output({ resultBytesMax: 1_000_000 }))
    const { result } = await one.finished(message)
    if (result.to !== 'client' || result.streamPath === undefined) throw new Error('no stream')
    await expect(ask(result.streamPath, token)).rejects.toThrow()
    expect((await one.next('stream-ended', (end) => end.taskId === message.taskId)).error?.code).toBe('RESULT_TOO_LARGE')
  })
})

describe('a small answer', () => {
  it('is never one that an error cut short', async () => {
    const sql = "SELECT CASE WHEN i = 250000 THEN error('late')::BIGINT ELSE i END FROM range(300000) t(i)"
    const { error } = await one.failed(task(sql, toClient(columns, { inlineBytesMax: 1 << 28 })))
    expect(error).toMatchObject({ code: 'QUERY_FAILED', message: expect.stringContaining('late') })
  })
})

describe('stored answers', () => {
  it('follow the outcome and are found again', async () => {
    const path = join(folder.path, 'lake', 'n.parquet')
    await duckdb(`COPY (SELECT range AS i FROM range(1000)) TO '${path}'`)
    const answer = [
      { name: 'sum', type: 'HUGEINT' },
      { name: 'Sum', type: 'INTERVAL' },
    ]
    const input = baseInput('__fb0', [{ name: 'i', type: 'BIGINT' }], [baseSegment(path, 1000)])
    const message = task("SELECT sum(i), INTERVAL '1 day' FROM __fb0", toClient(answer, { segment: 'd-kept' }), [input])
    const first = await one.finished(message)
    const { stored } = await one.next('stored', (told) => told.taskId === message.taskId)
    expect(stored).toMatchObject({ id: 'd-kept', rows: 1, columns: answer, node: 'n1' })
    const again: DerivedSource = { stored, url: '', via: 'file', tier: 'reused' }
    const partials: TaskInput = { kind: 'derived', relation: '__partials', columns: answer, sources: [again] }
    const second = await one.finished(task('SELECT * FROM __partials', toClient(answer), [partials]))
    expect(jsonRowsOf(second)).toEqual(jsonRowsOf(first))
    expect(second.report.tiers).toEqual({ pack: 0, parquet: 0, remote: 0, reused: 1 })
  })
})
