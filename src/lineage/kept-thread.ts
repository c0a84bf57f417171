import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { type ErrorRecord, ForebayError, fromErrorRecord } from '../model/errors.js'

/** What a thread says first, whatever else it says. */
export type Opening = { readonly type: 'opened' } | { readonly type: 'not-opened'; readonly error: ErrorRecord }

export interface KeptThreadOptions {
  readonly start: () => Worker
  /** For messages: "the lineage reader". */
  readonly name: string
}

/** Pause before a thread that has died is started again. */
const restartMs = 1_000

/**
 * A thread that is started again when it dies. It ends by itself when it is told to close: ended from outside, it could be in the
 * middle of a statement, which takes the process with it.
 */
export class KeptThread<To, From> {
  readonly #options: KeptThreadOptions
  #worker: Worker
  #restart: NodeJS.Timeout | undefined
  #failure: ForebayError | undefined
  #closing = false
  #receive: (message: Exclude<From, Opening>) => void = () => {}
  #onFailure: (failure: ForebayError) => void = () => {}
  #onReturn: () => void = () => {}

  private constructor(worker: Worker, options: KeptThreadOptions) {
    this.#options = options
    this.#worker = this.#listen(worker)
  }

  /** Resolves when the thread has opened what it works on; rejects with what was in the way. */
  static async open<To, From>(options: KeptThreadOptions): Promise<KeptThread<To, From>> {
    const worker = options.start()
    const [first] = (await once(worker, 'message')) as [Opening]
    if (first.type === 'not-opened') {
      await worker.terminate()
      throw fromErrorRecord(first.error)
    }
    return new KeptThread<To, From>(worker, options)
  }

  /** `onFailure` is called once for each death, with what everybody who waits is to be told, and `onReturn` when another one is there. */
  listen(
    receive: (message: Exclude<From, Opening>) => void,
    onFailure: (failure: ForebayError) => void,
    onReturn: () => void = () => {},
  ): void {
    this.#receive = receive
    this.#onFailure = onFailure
    this.#onReturn = onReturn
  }

  /** Why nothing is taken now: it has died and another one is not there yet. */
  get failure(): ForebayError | undefined {
    return this.#failure
  }

  post(message: To): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
    this.#worker.postMessage(message)
  }

  /** Tells it to close, also one that is just being started again; resolves when it has ended. Rejects when it dies over that. */
  async close(message: To): Promise<void> {
    this.#closing = true
    clearTimeout(this.#restart)
    if (this.#worker.threadId === -1) return
    const before = this.#failure
    const exited = new Promise((resolve) => this.#worker.once('exit', resolve))
    this.post(message)
    await exited
    if (before === undefined && this.#failure !== undefined) throw this.#failure
  }

  #listen(worker: Worker): Worker {
    worker.on('message', (message: Opening | Exclude<From, Opening>) => {
      const { type, error } = message as { readonly type: string; readonly error: ErrorRecord }
      if (type === 'opened') this.#returned()
      else if (type === 'not-opened') this.#failure = this.#failed(fromErrorRecord(error))
      else this.#receive(message as Exclude<From, Opening>)
    })
    worker.on('error', (error) => this.#fail(error))
    worker.on('exit', (code) => {
      if (this.#closing) return
      this.#fail(new Error(`its thread ended with code ${code}`))
      // Its files are let go of only now.
      this.#restart = setTimeout(() => {
        this.#worker = this.#listen(this.#options.start())
      }, restartMs)
    })
    return worker
  }

  #returned(): void {
    this.#failure = undefined
    this.#onReturn()
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = this.#failed(error)
    this.#onFailure(this.#failure)
  }

  #failed(error: Error): ForebayError {
    return new ForebayError('UNAVAILABLE', `${this.#options.name} has failed: ${error.message}`, { cause: error })
  }
}
