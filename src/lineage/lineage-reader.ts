import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { entryPoint } from '../model/entry-point.js'
import { ForebayError, fromErrorRecord } from '../model/errors.js'
import type { QueryStatus } from '../model/query.js'
import type { ExportFormat } from './export/graph-formats.js'
import type { LineageReader, ReaderOptions } from './lineage-reader-port.js'
import type { FromReader, ReaderCallName, ReaderCalls, ReaderThreadData, ToReader } from './reader-messages.js'
import { threadMemory } from './thread-memory.js'

export type * from './lineage-reader-port.js'

/** Most questions that wait at once; more are refused with QUEUE_FULL. */
const waitingMax = 10_000
/** Pause before a thread that has died is started again. */
const restartMs = 1_000

interface Call {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Opens a reader on a recorder's folder, in a thread of its own. */
export async function openLineageReader(options: ReaderOptions): Promise<LineageReader> {
  const url = entryPoint('./reader-thread.js', import.meta.url)
  const { folder, stores = [], reads = 'sqlite' } = options
  const workerData: ReaderThreadData = { folder, stores, reads }
  const start = (): Worker => new Worker(url, { workerData, name: 'lineage-reader', execArgv: [], resourceLimits: threadMemory })
  const worker = start()
  const [first] = (await once(worker, 'message')) as [FromReader]
  if (first.type === 'not-opened') {
    await worker.terminate()
    throw fromErrorRecord(first.error)
  }
  const questions = new Questions(worker, start, options.onFailure ?? (() => {}))
  return {
    trace: (request, signal) => questions.ask('trace', [request], signal),
    catalogue: (request, signal) => questions.ask('catalogue', [request], signal),
    columns: (request, signal) => questions.ask('columns', [request], signal),
    transfers: (request, signal) => questions.ask('transfers', [request], signal),
    segment: (id, signal) => questions.ask('segment', [id], signal),
    hottest: (limit, atMs, signal, store) =>
      questions.ask('hottest', store === undefined ? [limit, atMs] : [limit, atMs, store], signal),
    work: (segments, atMs, signal) => questions.ask('work', [segments, atMs], signal),
    queries: (request, signal) => questions.ask('queries', [request], signal),
    query: async (queryId, signal) => {
      const text = await questions.ask('query', [queryId], signal)
      return text === undefined ? undefined : (JSON.parse(text) as QueryStatus)
    },
    export: (format, signal) => exported(questions, format, signal),
    close: () => questions.close(),
  }
}

async function* exported(questions: Questions, format: ExportFormat, signal?: AbortSignal): AsyncGenerator<string> {
  const id = await questions.ask('exportOpen', [format], signal)
  try {
    for (;;) {
      const text = await questions.ask('exportNext', [id], signal)
      if (text === undefined) return
      yield text
    }
  } finally {
    await questions.ask('exportClose', [id]).catch(() => {})
  }
}

class Questions {
  readonly #start: () => Worker
  readonly #onFailure: (error: Error) => void
  readonly #calls = new Map<number, Call>()
  #worker: Worker
  #restart: NodeJS.Timeout | undefined
  #request = 0
  #failure: Error | undefined
  #closing = false

  constructor(worker: Worker, start: () => Worker, onFailure: (error: Error) => void) {
    this.#start = start
    this.#onFailure = onFailure
    this.#worker = this.#listen(worker)
  }

  ask<N extends ReaderCallName>(
    name: N,
    values: ReaderCalls[N]['arguments'],
    signal?: AbortSignal,
  ): Promise<ReaderCalls[N]['value']> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#calls.size >= waitingMax)
      return Promise.reject(new ForebayError('QUEUE_FULL', 'too many questions about lineage wait'))
    const request = ++this.#request
    this.#post({ request, name, arguments: values })
    return new Promise((resolve, reject) => {
      // The thread answers all the same; nobody listens then.
      const onAbort = (): void => {
        this.#calls.delete(request)
        reject(signal?.reason)
      }
      const done = (): void => signal?.removeEventListener('abort', onAbort)
      this.#calls.set(request, {
        resolve: (value) => {
          done()
          resolve(value as ReaderCalls[N]['value'])
        },
        reject: (error) => {
          done()
          reject(error)
        },
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** The thread answers what it was asked before, then ends by itself: ended from outside, it could be inside a statement. */
  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    clearTimeout(this.#restart)
    const exited = new Promise((resolve) => this.#worker.once('exit', resolve))
    if (this.#failure === undefined) await this.ask('close', [])
    else if (this.#worker.threadId !== -1) this.#post({ request: ++this.#request, name: 'close', arguments: [] })
    if (this.#worker.threadId !== -1) await exited
  }

  #listen(worker: Worker): Worker {
    worker.on('message', (message: FromReader) => this.#receive(message))
    worker.on('error', (error) => this.#fail(unavailable(`the lineage reader has failed: ${error.message}`, error)))
    worker.on('exit', (code) => {
      if (this.#closing) return this.#reject(unavailable('the lineage reader is closed'))
      this.#fail(unavailable(`the lineage reader's thread ended with code ${code}`))
      this.#restart = setTimeout(() => {
        this.#worker = this.#listen(this.#start())
      }, restartMs)
    })
    return worker
  }

  #post(message: ToReader): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
    this.#worker.postMessage(message)
  }

  #receive(message: FromReader): void {
    if (message.type === 'opened') this.#failure = undefined
    if (message.type === 'not-opened') this.#failure = fromErrorRecord(message.error)
    if (message.type !== 'answer') return
    const call = this.#calls.get(message.request)
    this.#calls.delete(message.request)
    if (message.error === undefined) call?.resolve(message.value)
    else call?.reject(fromErrorRecord(message.error))
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#reject(error)
    this.#onFailure(error)
  }

  #reject(error: Error): void {
    this.#failure = error
    for (const call of this.#calls.values()) call.reject(error)
    this.#calls.clear()
  }
}

function unavailable(message: string, cause?: unknown): ForebayError {
  return new ForebayError('UNAVAILABLE', message, { cause })
}
