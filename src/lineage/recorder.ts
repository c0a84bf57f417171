/**
 * The recorder's side on the event loop: texts out, acknowledgements in. Calls of one turn of the loop leave as one message. What
 * is under way is bounded in bytes; what was refused or lost rejects, and the caller still has it.
 */
import { Worker } from 'node:worker_threads'
import { type Clock, systemClock } from '../model/clock.js'
import { entryPoint } from '../model/entry-point.js'
import { ForebayError, fromErrorRecord } from '../model/errors.js'
import type { LineageEvent } from '../model/lineage-event.js'
import type { QueryStatus } from '../model/query.js'
import type { SegmentId } from '../model/segment.js'
import { threadMemory } from '../model/thread-memory.js'
import { KeptThread, type Opening } from './kept-thread.js'
import { logBody } from './log/log-body.js'
import { defaultLimits } from './log/retention.js'
import type {
  CallName,
  FromRecorder,
  QueryRow,
  RecorderCalls,
  RecorderThreadData,
  ToRecorder,
  Write,
} from './recorder/recorder-messages.js'
import type { GraphReport, Recorder, RecorderOptions, RecorderStats, StoreState } from './recorder-port.js'

export type * from './recorder-port.js'

/** Messages with writes that the thread may have before it: one that it commits, and the next. More would wake both sides more often. */
const postedMax = 2
/** Statuses kept in memory while no thread is there. */
const queriesHeldMax = 10_000

interface Waiting {
  readonly number: number
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}
interface Call {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Opens the log of a folder in a thread of its own. Rejects with STATE_TOO_NEW when a newer version wrote it. */
export async function openRecorder(options: RecorderOptions): Promise<Recorder> {
  const clock = options.clock ?? systemClock
  const limits = { ...defaultLimits, ...options.limits }
  let again = false
  const start = (): Worker => {
    const workerData: RecorderThreadData = {
      folder: options.folder,
      limits,
      stores: options.stores ?? [],
      now: clock.now(),
      again,
    }
    again = true
    const url = entryPoint('./recorder/recorder-thread.js', import.meta.url)
    return new Worker(url, { workerData, name: 'recorder', execArgv: [], resourceLimits: threadMemory })
  }
  const thread = await KeptThread.open<ToRecorder, FromRecorder>({ start, name: 'the lineage recorder' })
  return new ThreadRecorder(thread, clock, limits.inFlightBytesMax, options)
}

class ThreadRecorder implements Recorder {
  readonly #thread: KeptThread<ToRecorder, FromRecorder>
  readonly #clock: Clock
  readonly #inFlightBytesMax: number
  readonly #onFailure: RecorderOptions['onFailure']
  readonly #onSetAside: RecorderOptions['onSetAside']
  readonly #waiting: Waiting[] = []
  readonly #calls = new Map<number, Call>()
  #gathered: Write[] = []
  /** The last statuses of queries that no thread was there to take. */
  readonly #heldQueries = new Map<string, QueryRow>()
  /** Messages that are not settled, by the number of their last write. */
  readonly #posted: number[] = []
  #number = 0
  #request = 0
  #inFlightBytes = 0
  #isClosed = false
  #lag: Readonly<Record<string, number>> = { sqlite: 0 }
  #stats: RecorderStats = noStats

  constructor(
    thread: KeptThread<ToRecorder, FromRecorder>,
    clock: Clock,
    inFlightBytesMax: number,
    { onFailure, onSetAside }: RecorderOptions,
  ) {
    this.#thread = thread
    this.#clock = clock
    this.#inFlightBytesMax = inFlightBytesMax
    this.#onFailure = onFailure
    this.#onSetAside = onSetAside
    thread.listen(
      (message) => this.#receive(message),
      (failure) => this.#fail(failure),
      () => this.#flush(),
    )
  }

  record(events: readonly LineageEvent[]): Promise<void> {
    if (events.length === 0) return Promise.resolve()
    const bodies = events.map(logBody)
    const bytes = bodies.reduce((sum, body) => sum + body.length, 0)
    return this.#write({ type: 'events', ids: events.map((event) => event.id), bodies }, bytes)
  }

  saveQuery(status: QueryStatus): void {
    const { queryId, submittedAt, state, fingerprint = null, template = null } = status
    const body = JSON.stringify(status)
    const row: QueryRow = [queryId, submittedAt, state, fingerprint, template, body]
    // A status that cannot be kept is not worth failing a query for; the thread's failure is told elsewhere.
    this.#write({ type: 'query', row }, body.length).catch(() => this.#holdQuery(row))
  }

  put(key: string, json: string): Promise<void> {
    return this.#write({ type: 'put', key, json }, json.length)
  }

  remove(key: string): Promise<void> {
    return this.#write({ type: 'remove', key }, key.length)
  }

  get(key: string): Promise<string | undefined> {
    return this.#call('get', key)
  }

  list(prefix: string): Promise<readonly (readonly [string, string])[]> {
    return this.#call('list', prefix)
  }

  lag(): Readonly<Record<string, number>> {
    return this.#lag
  }

  stats(): RecorderStats {
    return this.#stats
  }

  async projected(): Promise<void> {
    await this.#call('projected')
  }

  async reconcile(existing: readonly SegmentId[]): Promise<number> {
    const kept = new Set(existing)
    const gone = (await this.#call('existing')).filter((segment) => !kept.has(segment))
    const now = this.#clock.now()
    const at = now * 1000
    if (gone.length > 0)
      await this.record([{ kind: 'eviction', id: `reconcile-${now}-${gone.length}-${gone[0]}`, at, segments: gone }])
    return gone.length
  }

  stores(): Promise<readonly StoreState[]> {
    return this.#call('stores')
  }

  checkpoint(olderThanMs?: number): Promise<{ readonly offset: number; readonly truncated: number }> {
    return this.#call('checkpoint', ...(olderThanMs === undefined ? [] : [olderThanMs]))
  }

  rebuild(store = 'sqlite'): Promise<GraphReport> {
    return this.#call('rebuild', store)
  }

  verify(store = 'sqlite'): Promise<GraphReport> {
    return this.#call('verify', store)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    if (this.#thread.failure === undefined) this.#flush()
    this.#isClosed = true
    await this.#thread.close({ type: 'call', request: ++this.#request, name: 'close', arguments: [] })
    this.#rejectAll(unavailable('the recorder is closed'))
  }

  #write(write: Write, bytes: number): Promise<void> {
    const refusal = this.#refusal(bytes)
    if (refusal !== undefined) return Promise.reject(refusal)
    const number = ++this.#number
    this.#inFlightBytes += bytes
    if (this.#gathered.push(write) === 1) setImmediate(() => this.#flushSoon())
    return new Promise((resolve, reject) => {
      this.#waiting.push({ number, bytes, resolve, reject })
    })
  }

  /** A query that ends while no thread is there would go on for ever in the history: the next one is told. */
  #holdQuery(row: QueryRow): void {
    if (this.#thread.failure !== undefined && this.#heldQueries.size < queriesHeldMax) this.#heldQueries.set(row[0], row)
  }

  #refusal(bytes: number): Error | undefined {
    const gone = this.#gone()
    if (gone !== undefined) return gone
    if (this.#inFlightBytes + bytes <= this.#inFlightBytesMax) return undefined
    return new ForebayError('QUEUE_FULL', `the recorder has ${this.#inFlightBytes} bytes on their way to the disk already`)
  }

  /** Why nothing is taken now. */
  #gone(): Error | undefined {
    return this.#isClosed ? unavailable('the recorder is closed') : this.#thread.failure
  }

  /** What is gathered while the thread has enough to do leaves when it has settled something. */
  #flushSoon(): void {
    if (this.#posted.length < postedMax) this.#flush()
  }

  #flush(): void {
    const held = [...this.#heldQueries.values()].map((row): Write => ({ type: 'query', row }))
    const writes = [...held, ...this.#gathered]
    if (writes.length === 0) return
    this.#posted.push(this.#number)
    this.#heldQueries.clear()
    this.#gathered = []
    this.#thread.post({ type: 'writes', last: this.#number, now: this.#clock.now(), writes })
  }

  #call<N extends CallName>(name: N, ...values: RecorderCalls[N]['arguments']): Promise<RecorderCalls[N]['value']> {
    const gone = this.#gone()
    if (gone !== undefined) return Promise.reject(gone)
    this.#flush()
    const request = ++this.#request
    this.#thread.post({ type: 'call', request, name, arguments: values })
    return new Promise((resolve, reject) => {
      this.#calls.set(request, { resolve: resolve as (value: unknown) => void, reject })
    })
  }

  #receive(message: Exclude<FromRecorder, Opening>): void {
    if (message.type === 'set-aside') this.#onSetAside?.(message.event)
    else if (message.type === 'failure') this.#onFailure?.(fromErrorRecord(message.error))
    else if (message.type === 'settled') this.#settle(message.upTo, message.error && fromErrorRecord(message.error))
    else if (message.type === 'progress') {
      this.#lag = message.lag
      this.#stats = message.stats
    } else {
      const call = this.#calls.get(message.request)
      this.#calls.delete(message.request)
      if (message.error === undefined) call?.resolve(message.value)
      else call?.reject(fromErrorRecord(message.error))
    }
  }

  #settle(upTo: number, error: Error | undefined): void {
    while (this.#posted[0] !== undefined && this.#posted[0] <= upTo) this.#posted.shift()
    this.#flushSoon()
    const settled = this.#waiting.findIndex((waiting) => waiting.number > upTo)
    for (const waiting of this.#waiting.splice(0, settled === -1 ? this.#waiting.length : settled)) {
      this.#inFlightBytes -= waiting.bytes
      if (error === undefined) waiting.resolve()
      else waiting.reject(error)
    }
  }

  #fail(failure: Error): void {
    this.#gathered = []
    this.#posted.length = 0
    this.#inFlightBytes = 0
    this.#rejectAll(failure)
    this.#onFailure?.(failure)
  }

  #rejectAll(error: Error): void {
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error)
    for (const call of this.#calls.values()) call.reject(error)
    this.#calls.clear()
  }
}

const noStats: RecorderStats = {
  events: 0,
  duplicates: 0,
  commits: 0,
  commitMsP50: 0,
  commitMsP99: 0,
  logEvents: 0,
  logFrom: 0,
  logBytes: 0,
  setAside: 0,
}

function unavailable(message: string): ForebayError {
  return new ForebayError('UNAVAILABLE', message)
}
