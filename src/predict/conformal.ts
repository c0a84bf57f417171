import { SlidingQuantiles } from './sliding-quantiles.js'

/** Where a residual falls of some bounds. */
export function sideOf(residual: number, low: number, high: number): Side {
  return residual < low ? 'below' : residual > high ? 'above' : 'inside'
}

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
  /** How far each end has been moved outwards. */
  readonly below: number
  readonly above: number
}

export interface ConformalOptions {
  /** Residuals that the quantiles are taken from. */
  readonly window?: number
  readonly nominal?: number
  /** How far a miss moves its end. */
  readonly gain?: number
  /** Coverage of the last 200 below which it abstains. */
  readonly abstainBelow?: number
}

/** Where an outcome fell. */
export type Side = 'inside' | 'below' | 'above'

/**
 * Adaptive conformal intervals on log residuals: quantiles of the last residuals, plus an offset of each end that integrates
 * its misses (the quantile tracking of Angelopoulos, Candès and Tibshirani, Conformal PID Control, 2023), so that coverage holds
 * while the world drifts. Moving the level instead (Gibbs and Candès 2021) was tried: once it reaches the end of the window it
 * cannot widen any more, and the worst 500 in a row fell to .75. Coverage is measured on the intervals that were really given;
 * while it is far off, the interval abstains.
 */
export class ConformalInterval {
  readonly #residuals: SlidingQuantiles
  readonly #inside: number[] = []
  /** How far each end has been moved outwards. Each has its own: when all goes slower, only the upper end must move. */
  #below = 0
  #above = 0
  readonly #missTarget: number
  readonly #gain: number
  readonly #abstainBelow: number

  constructor(options: ConformalOptions = {}) {
    const { window = 500, nominal = 0.9, gain = 0.05, abstainBelow = 0.7 } = options
    this.#abstainBelow = abstainBelow
    this.#residuals = new SlidingQuantiles(window)
    this.#missTarget = (1 - nominal) / 2
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

  /** True before 20 outcomes, and while too few of the last intervals hold. */
  get abstains(): boolean {
    return this.#residuals.count < 20 || (this.measured >= 20 && this.coverage < this.#abstainBelow)
  }

  /**
   * `unfinished` holds what is known of residuals that are still growing: each will end up at its value or above. They enter as
   * censored observations (Kaplan and Meier), since the long ones are always the last to be seen.
   */
  bounds(unfinished: Float64Array = nothing): Bounds {
    const shares = [this.#missTarget, 1 - this.#missTarget, 0.9]
    const [low = -2, high = 2, p90 = 2] = this.#quantiles(shares, unfinished)
    // Few residuals cannot show their own tails: widen until there are enough of them.
    const slack = 1 / (1 + this.#residuals.count)
    return {
      low: Math.min(0, low - this.#below) - slack,
      high: Math.max(0, high + this.#above) + slack,
      p90: Math.max(0, p90) + slack,
      abstains: this.abstains,
    }
  }

  #quantiles(shares: readonly number[], unfinished: Float64Array): readonly (number | undefined)[] {
    if (unfinished.length === 0) return shares.map((share) => this.#residuals.quantile(share))
    return kaplanMeier(shares, this.#residuals, unfinished.sort())
  }

  /** An interval that is already known to be missed, before its outcome: moves the level at once. */
  missed(side: 'below' | 'above'): void {
    this.#judge(side)
  }

  /** The residual of an outcome whose miss was counted before. */
  learn(residual: number): void {
    if (Number.isFinite(residual)) this.#residuals.add(residual)
  }

  /** One outcome: its residual (divided by its scale), and where it fell of the interval that was given. */
  observe(residual: number, side: Side): void {
    if (!Number.isFinite(residual)) return
    this.#residuals.add(residual)
    this.#judge(side)
  }

  #judge(side: Side): void {
    this.#below = this.#moved(this.#below, side === 'below')
    this.#above = this.#moved(this.#above, side === 'above')
    this.#inside.push(side === 'inside' ? 1 : 0)
    if (this.#inside.length > 200) this.#inside.shift()
  }

  #moved(offset: number, missed: boolean): number {
    return Math.max(-offsetMax, Math.min(offsetMax, offset + this.#gain * ((missed ? 1 : 0) - this.#missTarget)))
  }

  snapshot(): ConformalSnapshot {
    return { residuals: this.#residuals.snapshot(), inside: [...this.#inside], below: this.#below, above: this.#above }
  }

  restore(snapshot: ConformalSnapshot): void {
    this.#residuals.restore(snapshot.residuals)
    this.#inside.splice(0, this.#inside.length, ...snapshot.inside)
    this.#below = snapshot.below
    this.#above = snapshot.above
  }
}

const nothing = new Float64Array(0)
const offsetMax = 6

/**
 * Quantiles by the product-limit estimator; `censored` is ascending. What no finished one reaches is the largest of all.
 * Between two censored values the product telescopes, so only they are walked through.
 */
function kaplanMeier(shares: readonly number[], finished: SlidingQuantiles, censored: Float64Array): readonly number[] {
  const { count } = finished
  const largest = Math.max(count === 0 ? 2 : finished.at(count - 1), censored[censored.length - 1] as number)
  const found: number[] = shares.map(() => largest)
  const open = new Set(shares.keys())
  let survival = 1
  let passed = 0
  for (let gone = 0; gone <= censored.length && passed < count; gone++) {
    const until = gone === censored.length ? count : finished.below(censored[gone] as number)
    if (until <= passed) continue
    const atRisk = count - passed + censored.length - gone
    for (const s of open) {
      // The first finished one at which 1 − survival exceeds the share.
      const place = passed + Math.floor(atRisk * (1 - (1 - (shares[s] as number)) / survival))
      if (place >= until) continue
      found[s] = finished.at(Math.max(passed, place))
      open.delete(s)
    }
    survival *= 1 - (until - passed) / atRisk
    passed = until
  }
  return found
}
