import { type ChildProcess, fork } from 'node:child_process'

/** How a child ended. */
export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/**
 * A forked process that is asked for one thing at a time. It is started when it is first asked, it may be killed at any
 * moment, and whoever waits then learns how it ended.
 */
export class Child<To, From extends { readonly type: string }> {
  readonly #entry: URL
  readonly #environment: Readonly<Record<string, string>>
  readonly #onIdleEnd: () => void
  #process: ChildProcess | undefined
  #ready: Promise<void> | undefined
  #isReady = false
  #waiting: { resolve(message: From): void; reject(exit: ChildExit): void } | undefined

  /** `onIdleEnd` is called when a process that was ready ends while nobody waits for it. */
  constructor(entry: URL, environment: Readonly<Record<string, string>> = {}, onIdleEnd: () => void = () => {}) {
    this.#entry = entry
    this.#environment = environment
    this.#onIdleEnd = onIdleEnd
  }

  get running(): boolean {
    return this.#process !== undefined
  }

  /** True between what it says when it has started and its end. */
  get isReady(): boolean {
    return this.#isReady
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Starts the process if it does not run; resolves when it has said that it is ready, rejects with how it ended. */
  start(): Promise<void> {
    this.#ready ??= this.#start()
    return this.#ready
  }

  /** Sends without waiting for an answer; only to a running process. */
  send(message: To): void {
    // A process that has just died cannot be told; its exit event follows.
    this.#process?.send(message as object, () => undefined)
  }

  /** Sends and waits for the next message; rejects with a ChildExit when the process ends instead. One at a time. */
  ask(message: To): Promise<From> {
    return new Promise((resolve, reject) => {
      // It may have ended since it was last looked at, and then no exit follows.
      if (this.#process === undefined) return reject({ code: null, signal: null })
      this.#waiting = { resolve, reject }
      this.send(message)
    })
  }

  /** Ends the process at once; resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#process
    if (child === undefined) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGKILL')
    await gone
  }

  #start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = fork(this.#entry, [], {
        serialization: 'advanced',
        env: { ...process.env, ...this.#environment },
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        execArgv: [],
      })
      this.#process = child
      this.#isReady = false
      child.on('message', (message) => {
        // What it said last may come after its end.
        if (this.#process !== child) return
        const from = message as From
        if (from.type === 'ready') {
          this.#isReady = true
          resolve()
        } else this.#settle()?.resolve(from)
      })
      const onEnd = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (this.#process !== child) return
        this.#process = undefined
        this.#ready = undefined
        const wasReady = this.#isReady
        this.#isReady = false
        const waiting = this.#settle()
        waiting?.reject({ code, signal })
        reject({ code, signal })
        if (wasReady && waiting === undefined) this.#onIdleEnd()
      }
      child.once('exit', onEnd)
      child.once('error', () => onEnd(null, null))
    })
  }

  #settle(): { resolve(message: From): void; reject(exit: ChildExit): void } | undefined {
    const waiting = this.#waiting
    this.#waiting = undefined
    return waiting
  }
}
