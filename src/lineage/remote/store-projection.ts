import { ForebayError } from '../../model/errors.js'
import { underEither } from '../../model/under-either.js'
import { untilAborted } from '../../model/until-aborted.js'
import type { LineageBatch, LineageStore, LogOffset } from '../lineage-store.js'
import type { GraphReport, StoreConfiguration } from '../recorder-port.js'
import type { LogFollower } from './log-follower.js'

/** What a module that provides a store exports. */
export type OpenLineageStore = (options: Readonly<Record<string, unknown>>) => Promise<LineageStore>

/** Who wants to know how a projection fares. */
export interface ProjectionWatcher {
  offset(offset: LogOffset): void
  /** It works again, or why it does not. */
  state(failure?: string): void
}

/** What a turn has left to do: nothing, what came in meanwhile, or more than fits into a batch. */
type Left = 'none' | 'little' | 'much'

interface Job {
  /** Whether it replaces whatever the store holds. */
  readonly rebuilds: boolean
  readonly run: (store: LineageStore) => Promise<GraphReport>
  readonly resolve: (report: GraphReport) => void
  readonly reject: (error: Error) => void
}

/**
 * Edges that a batch should have: a store that is far behind takes many events at once, since they add up to few edges. The most is
 * what one message to a server carries (about 4 MB); it begins with few, since a server that has just started is slow, and has
 * fewer again after each failure.
 */
const edgesWantedMin = 1_000
const edgesWantedMax = 30_000
/** A batch that took longer is not followed by a larger one. */
const applyMsWanted = 5_000
/** A store that is kept up gets what came in so long as one batch: the same edges again and again cost once. */
const gatherMs = 200
/** Events behind at which it does not wait for more of them. */
const gatherEventsMax = 10_000
const applyTimeoutMs = 30_000
/** For what goes through a whole graph: emptying it, reading all of it. */
const wholeGraphTimeoutMs = 1_800_000
const retryMsMin = 200
const retryMsMax = 2_000

/**
 * Keeps one more graph up with the log, in a thread of its own. A store that fails or hangs is opened again after a while; that
 * delays this projection and nothing else.
 */
export class StoreProjection {
  readonly #configuration: StoreConfiguration
  readonly #log: LogFollower
  readonly #watcher: ProjectionWatcher
  readonly #closing = new AbortController()
  readonly #jobs: Job[] = []
  #store: LineageStore | undefined
  #offset: LogOffset = 0
  #edgesWanted = edgesWantedMin
  #appliedAt = 0
  #wake: () => void = () => {}
  #woken = false
  #running: Promise<void> | undefined

  constructor(configuration: StoreConfiguration, log: LogFollower, watcher: ProjectionWatcher) {
    this.#configuration = configuration
    this.#log = log
    this.#watcher = watcher
  }

  start(): void {
    this.#running = this.#run()
  }

  /** There may be something to do. */
  wake(): void {
    this.#woken = true
    this.#wake()
  }

  /** Drops the store's graph, fills it again and compares it with what the log gives. */
  rebuild(): Promise<GraphReport> {
    return this.#ask(true, async (store) => {
      await this.#refill(store)
      await this.#reach(store, this.#log.next())
      return this.#compare(store)
    })
  }

  /** Compares the store's graph with what the log gives for the same offset, which must not be before the checkpoint's. */
  verify(): Promise<GraphReport> {
    return this.#ask(false, async (store) => {
      await this.#reach(store, this.#log.checkpointOffset())
      return this.#compare(store)
    })
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the recorder closes'))
    this.#wake()
    for (const job of this.#jobs.splice(0)) job.reject(new ForebayError('UNAVAILABLE', 'the recorder closes'))
    await this.#running
    await this.#store?.close().catch(() => {})
    this.#log.close()
  }

  /** One turn: opens the store if need be, then a job or at most one batch. Says whether there may be more. */
  async runOnce(): Promise<Left> {
    const store = await this.#opened()
    const job = this.#jobs.shift()
    if (job === undefined) return this.#advance(store)
    try {
      job.resolve(await job.run(store))
    } catch (error) {
      job.reject(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
    return 'much'
  }

  async #run(): Promise<void> {
    let retryMs = retryMsMin
    while (!this.#closing.signal.aborted) {
      try {
        this.#woken = false
        const left = await this.runOnce()
        retryMs = retryMsMin
        this.#watcher.state()
        if (left === 'little') await this.#rest(this.#appliedAt + gatherMs - performance.now())
        else if (left === 'none' && !this.#woken) await this.#sleep(60_000)
      } catch (error) {
        if (this.#closing.signal.aborted) return
        const why = error instanceof Error ? error.message : String(error)
        this.#watcher.state(why)
        const message = `lineage store "${this.#configuration.name}": ${why}`
        for (const job of this.#jobs.splice(0)) job.reject(new ForebayError('UNAVAILABLE', message, { cause: error }))
        this.#edgesWanted = Math.max(edgesWantedMin, Math.floor(this.#edgesWanted / 2))
        await this.#abandon()
        await this.#rest(retryMs)
        retryMs = Math.min(retryMs * 2, retryMsMax)
      }
    }
  }

  async #opened(): Promise<LineageStore> {
    if (this.#store === undefined) {
      const { openLineageStore } = (await import(this.#configuration.module)) as { openLineageStore: OpenLineageStore }
      const opening = openLineageStore(this.#configuration.options)
      const store = await this.#bounded(opening).catch((error: unknown) => {
        opening.then((late) => late.close()).catch(() => {})
        throw error
      })
      this.#store = store
      this.#offset = await this.#bounded(store.offset())
      if (!this.#jobs.some((job) => job.rebuilds)) await this.#takeUp(store)
      this.#setOffset(this.#offset)
    }
    return this.#store
  }

  /** Goes on with a graph that is of this log, begins one in an empty store, and touches no other. */
  async #takeUp(store: LineageStore): Promise<void> {
    const origin = await this.#bounded(store.origin())
    const isEmpty = origin === undefined && this.#offset === 0
    if (!isEmpty && (origin !== this.#log.id() || this.#offset > this.#log.end())) {
      throw new Error('it holds a graph of another log; "forebay lineage rebuild" with this store drops that and takes it over')
    }
    // A filling that was cut off has left no offset; a checkpoint of which only a part is there must not be added to.
    if (isEmpty || this.#log.mustRefill(this.#offset)) await this.#refill(store)
  }

  async #advance(store: LineageStore): Promise<Left> {
    const batch = this.#log.batch(this.#offset, this.#edgesWanted)
    if (batch === undefined) {
      if (this.#log.has(this.#offset)) return 'none'
      await this.#refill(store)
      return 'much'
    }
    const startedAt = performance.now()
    await this.#apply(store, batch)
    this.#appliedAt = performance.now()
    this.#setOffset(batch.to)
    if (batch.edges.length < this.#edgesWanted) return this.#log.next() - batch.to > gatherEventsMax ? 'much' : 'little'
    if (this.#appliedAt - startedAt < applyMsWanted) this.#edgesWanted = Math.min(edgesWantedMax, 2 * this.#edgesWanted)
    return 'much'
  }

  async #reach(store: LineageStore, offset: LogOffset): Promise<void> {
    while (this.#offset < offset && (await this.#advance(store)) !== 'none') continue
  }

  /** From nothing to the checkpoint; the tail follows by itself. */
  async #refill(store: LineageStore): Promise<void> {
    await this.#bounded(store.clear(this.#log.id()), wholeGraphTimeoutMs)
    this.#setOffset(0)
    for (const batch of this.#log.checkpoint()) await this.#apply(store, batch)
    const offset = this.#log.checkpointOffset()
    if (offset > 0) await this.#apply(store, { from: 0, to: offset, vertices: [], edges: [], folds: [] })
    this.#setOffset(offset)
  }

  async #compare(store: LineageStore): Promise<GraphReport> {
    const offset = await this.#bounded(store.offset())
    const present = await this.#bounded(store.digest(), wholeGraphTimeoutMs)
    const made = this.#log.digestAt(offset)
    const setAside = this.#log.setAside()
    return { store: this.#configuration.name, ...present, events: offset, setAside, identical: made.hash === present.hash }
  }

  #ask(rebuilds: boolean, run: Job['run']): Promise<GraphReport> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({ rebuilds, run, resolve, reject })
      this.wake()
    })
  }

  #setOffset(offset: LogOffset): void {
    this.#offset = offset
    this.#watcher.offset(offset)
  }

  /** What is left of a store after a failure. A close that hangs is not waited for. */
  async #abandon(): Promise<void> {
    const store = this.#store
    this.#store = undefined
    if (store !== undefined) await this.#bounded(store.close()).catch(() => {})
  }

  #apply(store: LineageStore, batch: LineageBatch): Promise<void> {
    return underEither([this.#closing.signal, AbortSignal.timeout(applyTimeoutMs)], (signal) => store.apply(batch, signal))
  }

  #bounded<T>(promise: Promise<T>, timeoutMs = applyTimeoutMs): Promise<T> {
    return underEither([this.#closing.signal, AbortSignal.timeout(timeoutMs)], (signal) => untilAborted(promise, signal))
  }

  /** Waits, whatever events come in meanwhile; a job or the end is not kept waiting. */
  async #rest(ms: number): Promise<void> {
    const until = performance.now() + ms
    for (let left = ms; left > 0 && this.#jobs.length === 0; left = until - performance.now()) {
      if (this.#closing.signal.aborted) return
      await this.#sleep(left)
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
      if (this.#closing.signal.aborted) this.#wake()
    })
  }
}
