import type { TaskEvent } from '../model/lineage-event.js'

/** How the outbox gathers and what it may hold. */
export interface OutboxLimits {
  readonly eventsPerBatch: number
  readonly delayMs: number
  /** Events that may wait for their acknowledgement; above it the node takes no new task (see `isFull`). */
  readonly eventsMax: number
}

const outboxLimits: OutboxLimits = { eventsPerBatch: 64, delayMs: 20, eventsMax: 20_000 }

/**
 * Lineage events on their way to the recorder: sent in batches, kept until acknowledged. Nothing is ever dropped; when the
 * recorder is so far behind that the limit is reached, the node refuses tasks instead.
 */
export class LineageOutbox {
  readonly #send: (batch: number, events: readonly TaskEvent[]) => void
  readonly #limits: OutboxLimits
  readonly #sent = new Map<number, readonly TaskEvent[]>()
  #gathering: TaskEvent[] = []
  #timer: NodeJS.Timeout | undefined
  #batch = 0
  #held = 0
  #whenEmpty: (() => void)[] = []

  constructor(send: (batch: number, events: readonly TaskEvent[]) => void, limits: OutboxLimits = outboxLimits) {
    this.#send = send
    this.#limits = limits
  }

  /** Takes an event; it leaves with the next batch. */
  add(event: TaskEvent): void {
    this.#gathering.push(event)
    this.#held++
    if (this.#gathering.length >= this.#limits.eventsPerBatch) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), this.#limits.delayMs)
  }

  /** Sends what has gathered. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#gathering.length === 0) return
    const events = this.#gathering
    this.#gathering = []
    this.#sent.set(++this.#batch, events)
    this.#send(this.#batch, events)
  }

  /** Forgets a batch that the recorder has made durable. */
  acknowledge(batch: number): void {
    this.#held -= this.#sent.get(batch)?.length ?? 0
    this.#sent.delete(batch)
    if (this.#held > 0) return
    for (const resolve of this.#whenEmpty.splice(0)) resolve()
  }

  /** Resolves when every event taken so far, and those taken meanwhile, have been acknowledged. */
  async drained(): Promise<void> {
    this.flush()
    if (this.#held > 0) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve))
  }

  /** Events not acknowledged yet. */
  get held(): number {
    return this.#held
  }

  get isFull(): boolean {
    return this.#held >= this.#limits.eventsMax
  }
}
