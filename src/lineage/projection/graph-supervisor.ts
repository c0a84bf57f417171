import { Worker } from 'node:worker_threads'
import { entryPoint } from '../../model/entry-point.js'
import { graphThreadMemory } from '../../model/thread-memory.js'
import type { FromGraph, GraphThreadData, ToGraph } from './graph-messages.js'

/** The thread of the SQLite graph, as the recorder sees it. The recorder does not outlive it. */
export class GraphSupervisor {
  readonly #worker: Worker
  readonly #exited: Promise<unknown>
  #failure: Error | undefined
  #closed = false

  constructor(data: GraphThreadData, receive: (message: FromGraph) => void) {
    const url = entryPoint('./graph-thread.js', import.meta.url)
    this.#worker = new Worker(url, { workerData: data, name: 'lineage-graph', execArgv: [], resourceLimits: graphThreadMemory })
    this.#exited = new Promise((resolve) => this.#worker.once('exit', resolve))
    this.#worker.on('message', (message: FromGraph) => {
      if (message.type === 'not-opened') this.#closed = true
      receive(message)
    })
    // Node tells of a thread without memory and of its end in one go: what is thrown at the first keeps the second from everybody.
    this.#worker.on('error', (error) => {
      this.#failure = error
    })
    this.#worker.on('exit', (code) => {
      if (this.#failure !== undefined) throw this.#failure
      if (!this.#closed) throw new Error(`the graph's thread ended with code ${code}`)
    })
  }

  post(message: ToGraph): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
    this.#worker.postMessage(message)
  }

  /** The thread ends by itself: ended from outside, it could be in the middle of a statement. */
  async close(): Promise<void> {
    this.#closed = true
    this.post({ type: 'call', request: 0, name: 'close', arguments: [] })
    await this.#exited
  }
}
