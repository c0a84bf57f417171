import { checkpointBatches } from './checkpoint.js'
import type { GraphDatabase } from './graph-database.js'
import { projectFromLog } from './graph-database.js'
import type { LineageLog } from './lineage-log.js'
import type { LineageStore, LogOffset } from './lineage-store.js'
import type { GraphReport, StoreConfiguration } from './recorder-port.js'

/** What a module that provides a store exports. */
export type OpenLineageStore = (options: Readonly<Record<string, unknown>>) => Promise<LineageStore>

interface Rebuild {
  readonly resolve: (report: GraphReport) => void
  readonly reject: (error: Error) => void
}

const eventsPerBatch = 500
const applyTimeoutMs = 30_000
const retryMsMin = 200
const retryMsMax = 10_000

/**
 * Keeps one more graph up with the log. It follows the SQLite graph, which works out the marks. A store that fails is opened
 * again after a while; that delays this projection and nothing else.
 */
export class StoreProjection {
  readonly name: string
  readonly #configuration: StoreConfiguration
  readonly #log: LineageLog
  readonly #first: GraphDatabase
  readonly #onProgress: () => void
  readonly #closing = new AbortController()
  #store: LineageStore | undefined
  #offset: LogOffset = 0
  #wake: () => void = () => {}
  #running: Promise<void> | undefined
  #rebuild: Rebuild | undefined

  constructor(configuration: StoreConfiguration, log: LineageLog, first: GraphDatabase, onProgress: () => void) {
    this.name = configuration.name
    this.#configuration = configuration
    this.#log = log
    this.#first = first
    this.#onProgress = onProgress
  }

  start(): void {
    this.#running = this.#run()
  }

  /** The first offset that the store has not applied, as last known. */
  offset(): LogOffset {
    return this.#offset
  }

  /** There may be something to do. */
  wake(): void {
    this.#wake()
  }

  /** Drops the store's graph and fills it again. */
  rebuild(): Promise<GraphReport> {
    return new Promise((resolve, reject) => {
      this.#rebuild = { resolve, reject }
      this.#wake()
    })
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the recorder closes'))
    this.#wake()
    await this.#running
    await this.#store?.close().catch(() => {})
  }

  /** One turn: opens the store if need be, applies at most one batch. True when there may be more. */
  async runOnce(): Promise<boolean> {
    const store = await this.#opened()
    if (this.#rebuild !== undefined) await this.#rebuildNow(store, this.#rebuild)
    const from = this.#offset
    const count = Math.min(eventsPerBatch, this.#first.offset() - from)
    if (count <= 0) return false
    if (from < this.#log.from()) {
      await this.#refill(store)
      return true
    }
    const events = this.#log.read(from, count)
    const last = events.at(-1)
    if (last === undefined) return false
    const batch = projectFromLog(this.#log, this.#first.index, events, from, last.offset + 1)
    await store.apply(batch, this.#signal())
    this.#offset = batch.to
    this.#onProgress()
    return true
  }

  async #run(): Promise<void> {
    let retryMs = retryMsMin
    while (!this.#closing.signal.aborted) {
      try {
        const more = await this.runOnce()
        retryMs = retryMsMin
        if (!more) await this.#sleep(60_000)
      } catch {
        // The lag says that the store is behind; why is the store's own log's to say.
        await this.#reopen()
        await this.#sleep(retryMs)
        retryMs = Math.min(retryMs * 2, retryMsMax)
      }
    }
  }

  async #opened(): Promise<LineageStore> {
    if (this.#store === undefined) {
      const { openLineageStore } = (await import(this.#configuration.module)) as { openLineageStore: OpenLineageStore }
      this.#store = await openLineageStore(this.#configuration.options)
      this.#offset = await this.#store.offset()
    }
    return this.#store
  }

  async #reopen(): Promise<void> {
    const store = this.#store
    this.#store = undefined
    await store?.close().catch(() => {})
  }

  /** From nothing to the checkpoint; the tail follows by itself. */
  async #refill(store: LineageStore): Promise<void> {
    await store.clear()
    const signal = this.#signal()
    for (const batch of checkpointBatches(this.#log)) await store.apply(batch, signal)
    const offset = this.#log.fact('checkpointOffset') ?? 0
    if (offset > 0) await store.apply({ from: 0, to: offset, vertices: [], edges: [], folds: [] }, signal)
    this.#offset = offset
  }

  async #rebuildNow(store: LineageStore, waiting: Rebuild): Promise<void> {
    this.#rebuild = undefined
    try {
      const before = await store.digest()
      await this.#refill(store)
      const end = this.#first.offset()
      while (this.#offset < end && (await this.runOnce())) continue
      const after = await store.digest()
      waiting.resolve({ store: this.name, ...after, events: this.#offset, identical: before.hash === after.hash })
    } catch (error) {
      waiting.reject(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  #signal(): AbortSignal {
    return AbortSignal.any([this.#closing.signal, AbortSignal.timeout(applyTimeoutMs)])
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
