/**
 * What a query would have waited had nothing been made ready for it: the yardstick of measured benefit. Per template it is
 * the mean over arrivals that nothing was prepared for (held-out ones, and those that no forecast named), and before any
 * such arrival the wait that was predicted when the allocation was decided.
 */
export class ReferenceWait {
  readonly #unprepared = new Map<string, { mean: number; count: number }>()

  /** A query came without anything prepared for it and waited so long, in milliseconds. */
  observe(key: string, waitMs: number): void {
    const known = this.#unprepared.get(key) ?? { mean: 0, count: 0 }
    const count = Math.min(known.count + 1, 20)
    this.#unprepared.set(key, { mean: known.mean + (waitMs - known.mean) / count, count })
    if (this.#unprepared.size > 10_000) {
      for (const oldest of this.#unprepared.keys()) {
        this.#unprepared.delete(oldest)
        break
      }
    }
  }

  of(key: string, predictedMs: number): number {
    return this.#unprepared.get(key)?.mean ?? predictedMs
  }
}
