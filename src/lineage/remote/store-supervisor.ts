import { Worker } from 'node:worker_threads'
import { entryPoint } from '../../model/entry-point.js'
import { ForebayError, fromErrorRecord } from '../../model/errors.js'
import { threadMemory } from '../../model/thread-memory.js'
import type { LogOffset } from '../lineage-store.js'
import type { GraphReport, StoreConfiguration, StoreState } from '../recorder-port.js'
import type { FromStore, StoreCallName, StoreThreadData, ToStore } from './store-messages.js'

interface Call {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

const restartMs = 1_000
/** A thread that is inside a statement or waits for a server that hangs is ended after so long. */
const closeMs = 3_000

/** The thread of one more graph, as the recorder sees it. A thread that dies is started again; the recorder goes on meanwhile. */
export class StoreSupervisor {
  readonly name: string
  readonly #data: StoreThreadData
  readonly #onProgress: () => void
  readonly #calls = new Map<number, Call>()
  #worker: Worker
  #request = 0
  #offset: LogOffset = 0
  #failure: string | undefined = 'it is being opened'
  #restart: NodeJS.Timeout | undefined
  #closed = false

  constructor(store: StoreConfiguration, folder: string, onProgress: () => void) {
    this.name = store.name
    this.#data = { folder, store }
    this.#onProgress = onProgress
    this.#worker = this.#start()
  }

  /** The first offset that the store has not applied, as last known. */
  offset(): LogOffset {
    return this.#offset
  }

  state(): StoreState {
    return { name: this.name, offset: this.#offset, ...(this.#failure === undefined ? {} : { failure: this.#failure }) }
  }

  /** There may be something to do. */
  wake(): void {
    this.#post({ type: 'wake' })
  }

  rebuild(): Promise<GraphReport> {
    return this.#call('rebuild') as Promise<GraphReport>
  }

  verify(): Promise<GraphReport> {
    return this.#call('verify') as Promise<GraphReport>
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#restart)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, closeMs)
    })
    await Promise.race([this.#call('close').catch(() => {}), late])
    clearTimeout(timer)
    await this.#worker.terminate()
  }

  #start(): Worker {
    const url = entryPoint('./store-thread.js', import.meta.url)
    const name = `lineage-${this.name}`
    const worker = new Worker(url, { workerData: this.#data, name, execArgv: [], resourceLimits: threadMemory })
    worker.on('message', (message: FromStore) => this.#receive(message))
    worker.on('error', (error) => this.#fail(error.message))
    worker.on('exit', (code) => this.#ended(code))
    return worker
  }

  #ended(code: number): void {
    this.#fail(this.#failure ?? `its thread ended with code ${code}`)
    if (this.#closed) return
    this.#restart = setTimeout(() => {
      this.#worker = this.#start()
    }, restartMs)
  }

  #fail(why: string): void {
    this.#failure = why
    const error = new ForebayError('UNAVAILABLE', `lineage store "${this.name}": ${why}`)
    for (const call of this.#calls.values()) call.reject(error)
    this.#calls.clear()
  }

  #receive(message: FromStore): void {
    if (message.type === 'offset') {
      this.#offset = message.offset
      this.#onProgress()
    } else if (message.type === 'state') this.#failure = message.failure
    else {
      const call = this.#calls.get(message.request)
      this.#calls.delete(message.request)
      if (message.error === undefined) call?.resolve(message.value)
      else call?.reject(fromErrorRecord(message.error))
    }
  }

  #call(name: StoreCallName): Promise<unknown> {
    const request = ++this.#request
    this.#post({ type: 'call', request, name })
    return new Promise((resolve, reject) => {
      this.#calls.set(request, { resolve, reject })
    })
  }

  #post(message: ToStore): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
    this.#worker.postMessage(message)
  }
}
