/**
 * The recorder's side on the event loop: texts out, acknowledgements in. Calls of one turn of the loop leave as one message. What
 * is under way is bounded in bytes; what was refused or lost rejects, and the caller still has it.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type Clock, systemClock } from '../model/clock.js'
import { entryPoint } from '../model/entry-point.js'
import { ForebayError, fromErrorRecord } from '../model/errors.js'
import type { LineageEvent } from '../model/lineage-event.js'
import type { QueryStatus } from '../model/query.js'
import type { SegmentId } from '../model/segment.js'
import { logBody } from './log-body.js'
import type { CallName, FromRecorder, RecorderCalls, RecorderThreadData, ToRecorder, Write } from './recorder-messages.js'
import type { GraphReport, Recorder, RecorderOptions, RecorderStats, StoreState } from './recorder-port.js'
import { defaultLimits } from './retention.js'
import { threadMemory } from './thread-memory.js'

export type * from './recorder-port.js'

/** Messages with writes that the thread may have before it: one that it commits, and the next. More would wake both sides more often. */
const postedMax = 2
/** Pause before a thread that has died is started again. */
const restartMs = 1_000

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
  const start = (): Worker => {
    const workerData: RecorderThreadData = { folder: options.folder, limits, stores: options.stores ?? [], now: clock.now() }
    const url = entryPoint('./recorder-thread.js', import.meta.url)
    return new Worker(url, { workerData, name: 'recorder', execArgv: [], resourceLimits: threadMemory })
  }
  const worker = start()
  const [first] = (await once(worker, 'message')) as [FromRecorder]
  if (first.type === 'not-opened') {
    await worker.terminate()
    throw fromErrorRecord(first.error)
  }
  return new ThreadRecorder(worker, start, clock, limits.inFlightBytesMax, options)
}

class ThreadRecorder implements Recorder {
  readonly #start: () => Worker
  readonly #clock: Clock
  readonly #inFlightBytesMax: number
  readonly #onFailure: RecorderOptions['onFailure']
  readonly #onSetAside: RecorderOptions['onSetAside']
  readonly #waiting: Waiting[] = []
  readonly #calls = new Map<number, Call>()
  #gathered: Write[] = []
  /** Messages that are not settled, by the number of their last write. */
  readonly #posted: number[] = []
  #number = 0
  #request = 0
  #inFlightBytes = 0
  #worker: Worker
  #restart: NodeJS.Timeout | undefined
  #state: 'open' | 'closing' | 'closed' = 'open'
  /** Why nothing is taken now: the thread has died and another one is not there yet. */
  #failure: Error | undefined
  #lag: Readonly<Record<string, number>> = { sqlite: 0 }
  #stats: RecorderStats = noStats

  constructor(worker: Worker, start: () => Worker, clock: Clock, inFlightBytesMax: number, options: RecorderOptions) {
    this.#start = start
    this.#clock = clock
    this.#inFlightBytesMax = inFlightBytesMax
    this.#onFailure = options.onFailure
    this.#onSetAside = options.onSetAside
    this.#worker = this.#listen(worker)
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
    // A status that cannot be kept is not worth failing a query for; the thread's failure is told elsewhere.
    this.#write({ type: 'query', row: [queryId, submittedAt, state, fingerprint, template, body] }, body.length).catch(() => {})
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
    if (this.#state !== 'open') return
    clearTimeout(this.#restart)
    // The thread ends by itself, also one that opens only now: ended from outside, it could be in the middle of a statement.
    const exited = new Promise((resolve) => this.#worker.once('exit', resolve))
    if (this.#failure === undefined) {
      const closed = this.#call('close')
      this.#state = 'closing'
      await closed
    } else if (this.#worker.threadId !== -1) {
      this.#post({ type: 'call', request: ++this.#request, name: 'close', arguments: [] })
    }
    this.#state = 'closed'
    if (this.#worker.threadId !== -1) await exited
    this.#rejectAll(unavailable('the recorder is closed'))
  }

  #listen(worker: Worker): Worker {
    worker.on('message', (message: FromRecorder) => this.#receive(message))
    worker.on('error', (error) => this.#fail(error))
    worker.on('exit', (code) => {
      this.#fail(new Error(`its thread ended with code ${code}`))
      // Its files are let go of only now.
      if (this.#state === 'open')
        this.#restart = setTimeout(() => {
          this.#worker = this.#listen(this.#start())
        }, restartMs)
    })
    return worker
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

  #refusal(bytes: number): Error | undefined {
    if (this.#failure !== undefined) return this.#failure
    if (this.#state !== 'open') return unavailable('the recorder is closed')
    if (this.#inFlightBytes + bytes <= this.#inFlightBytesMax) return undefined
    return new ForebayError('QUEUE_FULL', `the recorder has ${this.#inFlightBytes} bytes on their way to the disk already`)
  }

  /** What is gathered while the thread has enough to do leaves when it has settled something. */
  #flushSoon(): void {
    if (this.#posted.length < postedMax) this.#flush()
  }

  #flush(): void {
    if (this.#gathered.length === 0) return
    this.#posted.push(this.#number)
    const writes = this.#gathered
    this.#gathered = []
    this.#post({ type: 'writes', last: this.#number, now: this.#clock.now(), writes })
  }

  #call<N extends CallName>(name: N, ...values: RecorderCalls[N]['arguments']): Promise<RecorderCalls[N]['value']> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#state !== 'open') return Promise.reject(unavailable('the recorder is closed'))
    this.#flush()
    const request = ++this.#request
    this.#post({ type: 'call', request, name, arguments: values })
    return new Promise((resolve, reject) => {
      this.#calls.set(request, { resolve: resolve as (value: unknown) => void, reject })
    })
  }

  #post(message: ToRecorder): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
    this.#worker.postMessage(message)
  }

  #receive(message: FromRecorder): void {
    if (message.type === 'opened') this.#failure = undefined
    else if (message.type === 'not-opened') this.#failure = failed(fromErrorRecord(message.error))
    else if (message.type === 'set-aside') this.#onSetAside?.(message.event)
    else if (message.type === 'settled') this.#settle(message.upTo, message.error && fromErrorRecord(message.error))
    else if (message.type === 'progress') {
      this.#lag = message.lag
      this.#stats = message.stats
    } else if (message.type === 'answer') {
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

  #fail(error: Error): void {
    if (this.#failure !== undefined || this.#state === 'closed') return
    this.#failure = failed(error)
    this.#gathered = []
    this.#posted.length = 0
    this.#inFlightBytes = 0
    this.#rejectAll(this.#failure)
    this.#onFailure?.(this.#failure)
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

function failed(error: Error): ForebayError {
  return unavailable(`the lineage recorder has failed: ${error.message}`, error)
}

function unavailable(message: string, cause?: unknown): ForebayError {
  return new ForebayError('UNAVAILABLE', message, { cause })
}
