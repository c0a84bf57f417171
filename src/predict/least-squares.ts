/** What a model of this kind is made of, as JSON. */
export interface LeastSquaresSnapshot {
  readonly weights: readonly number[]
  readonly covariance: readonly number[]
  readonly observed: number
}

export interface LeastSquaresOptions {
  /** Weight of an observation one step older; 1 forgets nothing. */
  readonly forgetting?: number
  /** Initial variance of the weights; its inverse is the ridge penalty. */
  readonly variance?: number
  /** Errors beyond this teach no more than this, so that one outlier cannot turn the model. */
  readonly errorMax?: number
}

/**
 * Ridge regression by recursive least squares with exponential forgetting (Ljung, System Identification, ch. 11).
 * Forgetting pauses while the variance is far above its start: else directions that no observation touches wind up until
 * they overflow. One update costs size², a prediction size.
 */
export class RecursiveLeastSquares {
  readonly size: number
  readonly weights: Float64Array
  observed = 0
  readonly #covariance: Float64Array
  readonly #gain: Float64Array
  readonly #forgetting: number
  readonly #errorMax: number
  readonly #traceMax: number

  constructor(size: number, options: LeastSquaresOptions = {}) {
    const { forgetting = 0.999, variance = 10, errorMax = Number.POSITIVE_INFINITY } = options
    this.size = size
    this.weights = new Float64Array(size)
    this.#covariance = new Float64Array(size * size)
    this.#gain = new Float64Array(size)
    this.#forgetting = forgetting
    this.#errorMax = errorMax
    this.#traceMax = variance * size * 4
    for (let i = 0; i < size; i++) this.#covariance[i * size + i] = variance
  }

  predict(x: ArrayLike<number>): number {
    let sum = 0
    for (let i = 0; i < this.size; i++) sum += (this.weights[i] as number) * (x[i] as number)
    return sum
  }

  /** Learns one observation; gives the error of the prediction before it, unclipped. */
  update(x: ArrayLike<number>, y: number): number {
    const { size, weights } = this
    const covariance = this.#covariance
    const gain = this.#gain
    gain.fill(0)
    for (let j = 0; j < size; j++) {
      const value = x[j] as number
      if (value === 0) continue
      // The matrix is symmetric: its row j is its column j, and rows are contiguous.
      const row = j * size
      for (let i = 0; i < size; i++) gain[i] = (gain[i] as number) + (covariance[row + i] as number) * value
    }
    let spread = 0
    for (let i = 0; i < size; i++) spread += (x[i] as number) * (gain[i] as number)
    const error = y - this.predict(x)
    // One value that is not a number would stay in the weights for ever.
    if (!Number.isFinite(error) || !Number.isFinite(spread)) return 0
    const step = Math.max(-this.#errorMax, Math.min(this.#errorMax, error))
    const divisor = this.#forgetting + spread
    for (let i = 0; i < size; i++) weights[i] = (weights[i] as number) + ((gain[i] as number) / divisor) * step
    this.#shrink(divisor)
    this.observed++
    return error
  }

  #shrink(divisor: number): void {
    const { size } = this
    const covariance = this.#covariance
    const gain = this.#gain
    let trace = 0
    for (let i = 0; i < size; i++) trace += covariance[i * size + i] as number
    const growth = trace < this.#traceMax ? 1 / this.#forgetting : 1
    for (let i = 0; i < size; i++) {
      const scaled = (gain[i] as number) / divisor
      const row = i * size
      for (let j = 0; j < size; j++) {
        covariance[row + j] = ((covariance[row + j] as number) - scaled * (gain[j] as number)) * growth
      }
    }
  }

  snapshot(): LeastSquaresSnapshot {
    return { weights: [...this.weights], covariance: [...this.#covariance], observed: this.observed }
  }

  restore(snapshot: LeastSquaresSnapshot): void {
    this.weights.set(snapshot.weights)
    this.#covariance.set(snapshot.covariance)
    this.observed = snapshot.observed
  }
}
