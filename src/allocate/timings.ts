import { BoundedMap } from '../predict/bounded-map.js'

interface Timing {
  readonly mean: number
  readonly deviation: number
}

/** Templates have names of their own. */
const namesMax = 5000

/** Learned durations, by name: an exponential mean and a mean deviation, as TCP estimates round trips (RFC 6298). */
export class Timings {
  readonly #known = new BoundedMap<Timing>(namesMax)

  observe(name: string, ms: number): void {
    const known = this.#known.peek(name)
    this.#known.set(name, known === undefined ? { mean: ms, deviation: ms / 2 } : after(known, ms))
  }

  /** Expected milliseconds, or the fallback before anything was seen. */
  mean(name: string, fallback: number): number {
    return this.#known.peek(name)?.mean ?? fallback
  }

  /** Milliseconds that are enough nearly always. */
  upper(name: string, fallback: number): number {
    const known = this.#known.peek(name)
    return known === undefined ? fallback * 2 : known.mean + 4 * known.deviation
  }

  snapshot(): readonly (readonly [string, number, number])[] {
    return [...this.#known.entries()].map(([name, { mean, deviation }]) => [name, mean, deviation] as const)
  }

  restore(entries: readonly (readonly [string, number, number])[]): void {
    for (const [name, mean, deviation] of entries) this.#known.set(name, { mean, deviation })
  }
}

function after({ mean, deviation }: Timing, ms: number): Timing {
  return { mean: mean + (ms - mean) / 8, deviation: deviation + (Math.abs(ms - mean) - deviation) / 4 }
}
