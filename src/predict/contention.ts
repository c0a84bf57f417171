/** What is known of how queries in flight stretch each other: decayed sums over (load, stretch). */
export interface ContentionSnapshot {
  readonly weight: number
  readonly load: number
  readonly stretch: number
  readonly products: number
  readonly squares: number
}

/** Weight of an observation one step older, and the strength of the first guess. */
const forgetting = 0.998
const guess = { exponent: 0.3, strength: 2 }

/**
 * Contention as a factor of wall time, kept apart from what the query itself needs: wall = alone × (1 + in flight)^exponent.
 * The exponent is the slope of a decayed regression with an intercept, since whatever estimates the time alone has taken up
 * the average stretch; it is held between 0 (enough cores) and 1 (strict turns).
 */
export class Contention {
  #sums: ContentionSnapshot = { weight: 0, load: 0, stretch: 0, products: 0, squares: 0 }

  get exponent(): number {
    const { weight, load, stretch, products, squares } = this.#sums
    if (weight === 0) return guess.exponent
    const covariance = products - (load * stretch) / weight
    const variance = squares - (load * load) / weight
    return Math.max(0, Math.min(1, (covariance + guess.exponent * guess.strength) / (variance + guess.strength)))
  }

  /** Logarithm of the factor; `load` is log1p of the queries in flight. */
  logFactor(load: number): number {
    return this.exponent * load
  }

  /** `stretch` is the logarithm of the wall time ÷ the wall time expected alone. */
  observe(load: number, stretch: number): void {
    const clipped = Math.max(-2, Math.min(3, stretch))
    const old = this.#sums
    this.#sums = {
      weight: forgetting * old.weight + 1,
      load: forgetting * old.load + load,
      stretch: forgetting * old.stretch + clipped,
      products: forgetting * old.products + load * clipped,
      squares: forgetting * old.squares + load * load,
    }
  }

  snapshot(): ContentionSnapshot {
    return this.#sums
  }

  restore(snapshot: ContentionSnapshot): void {
    this.#sums = snapshot
  }
}
