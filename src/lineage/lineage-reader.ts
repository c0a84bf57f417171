import { Worker } from 'node:worker_threads'
import { entryPoint } from '../model/entry-point.js'
import { ForebayError, fromErrorRecord } from '../model/errors.js'
import type { QueryStatus } from '../model/query.js'
import { threadMemory } from '../model/thread-memory.js'
import type { ExportFormat } from './export/graph-formats.js'
import { KeptThread, type Opening } from './kept-thread.js'
import type { LineageReader, ReaderOptions } from './lineage-reader-port.js'
import type { FromReader, ReaderCallName, ReaderCalls, ReaderThreadData, ToReader } from './reader/reader-messages.js'

export type * from './lineage-reader-port.js'

/** Most questions that wait at once; more are refused with QUEUE_FULL. */
const waitingMax = 10_000

interface Call {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Opens a reader on a recorder's folder, in a thread of its own. */
export async function openLineageReader(options: ReaderOptions): Promise<LineageReader> {
  const url = entryPoint('./reader/reader-thread.js', import.meta.url)
  const { folder, stores = [], reads = 'sqlite' } = options
  const workerData: ReaderThreadData = { folder, stores, reads }
  const start = (): Worker => new Worker(url, { workerData, name: 'lineage-reader', execArgv: [], resourceLimits: threadMemory })
  const thread = await KeptThread.open<ToReader, FromReader>({ start, name: 'the lineage reader' })
  const questions = new Questions(thread, options.onFailure ?? (() => {}))
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
  // Asked to its end: what has been opened for somebody who has gone is closed.
  const id = await questions.ask('exportOpen', [format])
  try {
    signal?.throwIfAborted()
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
  readonly #thread: KeptThread<ToReader, FromReader>
  readonly #calls = new Map<number, Call>()
  #request = 0
  #isClosed = false

  constructor(thread: KeptThread<ToReader, FromReader>, onFailure: (error: Error) => void) {
    this.#thread = thread
    thread.listen(
      (message) => this.#receive(message),
      (failure) => {
        this.#rejectAll(failure)
        onFailure(failure)
      },
    )
  }

  ask<N extends ReaderCallName>(
    name: N,
    values: ReaderCalls[N]['arguments'],
    signal?: AbortSignal,
  ): Promise<ReaderCalls[N]['value']> {
    const gone = this.#isClosed ? closed() : this.#thread.failure
    if (gone !== undefined) return Promise.reject(gone)
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#calls.size >= waitingMax)
      return Promise.reject(new ForebayError('QUEUE_FULL', 'too many questions about lineage wait'))
    const request = ++this.#request
    this.#thread.post({ request, name, arguments: values })
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

  /** The thread answers what it was asked before, then ends. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#thread.close({ request: ++this.#request, name: 'close', arguments: [] })
    this.#rejectAll(closed())
  }

  #receive(message: Exclude<FromReader, Opening>): void {
    const call = this.#calls.get(message.request)
    this.#calls.delete(message.request)
    if (message.error === undefined) call?.resolve(message.value)
    else call?.reject(fromErrorRecord(message.error))
  }

  #rejectAll(error: Error): void {
    for (const call of this.#calls.values()) call.reject(error)
    this.#calls.clear()
  }
}

function closed(): ForebayError {
  return new ForebayError('UNAVAILABLE', 'the lineage reader is closed')
}
