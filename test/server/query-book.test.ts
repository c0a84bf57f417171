import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it, vi } from 'vitest'
import type { Execution, QueryResult } from '../../src/engine/engine.js'
import { ForebayError, toErrorRecord } from '../../src/model/errors.js'
import type { QueryRequest, QueryStatus } from '../../src/model/query.js'
import { Journal } from '../../src/queue/embedded/journal.js'
import { QueryBook } from '../../src/server/queries/query-book.js'
import { ResultStore } from '../../src/server/queries/result-store.js'

const root = mkdtempSync(join(tmpdir(), 'forebay-book-'))
const journals: Journal[] = []
afterAll(async () => {
  for (const journal of journals) await journal.close()
  rmSync(root, { recursive: true, force: true })
})

const request: QueryRequest = {
  sql: 'SELECT 1',
  params: {},
  priority: 'interactive',
  tenant: 'default',
  timeZone: 'UTC',
  timeoutMs: 1000,
  tree: 'auto',
  reuse: true,
  format: 'json',
}

/** An engine whose queries end when the test says so. */
class FakeEngine {
  readonly submitted: {
    readonly queryId: string
    readonly request: QueryRequest
    readonly finish: (rows: string, count?: number) => void
    readonly settle: (more: Partial<QueryStatus>) => void
  }[] = []

  submit(queryId: string, asked: QueryRequest): Execution {
    let status = { queryId, state: 'running', sql: asked.sql } as QueryStatus
    let resolve: (result: QueryResult) => void = () => {}
    let reject: (error: unknown) => void = () => {}
    const promise = new Promise<QueryResult>((yes, no) => {
      resolve = yes
      reject = no
    })
    promise.catch(() => {})
    let resolveEnded = (): void => {}
    const ended = new Promise<void>((yes) => {
      resolveEnded = yes
    })
    const end = (error: ForebayError): void => {
      status = { ...status, state: error.code === 'CANCELLED' ? 'cancelled' : 'failed', error: toErrorRecord(error) }
      reject(error)
    }
    this.submitted.push({
      queryId,
      request: asked,
      finish: (rows, count) => {
        status = { ...status, state: 'finished' }
        resolve({ columns: [], contentType: '', body: once(rows), ...(count === undefined ? {} : { count }) })
      },
      settle: (more) => {
        status = { ...status, ...more }
        resolveEnded()
      },
    })
    const cancel = (reason: string): void => end(new ForebayError('CANCELLED', reason))
    return { queryId, status: () => status, result: promise, ended, cancel }
  }
}

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

async function book(name: string, bytesMax = 1e6) {
  const folder = join(root, name)
  for (const inner of ['results', 'promises']) mkdirSync(join(folder, inner), { recursive: true })
  const engine = new FakeEngine()
  const results = new ResultStore({ folder: join(folder, 'results'), bytesMax, resultBytesMax: bytesMax })
  await results.open()
  const promises = await Journal.open(join(folder, 'promises', 'journal.jsonl'))
  journals.push(promises)
  const queries = new QueryBook({
    engine,
    clock: { now: () => Date.now() },
    results,
    promises,
    past: async () => undefined,
    onError: (error) => {
      throw error
    },
  })
  return { engine, results, queries, promises }
}

const read = async (body: AsyncIterable<Uint8Array>): Promise<string> => {
  const parts: Buffer[] = []
  for await (const part of body) parts.push(Buffer.from(part))
  return Buffer.concat(parts).toString()
}

it('keeps the answer of a promised query, also for the next run', async () => {
  const { engine, queries, results, promises } = await book('keeps')
  const { queryId } = await queries.promise(request)
  expect([...promises.entries().keys()]).toEqual([queryId])
  engine.submitted[0]?.finish('[1]')
  const kept = await queries.result(queryId)
  expect(JSON.parse(await read(results.read(kept)))).toMatchObject({ rows: [[1]], queryId })
  await expect.poll(() => promises.entries().size).toBe(0)
  const next = await book('keeps')
  expect(await read(next.results.read(await next.queries.result(queryId)))).toContain(queryId)
})

it('tells all about a query that has ended, also what came in after its answer had left', async () => {
  const { engine, queries } = await book('last-word')
  const { queryId } = await queries.promise(request)
  engine.submitted[0]?.finish('[1]')
  await queries.result(queryId)
  const early = await queries.status(queryId)
  expect([early.state, early.template]).toEqual(['finished', undefined])
  engine.submitted[0]?.settle({ template: 'settled since' })
  await expect.poll(async () => (await queries.status(queryId)).template).toBe('settled since')
})

it('gives an answer in another format by a SELECT once more, and the count of a write without the write', async () => {
  const { engine, queries } = await book('again')
  const select = await queries.promise(request)
  const write = await queries.promise({ ...request, sql: 'INSERT INTO t VALUES ($1)', params: { 1: 5 } })
  engine.submitted[0]?.finish('[1]')
  engine.submitted[1]?.finish('[3]', 3)
  for (const { queryId } of [select, write]) queries.runAgain(queryId, await queries.result(queryId), 'csv').over()
  expect(engine.submitted.slice(2).map((again) => again.request)).toMatchObject([
    { sql: 'SELECT 1', format: 'csv' },
    { sql: 'SELECT 3::BIGINT AS "Count"', params: {}, format: 'csv' },
  ])
})

it('promises under the id that its client wants, once', async () => {
  const { engine, queries } = await book('wanted')
  const wanted = 'q-wanted-0001'
  const both = await Promise.allSettled([queries.promise(request, wanted), queries.promise(request, wanted)])
  expect(both).toMatchObject([
    { status: 'fulfilled', value: { queryId: wanted } },
    { status: 'rejected', reason: { code: 'CONFLICT' } },
  ])
  engine.submitted[0]?.finish('[1]')
  await queries.result(wanted)
  const next = await book('wanted')
  await expect(next.queries.promise(request, wanted)).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(engine.submitted.length + next.engine.submitted.length).toBe(1)
})

it('runs again what an earlier run promised and did not end, under the same id and key', async () => {
  const first = await book('resumes')
  const { queryId } = await first.queries.promise(request)
  const second = await book('resumes')
  expect(await second.queries.resume()).toBe(1)
  expect(second.engine.submitted).toMatchObject([{ queryId, request: { idempotencyKey: queryId } }])
})

it('does not run again what was promised since it started', async () => {
  const { engine, queries } = await book('since')
  await queries.promise(request)
  expect(await queries.resume()).toBe(0)
  expect(engine.submitted).toHaveLength(1)
})

it('keeps a promise that the stop of the server cut off', async () => {
  const { queries, promises } = await book('stops')
  const { queryId } = await queries.promise(request)
  const stop = new AbortController()
  stop.abort()
  await queries.drain(stop.signal)
  await expect(queries.result(queryId)).rejects.toMatchObject({ code: 'CANCELLED', queryId })
  expect([...promises.entries().keys()]).toEqual([queryId])
  await expect(queries.promise(request)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

it('leaves queries with long statements to the history sooner', async () => {
  const { queries } = await book('long')
  const ids = Array.from({ length: 70 }, () => {
    const { execution, over } = queries.run({ ...request, sql: 'x'.repeat(1_000_000) })
    over()
    return execution.queryId
  })
  await expect(queries.status(ids[0] ?? '')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect((await queries.status(ids[10] ?? '')).sql).toHaveLength(1_000_000)
  expect((await queries.status(ids[69] ?? '')).sql).toHaveLength(1_000_000)
})

it('keeps an answer with its name, also after an outage', async () => {
  const { results } = await book('durable')
  const handle = await open(join(root, 'durable'))
  const synced: string[] = []
  const spy = vi.spyOn(Object.getPrototypeOf(handle) as FileHandle, 'sync').mockImplementation(async function (this: FileHandle) {
    synced.push((await this.stat()).isDirectory() ? 'folder' : 'file')
  })
  await results.keep('q-1', 'csv', once('a'))
  spy.mockRestore()
  await handle.close()
  expect(synced).toEqual(['file', 'folder'])
  expect(readdirSync(join(root, 'durable', 'results'))).toEqual(['q-1.csv'])
})

it('removes half-written files of an earlier run', async () => {
  const folder = join(root, 'half')
  mkdirSync(join(folder, 'results'), { recursive: true })
  mkdirSync(join(folder, 'promises'), { recursive: true })
  writeFileSync(join(folder, 'results', 'q-1.json.tmp'), '{')
  writeFileSync(join(folder, 'promises', 'journal.jsonl'), '{"put":"q-3","val')
  const { queries } = await book('half')
  expect(await queries.resume()).toBe(0)
  expect(readdirSync(join(folder, 'results'))).toEqual([])
})

it('refuses an answer that is too large and gives room to newer ones', async () => {
  const { engine, queries, results } = await book('room', 200)
  const large = await queries.promise(request)
  engine.submitted[0]?.finish(`["${'x'.repeat(500)}"]`)
  await expect(queries.result(large.queryId)).rejects.toMatchObject({ code: 'RESULT_TOO_LARGE' })
  const ids: string[] = []
  for (const index of [1, 2, 3]) {
    ids.push((await queries.promise(request)).queryId)
    engine.submitted[index]?.finish('[1]')
    await queries.result(ids.at(-1) ?? '')
  }
  expect(results.find(ids[0] ?? '')).toBeUndefined()
  expect(results.find(ids[2] ?? '')).toBeDefined()
})

it('cancels what runs and says when there is nothing to cancel', async () => {
  const { queries } = await book('cancels')
  const { execution, over } = queries.run(request)
  expect(await queries.cancel(execution.queryId, 'enough')).toBe(true)
  await expect(execution.result).rejects.toMatchObject({ code: 'CANCELLED' })
  over()
  expect(await queries.cancel(execution.queryId, 'again')).toBe(false)
  await expect(queries.cancel('q-none', 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

it('refuses an id that is in use', async () => {
  const { queries } = await book('ids')
  queries.run(request, 'q-mine-1234')
  expect(() => queries.run(request, 'q-mine-1234')).toThrow(expect.objectContaining({ code: 'CONFLICT' }))
})
