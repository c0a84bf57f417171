/** Learned durations, by name: an exponential mean and a mean deviation, as TCP estimates round trips (RFC 6298). */
export class Timings {
  readonly #known = new Map<string, { mean: number; deviation: number }>()

  observe(name: string, ms: number): void {
    const known = this.#known.get(name)
    if (known === undefined) {
      this.#known.set(name, { mean: ms, deviation: ms / 2 })
      return
    }
    known.deviation += (Math.abs(ms - known.mean) - known.deviation) / 4
    known.mean += (ms - known.mean) / 8
  }

  /** Expected milliseconds, or the fallback before anything was seen. */
  mean(name: string, fallback: number): number {
    return this.#known.get(name)?.mean ?? fallback
  }

  /** Milliseconds that are enough nearly always. */
  upper(name: string, fallback: number): number {
    const known = this.#known.get(name)
    return known === undefined ? fallback * 2 : known.mean + 4 * known.deviation
  }

  snapshot(): readonly (readonly [string, number, number])[] {
    return [...this.#known].map(([name, { mean, deviation }]) => [name, mean, deviation] as const)
  }

  restore(entries: readonly (readonly [string, number, number])[]): void {
    for (const [name, mean, deviation] of entries) this.#known.set(name, { mean, deviation })
  }
}
