import { BoundedMap } from '../predict/bounded-map.js'

/** Arrivals that the mean is taken over: enough to tell, few enough to notice a change. */
const arrivalsMax = 20
const templatesMax = 10_000

/**
 * What a query would have waited had nothing been made ready for it: the yardstick of measured benefit. Per template it is
 * the mean over arrivals that nothing was prepared for (held-out ones, and those that no forecast named), and before any
 * such arrival the wait that was predicted when the allocation was decided.
 */
export class ReferenceWait {
  readonly #unprepared = new BoundedMap<{ readonly mean: number; readonly count: number }>(templatesMax)

  /** A query came without anything prepared for it and waited so long, in milliseconds. */
  observe(key: string, waitMs: number): void {
    const known = this.#unprepared.peek(key) ?? { mean: 0, count: 0 }
    const count = Math.min(known.count + 1, arrivalsMax)
    this.#unprepared.set(key, { mean: known.mean + (waitMs - known.mean) / count, count })
  }

  of(key: string, predictedMs: number): number {
    return this.#unprepared.peek(key)?.mean ?? predictedMs
  }
}
