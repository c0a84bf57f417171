import { underEither } from '../../../model/under-either.js'

/** Where events go. `send` rejects with a `TransportError`; whether it is worth another try is its to say. */
export interface Transport {
  send(event: object, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** A transport that did not take an event. */
export class TransportError extends Error {
  readonly retriable: boolean

  constructor(message: string, retriable: boolean, cause?: unknown) {
    super(message, { cause })
    this.retriable = retriable
  }
}

export interface SenderOptions {
  readonly transport: Transport
  /** Events kept while the receiver is away; the oldest go when there are more. */
  readonly bufferMax: number
  readonly timeoutMs: number
  readonly onError: (error: unknown) => void
}

export interface SenderStats {
  readonly sent: number
  readonly dropped: number
  readonly waiting: number
}

const retryMsMin = 200
const retryMsMax = 30_000
/** The same trouble is reported once in so long. */
const complainEveryMs = 60_000

/** Sends events one after the other, in order, from a bounded buffer. Whoever offers one never waits. */
export class EventSender {
  readonly #options: SenderOptions
  readonly #closing = new AbortController()
  #waiting: object[] = []
  #sent = 0
  #dropped = 0
  #complainedAt = Number.NEGATIVE_INFINITY
  /** The event that the transport has: it is not dropped any more. */
  #underWay: object | undefined
  #running: Promise<void> | undefined
  #wake: () => void = () => {}

  constructor(options: SenderOptions) {
    this.#options = options
  }

  offer(event: object): void {
    this.#waiting.push(event)
    if (this.#waiting.length > this.#options.bufferMax) {
      this.#waiting.splice(this.#waiting[0] === this.#underWay ? 1 : 0, 1)
      this.#dropped++
    }
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  stats(): SenderStats {
    return { sent: this.#sent, dropped: this.#dropped, waiting: this.#waiting.length }
  }

  /** Gives what waits so long to leave, then ends. */
  async close(patienceMs: number): Promise<void> {
    const timer = setTimeout(() => this.#end(), patienceMs)
    await this.#running
    clearTimeout(timer)
    this.#end()
    await this.#options.transport.close()
  }

  #end(): void {
    this.#closing.abort(new Error('the sender closes'))
    this.#wake()
  }

  async #run(): Promise<void> {
    let retryMs = retryMsMin
    for (let event = this.#waiting[0]; event !== undefined && !this.#closing.signal.aborted; event = this.#waiting[0]) {
      this.#underWay = event
      try {
        const limit = AbortSignal.timeout(this.#options.timeoutMs)
        await underEither([this.#closing.signal, limit], (signal) => this.#options.transport.send(event, signal))
        this.#sent++
        this.#waiting.shift()
        retryMs = retryMsMin
      } catch (error) {
        this.#complain(error)
        if (error instanceof TransportError && !error.retriable) {
          this.#dropped++
          this.#waiting.shift()
          continue
        }
        this.#underWay = undefined
        await this.#sleep(retryMs)
        retryMs = Math.min(retryMs * 2, retryMsMax)
      }
    }
  }

  #complain(error: unknown): void {
    const now = performance.now()
    if (now - this.#complainedAt < complainEveryMs || this.#closing.signal.aborted) return
    this.#complainedAt = now
    this.#options.onError(error)
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
