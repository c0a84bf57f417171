import { ForebayError } from '../../model/errors.js'
import { untilAborted } from '../../model/until-aborted.js'
import type { LineageStore } from '../lineage-store.js'
import type { StoreConfiguration } from '../recorder-port.js'
import type { OpenLineageStore } from './store-projection.js'

const answerMsMax = 10_000

/** Other graphs than SQLite's, as they are read: opened with the first question, and again after a failure. */
export class RemoteGraphs {
  readonly #configurations: readonly StoreConfiguration[]
  readonly #opened = new Map<string, Promise<LineageStore>>()

  constructor(configurations: readonly StoreConfiguration[]) {
    this.#configurations = configurations
  }

  /** Asks a store. Rejects with NOT_FOUND when there is none of the name, with UNAVAILABLE when it does not answer in time. */
  async ask<T>(name: string, question: (store: LineageStore, signal: AbortSignal) => Promise<T>): Promise<T> {
    const signal = AbortSignal.timeout(answerMsMax)
    try {
      const store = await untilAborted(this.#store(name), signal)
      return await untilAborted(question(store, signal), signal)
    } catch (error) {
      if (error instanceof ForebayError && error.code !== 'UNAVAILABLE') throw error
      this.#forget(name)
      const why = error instanceof Error ? error.message : String(error)
      throw new ForebayError('UNAVAILABLE', `lineage store "${name}" does not answer: ${why}`, {
        hint: 'ask with store=sqlite: the embedded graph is always there',
        cause: error,
      })
    }
  }

  async close(): Promise<void> {
    const stores = [...this.#opened.values()]
    this.#opened.clear()
    await Promise.allSettled(stores.map(async (store) => (await store).close()))
  }

  #store(name: string): Promise<LineageStore> {
    let store = this.#opened.get(name)
    if (store === undefined) {
      const configuration = this.#configurations.find((candidate) => candidate.name === name)
      if (configuration === undefined) throw new ForebayError('NOT_FOUND', `there is no lineage store "${name}"`)
      store = import(configuration.module).then((module: { openLineageStore: OpenLineageStore }) =>
        module.openLineageStore(configuration.options),
      )
      store.catch(() => {})
      this.#opened.set(name, store)
    }
    return store
  }

  #forget(name: string): void {
    const store = this.#opened.get(name)
    this.#opened.delete(name)
    store?.then((opened) => opened.close()).catch(() => {})
  }
}
