import { SlidingQuantiles } from './sliding-quantiles.js'

/** Bounds to be added to a log prediction (after multiplying by its scale). */
export interface Bounds {
  readonly low: number
  readonly high: number
  /** Ninetieth percentile of the residuals. */
  readonly p90: number
  readonly abstains: boolean
}

export interface ConformalSnapshot {
  readonly residuals: readonly number[]
  readonly inside: readonly number[]
  readonly level: number
}

/**
 * Adaptive conformal intervals on log residuals (Gibbs and Candès, Adaptive Conformal Inference, 2021): quantiles of the last
 * residuals at a level that moves with every hit and miss, so that coverage holds while the world drifts. Coverage is measured
 * on the intervals that were really given; while it is far off, the interval abstains.
 */
export class ConformalInterval {
  readonly #residuals: SlidingQuantiles
  readonly #inside: number[] = []
  /** Share left outside, in total; 1 − nominal when all is calm. */
  #level: number
  readonly #missTarget: number
  readonly #gain: number

  constructor(options: { readonly window?: number; readonly nominal?: number; readonly gain?: number } = {}) {
    const { window = 500, nominal = 0.9, gain = 0.02 } = options
    this.#residuals = new SlidingQuantiles(window)
    this.#missTarget = 1 - nominal
    this.#level = this.#missTarget
    this.#gain = gain
  }

  get measured(): number {
    return this.#inside.length
  }

  /** Share of the last intervals that held; 0 before anything was measured. */
  get coverage(): number {
    const { length } = this.#inside
    return length === 0 ? 0 : this.#inside.reduce((sum, hit) => sum + hit, 0) / length
  }

  /** True before 20 outcomes, and while fewer than 75 % of the last intervals hold. */
  get abstains(): boolean {
    return this.#residuals.count < 20 || (this.measured >= 20 && this.coverage < 0.75)
  }

  bounds(): Bounds {
    const half = Math.max(0.002, Math.min(0.5, this.#level)) / 2
    const low = this.#residuals.quantile(half) ?? -2
    const high = this.#residuals.quantile(1 - half) ?? 2
    // Few residuals cannot show their own tails: widen until there are enough of them.
    const slack = 1 / (1 + this.#residuals.count)
    return {
      low: Math.min(0, low) - slack,
      high: Math.max(0, high) + slack,
      p90: Math.max(0, this.#residuals.quantile(0.9) ?? 2) + slack,
      abstains: this.abstains,
    }
  }

  /** One outcome: its residual (divided by its scale), and whether the interval given for it held. */
  observe(residual: number, inside: boolean): void {
    if (!Number.isFinite(residual)) return
    this.#level = Math.max(0.002, Math.min(0.5, this.#level + this.#gain * (this.#missTarget - (inside ? 0 : 1))))
    this.#residuals.add(residual)
    this.#inside.push(inside ? 1 : 0)
    if (this.#inside.length > 200) this.#inside.shift()
  }

  snapshot(): ConformalSnapshot {
    return { residuals: this.#residuals.snapshot(), inside: [...this.#inside], level: this.#level }
  }

  restore(snapshot: ConformalSnapshot): void {
    this.#residuals.restore(snapshot.residuals)
    this.#inside.splice(0, this.#inside.length, ...snapshot.inside)
    this.#level = snapshot.level
  }
}
