/** Recent error of one expert. */
export interface ExpertRecord {
  readonly error: number
  readonly count: number
}

/** An expert's opinion in logs; absent experts have none. */
export type Opinions = Readonly<Record<string, number | undefined>>

/** Sharpness of the preference for lower error, and the step of the error's average: both measured on public logs. */
const sharpness = 8
const stepMin = 0.02
/** An expert without a record is taken to be this far off (a factor of 2.7). */
const unknownError = 1

/** Mixes experts by their measured recent error: weights exp(−8 · mean absolute log error). */
export class Blend {
  readonly #records = new Map<string, ExpertRecord>()

  /** Weighted mean, or undefined when no expert has an opinion. */
  mix(opinions: Opinions): number | undefined {
    let sum = 0
    let total = 0
    for (const name in opinions) {
      const opinion = opinions[name]
      if (opinion === undefined) continue
      const weight = Math.exp(-sharpness * (this.#records.get(name)?.error ?? unknownError))
      sum += weight * opinion
      total += weight
    }
    if (total > 0) return sum / total
    // All of them were so far off that their weights vanish: their differences still tell.
    const weights = Object.entries(this.weights(opinions))
    return weights.length === 0
      ? undefined
      : weights.reduce((mean, [name, weight]) => mean + weight * (opinions[name] as number), 0)
  }

  /** Weight of each expert that has an opinion; they sum to 1. */
  weights(opinions: Opinions): Readonly<Record<string, number>> {
    const errors = Object.keys(opinions)
      .filter((name) => opinions[name] !== undefined)
      .map((name) => [name, this.#records.get(name)?.error ?? unknownError] as const)
    const least = Math.min(...errors.map(([, error]) => error))
    const raw = errors.map(([name, error]) => [name, Math.exp(-sharpness * (error - least))] as const)
    const total = raw.reduce((sum, [, weight]) => sum + weight, 0)
    return Object.fromEntries(raw.map(([name, weight]) => [name, weight / total]))
  }

  record(name: string): ExpertRecord | undefined {
    return this.#records.get(name)
  }

  observe(opinions: Opinions, actual: number): void {
    for (const [name, opinion] of Object.entries(opinions)) {
      if (opinion === undefined) continue
      const { error, count } = this.#records.get(name) ?? { error: 0, count: 0 }
      const step = Math.max(stepMin, 1 / (count + 1))
      this.#records.set(name, { error: error + step * (Math.abs(opinion - actual) - error), count: count + 1 })
    }
  }

  snapshot(): Readonly<Record<string, ExpertRecord>> {
    return Object.fromEntries(this.#records)
  }

  restore(snapshot: Readonly<Record<string, ExpertRecord>>): void {
    this.#records.clear()
    for (const [name, record] of Object.entries(snapshot)) this.#records.set(name, record)
  }
}
