import { mkdir } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { entryPoint } from '../model/entry-point.js'
import { type ErrorRecord, ForebayError, fromErrorRecord } from '../model/errors.js'
import type { LineageEvent } from '../model/lineage-event.js'
import type { QueryStatus } from '../model/query.js'

export interface RecorderOptions {
  /** Folder of the log and the graph; made when it is missing. */
  readonly folder: string
  /** Events kept in the log before a checkpoint lets the oldest go. Default 5,000,000. */
  readonly logEventsMax?: number
  /** Queries kept in the history. Default 100,000. */
  readonly historyMax?: number
  /** The writer thread ended unasked; what was not acknowledged is not recorded. */
  readonly onFailure?: (error: Error) => void
}

/**
 * Writes what happened: the lineage log, the graph that is projected from it, the history of queries, and small values that
 * must survive a restart. A thread of its own does the writing; the event loop only hands over.
 */
export interface Recorder {
  /** Resolves when all events survive a crash (group fsync). Recording an id twice changes nothing. Calls keep their order. */
  record(events: readonly LineageEvent[]): Promise<void>
  /** Keeps a query's last state for the history; durable with the next group, at the latest after 100 ms. */
  saveQuery(status: QueryStatus): void
  /** Keeps a JSON value under a key; resolves when it survives a crash. */
  put(key: string, value: unknown): Promise<void>
  get(key: string): Promise<unknown>
  /** Events in the log that a store has not applied yet, by store. */
  lag(): Readonly<Record<string, number>>
  /** Durable events so far and how long the last commits took, in seconds, since the last call. */
  commits(): { readonly events: number; readonly seconds: readonly number[] }
  /** Drops the graph and projects it anew from the log; resolves with its digest. */
  rebuild(): Promise<GraphDigest>
  /** Digest of the graph, once all that is in the log has been projected. */
  digest(): Promise<GraphDigest>
  /** Writes a checkpoint of the graph and lets events before it go. */
  truncate(): Promise<void>
  close(): Promise<void>
}

export interface GraphDigest {
  readonly vertices: number
  readonly edges: number
  readonly hash: string
}

/** Main thread → recorder thread. */
export type ToRecorder =
  | { readonly type: 'record'; readonly id: number; readonly events: readonly LineageEvent[] }
  | { readonly type: 'save-query'; readonly status: QueryStatus }
  | { readonly type: 'put'; readonly id: number; readonly key: string; readonly json: string }
  | { readonly type: 'get'; readonly id: number; readonly key: string }
  | { readonly type: 'rebuild' | 'digest' | 'truncate' | 'close'; readonly id: number }

/** Recorder thread → main thread. */
export type FromRecorder =
  | { readonly type: 'open' }
  | { readonly type: 'done'; readonly ids: readonly number[]; readonly value?: unknown }
  | { readonly type: 'failed'; readonly ids: readonly number[]; readonly error: ErrorRecord }
  | { readonly type: 'progress'; readonly recorded: number; readonly applied: number; readonly newEvents: number; readonly commitSeconds: number }

/** Calls that may wait for the disk; beyond it events are refused with QUEUE_FULL rather than piled up. */
const waitingMax = 50_000

/** Starts the writer thread and waits until its files are open. Throws what they cannot be opened for. */
export async function openRecorder(options: RecorderOptions): Promise<Recorder> {
  await mkdir(options.folder, { recursive: true })
  const worker = new Worker(entryPoint('./recorder-thread.js', import.meta.url), {
    workerData: { folder: options.folder, logEventsMax: options.logEventsMax ?? 5_000_000, historyMax: options.historyMax ?? 100_000 },
  })
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let nextId = 0
  let recorded = 0
  let applied = 0
  let newEvents = 0
  let commitSeconds: number[] = []
  let ended: Error | undefined

  const call = (message: (id: number) => ToRecorder): Promise<unknown> => {
    if (ended !== undefined) return Promise.reject(ended)
    if (waiting.size >= waitingMax) {
      return Promise.reject(new ForebayError('QUEUE_FULL', `the lineage recorder is ${waitingMax} calls behind`))
    }
    const id = nextId++
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject })
      worker.postMessage(message(id))
    })
  }
  const settle = (ids: readonly number[], how: (call: { resolve: (v: unknown) => void; reject: (e: Error) => void }) => void): void => {
    for (const id of ids) {
      const call = waiting.get(id)
      waiting.delete(id)
      if (call !== undefined) how(call)
    }
  }

  await new Promise<void>((resolve, reject) => {
    worker.on('message', (message: FromRecorder) => {
      if (message.type === 'open') resolve()
      else if (message.type === 'done') settle(message.ids, (waiter) => waiter.resolve(message.value))
      else if (message.type === 'failed') {
        const error = fromErrorRecord(message.error)
        if (message.ids.length === 0) reject(error)
        settle(message.ids, (waiter) => waiter.reject(error))
      } else {
        recorded = message.recorded
        applied = message.applied
        newEvents += message.newEvents
        if (message.commitSeconds > 0 && commitSeconds.length < 10_000) commitSeconds.push(message.commitSeconds)
      }
    })
    const end = (error: Error): void => {
      if (ended !== undefined) return
      ended = error
      reject(error)
      settle([...waiting.keys()], (waiter) => waiter.reject(error))
      options.onFailure?.(error)
    }
    worker.on('error', (error) => end(error as Error))
    worker.on('exit', () => end(new ForebayError('UNAVAILABLE', 'the lineage recorder has ended')))
  })

  return {
    record: async (events) => {
      if (events.length > 0) await call((id) => ({ type: 'record', id, events }))
    },
    saveQuery: (status) => {
      if (ended === undefined) worker.postMessage({ type: 'save-query', status } satisfies ToRecorder)
    },
    put: async (key, value) => {
      await call((id) => ({ type: 'put', id, key, json: JSON.stringify(value) }))
    },
    get: async (key) => {
      const json = await call((id) => ({ type: 'get', id, key }))
      return json === undefined ? undefined : (JSON.parse(json as string) as unknown)
    },
    lag: () => ({ embedded: Math.max(0, recorded - applied) }),
    commits: () => {
      const report = { events: newEvents, seconds: commitSeconds }
      newEvents = 0
      commitSeconds = []
      return report
    },
    rebuild: async () => (await call((id) => ({ type: 'rebuild', id }))) as GraphDigest,
    digest: async () => (await call((id) => ({ type: 'digest', id }))) as GraphDigest,
    truncate: async () => {
      await call((id) => ({ type: 'truncate', id }))
    },
    close: async () => {
      if (ended !== undefined) return
      await call((id) => ({ type: 'close', id }))
      ended = new ForebayError('UNAVAILABLE', 'the lineage recorder is closed')
      await worker.terminate()
    },
  }
}
