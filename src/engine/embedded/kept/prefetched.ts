import type { Activity } from '../../../model/activity.js'

const keptMax = 50_000

/** Packs and answers that were made before anybody asked: each is counted once, as used at its first use or as wasted. */
export class Prefetched {
  readonly #bytes = new Map<string, number>()
  readonly #emit: (activity: Activity) => void

  constructor(emit: (activity: Activity) => void) {
    this.#emit = emit
  }

  /** Made ahead: a pack or a derived segment. */
  made(id: string, bytes: number): void {
    this.#bytes.set(id, bytes)
    for (const oldest of this.#bytes.keys()) {
      if (this.#bytes.size <= keptMax) break
      this.#bytes.delete(oldest)
    }
  }

  used(id: string): void {
    this.#settle(id, 'used')
  }

  /** Its bytes went away. */
  gone(id: string): void {
    this.#settle(id, 'wasted')
  }

  #settle(id: string, outcome: 'used' | 'wasted'): void {
    const bytes = this.#bytes.get(id)
    if (bytes === undefined) return
    this.#bytes.delete(id)
    this.#emit({ type: 'prefetch', outcome, bytes })
  }
}
