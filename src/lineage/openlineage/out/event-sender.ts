import { underEither } from '../../../model/under-either.js'

/** Where events go, as JSON. `send` rejects with a `TransportError`; whether it is worth another try is its to say. */
export interface Transport {
  send(event: string, signal: AbortSignal): Promise<void>
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

/** Characters of events kept while the receiver is away: those of wide tables have hundreds of thousands each. */
const charactersMax = 64 << 20
const retryMsMin = 200
const retryMsMax = 30_000
/** The same trouble is reported once in so long. */
const complainEveryMs = 60_000

/** Sends events one after the other, in order, from a bounded buffer. Whoever offers one never waits. */
export class EventSender {
  readonly #options: SenderOptions
  readonly #closing = new AbortController()
  readonly #waiting: string[] = []
  #characters = 0
  #sent = 0
  #dropped = 0
  #complainedAt = Number.NEGATIVE_INFINITY
  /** Whether the transport has the first event: it is not dropped any more. */
  #isUnderWay = false
  #running: Promise<void> | undefined
  #wake: () => void = () => {}

  constructor(options: SenderOptions) {
    this.#options = options
  }

  offer(event: object): void {
    const text = JSON.stringify(event)
    this.#characters += text.length
    this.#waiting.push(text)
    const oldest = this.#isUnderWay ? 1 : 0
    while (this.#waiting.length > oldest && this.#isFull()) this.#drop(oldest)
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

  #isFull(): boolean {
    return this.#waiting.length > this.#options.bufferMax || this.#characters > charactersMax
  }

  #remove(place: number): void {
    this.#characters -= this.#waiting.splice(place, 1)[0]?.length ?? 0
  }

  #drop(place: number): void {
    this.#remove(place)
    this.#dropped++
  }

  async #run(): Promise<void> {
    let retryMs = retryMsMin
    for (let event = this.#waiting[0]; event !== undefined && !this.#closing.signal.aborted; event = this.#waiting[0]) {
      this.#isUnderWay = true
      try {
        const limit = AbortSignal.timeout(this.#options.timeoutMs)
        await underEither([this.#closing.signal, limit], (signal) => this.#options.transport.send(event, signal))
        this.#isUnderWay = false
        this.#sent++
        this.#remove(0)
        retryMs = retryMsMin
      } catch (error) {
        this.#isUnderWay = false
        this.#complain(error)
        if (error instanceof TransportError && !error.retriable) {
          this.#drop(0)
          continue
        }
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
