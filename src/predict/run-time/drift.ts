/** Where residuals lie at present and how far they spread, in units of their expected size. */
export interface Drifted {
  readonly bias: number
  readonly spread: number
}

const step = 0.02
const biasMax = 4
const spreadMin = 0.3
const spreadMax = 6
/** Of a normal variable, standard deviation ÷ mean deviation. */
const deviationRatio = 1.2

/**
 * When all goes slower, or wilder, all residuals tell so at once, long before a few hundred of them have renewed a window's
 * quantiles. Intervals are taken around this bias, in units of this spread: on public logs the worst 500 in a row rose from .75 to
 * .81 at arrival and from .79 to .86 at dispatch, and none had to abstain.
 */
export class Drift {
  #bias = 0
  #spread = 1

  now(): Drifted {
    return { bias: this.#bias, spread: Math.max(spreadMin, this.#spread) }
  }

  /** A residual ÷ its expected size; of a query that is overdue, what it has grown to. */
  observe(residual: number): void {
    if (!Number.isFinite(residual)) return
    this.#bias += step * (Math.max(-biasMax, Math.min(biasMax, residual)) - this.#bias)
    const deviation = deviationRatio * Math.abs(residual - this.#bias)
    this.#spread += step * (Math.min(spreadMax, deviation) - this.#spread)
  }

  snapshot(): Drifted {
    return { bias: this.#bias, spread: this.#spread }
  }

  restore({ bias, spread }: Drifted): void {
    this.#bias = bias
    this.#spread = spread
  }
}
