import type { StoredSegment } from '../model/segment.js'

/** An answer that has gone out and may be stored. */
export interface GivenAnswer {
  readonly bytes: number
  /** What it took to compute, in milliseconds. */
  readonly wallMs: number
  readonly store: () => Promise<StoredSegment | undefined>
  /** Called once; without a segment where the answer is not kept. */
  readonly settle: (stored: StoredSegment | undefined) => void
}

export interface AnswerKeeperLimits {
  /** An answer that took so long is stored at once: that is worth more than what it keeps from others. */
  readonly slowMs: number
  /** The node counts as idle when it has had no task for so long. */
  readonly idleMs: number
  /** For how long an answer waits for that. */
  readonly patienceMs: number
  readonly bytesMax: number
}

const answerKeeperLimits: AnswerKeeperLimits = { slowMs: 100, idleMs: 20, patienceMs: 1_000, bytesMax: 16e6 }

/**
 * Decides when an answer that has gone out is stored as a segment. Storing takes about 5 ms of CPU, as much as many a question
 * takes to answer. So a quick answer waits until its node is idle, and is left out where that does not come.
 */
export class AnswerKeeper {
  readonly #isBusy: () => boolean
  readonly #limits: AnswerKeeperLimits
  #waiting: (GivenAnswer & { readonly givenAt: number })[] = []
  #bytes = 0
  #busyAt = performance.now()
  #timer: NodeJS.Timeout | undefined
  /** Answers are stored one after the other. */
  #storing = Promise.resolve()

  constructor(isBusy: () => boolean, limits: AnswerKeeperLimits = answerKeeperLimits) {
    this.#isBusy = isBusy
    this.#limits = limits
  }

  take(answer: GivenAnswer): void {
    if (answer.wallMs >= this.#limits.slowMs) {
      this.#store(answer)
      return
    }
    this.#waiting.push({ ...answer, givenAt: performance.now() })
    this.#bytes += answer.bytes
    while (this.#bytes > this.#limits.bytesMax) this.#next()?.settle(undefined)
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#look(), this.#limits.idleMs)
  }

  /** A task has begun or ended. */
  busy(): void {
    this.#busyAt = performance.now()
  }

  /** Stores whatever waits, and resolves when nothing does. */
  async flush(): Promise<void> {
    this.#storeAll()
    await this.#storing
  }

  #look(): void {
    const now = performance.now()
    const { idleMs, patienceMs } = this.#limits
    if (!this.#isBusy() && now - this.#busyAt >= idleMs) this.#storeAll()
    while ((this.#waiting[0]?.givenAt ?? now) < now - patienceMs) this.#next()?.settle(undefined)
    this.#timer = this.#waiting.length === 0 ? undefined : setTimeout(() => this.#look(), idleMs)
  }

  #storeAll(): void {
    for (let answer = this.#next(); answer !== undefined; answer = this.#next()) this.#store(answer)
  }

  #store(answer: GivenAnswer): void {
    this.#storing = this.#storing.then(async () => answer.settle(await answer.store().catch(() => undefined)))
  }

  #next(): GivenAnswer | undefined {
    const answer = this.#waiting.shift()
    this.#bytes -= answer?.bytes ?? 0
    return answer
  }
}
