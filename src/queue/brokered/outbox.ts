/**
 * Messages on their way to a broker. Each is kept until the broker has confirmed it, and sent again when the connection was
 * lost before: the broker may then have it twice, and readers expect that. While there is no connection messages wait, up to a
 * limit that names itself.
 */
import { ForebayError } from '../../model/errors.js'
import type { Sending } from './broker.js'

export interface Outgoing {
  readonly stream: string
  readonly body: Buffer
  /** By which a shelf finds it again. */
  readonly key?: string
}

export interface OutboxOptions {
  /** Resolves when all of them are confirmed; a failure sends those again that were not told `confirmed`. */
  readonly transmit: (batch: readonly Outgoing[], confirmed: (index: number) => void) => Promise<void>
  /** All that is not confirmed, together. */
  readonly bytesMax?: number
  readonly batchMax?: number
  /** Of one batch, unless a single message is larger: brokers refuse what is too much at once, and would for ever. */
  readonly batchBytesMax?: number
  readonly retryMs?: number
}

interface Entry extends Outgoing {
  readonly resolve: () => void
  /** Confirmed or taken back. */
  over: boolean
}

export class Outbox {
  readonly #transmit: OutboxOptions['transmit']
  readonly #bytesMax: number
  readonly #batchMax: number
  readonly #batchBytesMax: number
  readonly #retryMs: number
  /** Sets, so that one that is taken back is let go of at once, however long the broker stays away. */
  #waiting = new Set<Entry>()
  readonly #sent = new Set<Entry>()
  #up = false
  #size = 0
  #bytes = 0
  /** Counts connections: an answer that belongs to an older one is not listened to. */
  #generation = 0
  #scheduled = false

  constructor(options: OutboxOptions) {
    this.#transmit = options.transmit
    this.#bytesMax = options.bytesMax ?? 256e6
    this.#batchMax = options.batchMax ?? 500
    this.#batchBytesMax = options.batchBytesMax ?? 4e6
    this.#retryMs = options.retryMs ?? 100
  }

  send(stream: string, body: Buffer, key?: string): Sending {
    if (this.#bytes + body.length > this.#bytesMax) {
      throw new ForebayError('QUEUE_FULL', `${this.#bytes} bytes wait for the queue's broker, which is the limit`, {
        hint: 'look whether the broker can be reached: forebay status',
      })
    }
    let resolve = (): void => {}
    const confirmed = new Promise<void>((settle) => {
      resolve = settle
    })
    const entry: Entry = { stream, body, resolve, over: false, ...(key === undefined ? {} : { key }) }
    this.#waiting.add(entry)
    this.#size++
    this.#bytes += body.length
    this.#schedule()
    return { confirmed, cancel: () => this.#end(entry) }
  }

  /** A connection stands: everything that is not confirmed goes out, oldest first. */
  connected(): void {
    this.disconnected()
    this.#up = true
    this.#schedule()
  }

  /** What was sent and not confirmed has to be sent again. */
  disconnected(): void {
    this.#up = false
    this.#generation++
    this.#waiting = new Set([...this.#sent, ...this.#waiting])
    this.#sent.clear()
  }

  /** Messages that are not confirmed. */
  get size(): number {
    return this.#size
  }

  #schedule(): void {
    if (this.#scheduled || !this.#up || this.#waiting.size === 0) return
    this.#scheduled = true
    // Messages of one turn share a batch.
    queueMicrotask(() => {
      this.#scheduled = false
      while (this.#up && this.#waiting.size > 0) void this.#sendBatch(this.#nextBatch())
    })
  }

  #nextBatch(): readonly Entry[] {
    const batch: Entry[] = []
    let bytes = 0
    for (const entry of this.#waiting) {
      bytes += entry.body.length
      if (batch.length === this.#batchMax || (batch.length > 0 && bytes > this.#batchBytesMax)) break
      batch.push(entry)
      this.#waiting.delete(entry)
      this.#sent.add(entry)
    }
    return batch
  }

  async #sendBatch(batch: readonly Entry[]): Promise<void> {
    const generation = this.#generation
    const confirmed = (index: number): void => {
      const entry = batch[index]
      if (entry === undefined) return
      this.#end(entry)
      entry.resolve()
    }
    try {
      await this.#transmit(batch, confirmed)
      for (const index of batch.keys()) confirmed(index)
    } catch {
      if (generation !== this.#generation) return
      // Refused, or a connection that is about to be found lost: again, but not at once.
      const again = batch.filter((entry) => this.#sent.delete(entry))
      setTimeout(() => {
        this.#waiting = new Set([...again.filter((entry) => !entry.over), ...this.#waiting])
        this.#schedule()
      }, this.#retryMs)
    }
  }

  #end(entry: Entry): void {
    if (entry.over) return
    entry.over = true
    this.#waiting.delete(entry)
    this.#sent.delete(entry)
    this.#size--
    this.#bytes -= entry.body.length
  }
}
