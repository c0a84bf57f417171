/** What a model of this kind is made of, as JSON. */
export interface LeastSquaresSnapshot {
  readonly weights: readonly number[]
  readonly covariance: readonly number[]
  readonly observed: number
  readonly reach: number
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
 * they overflow. One update costs reach², a prediction reach, where reach is one past the last regressor that was ever not 0:
 * places of a one-hot block that nobody has taken yet cost nothing.
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
  #reach = 0
  /** What divides the gain of the last update; 0 when that update taught nothing. */
  #divisor = 0

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
    for (let i = 0; i < this.#reach; i++) sum += (this.weights[i] as number) * (x[i] as number)
    return sum
  }

  /** Learns one observation; gives the error of the prediction before it, unclipped. */
  update(x: ArrayLike<number>, y: number): number {
    const { size } = this
    const covariance = this.#covariance
    const gain = this.#gain
    this.#divisor = 0
    this.#extend(x)
    const reach = this.#reach
    gain.fill(0)
    for (let j = 0; j < reach; j++) {
      const value = x[j] as number
      if (value === 0) continue
      // The matrix is symmetric: its row j is its column j, and rows are contiguous.
      const row = j * size
      for (let i = 0; i < reach; i++) gain[i] = (gain[i] as number) + (covariance[row + i] as number) * value
    }
    let spread = 0
    for (let i = 0; i < reach; i++) spread += (x[i] as number) * (gain[i] as number)
    const error = y - this.predict(x)
    // One value that is not a number would stay in the weights for ever.
    if (!Number.isFinite(error) || !Number.isFinite(spread)) return 0
    this.#divisor = this.#forgetting + spread
    this.#step(this.weights, error, this.#errorMax)
    this.#shrink(this.#divisor)
    this.observed++
    return error
  }

  /** Teaches other weights another target by the regressors of the last update: they share its gain, which is what costs. */
  learnAlso(weights: Float64Array, x: ArrayLike<number>, y: number, errorMax: number): void {
    let error = y
    for (let i = 0; i < this.#reach; i++) error -= (weights[i] as number) * (x[i] as number)
    if (this.#divisor > 0 && Number.isFinite(error)) this.#step(weights, error, errorMax)
  }

  #extend(x: ArrayLike<number>): void {
    for (let i = this.size - 1; i >= this.#reach; i--) if (x[i] !== 0) this.#reach = i + 1
  }

  #step(weights: Float64Array, error: number, errorMax: number): void {
    const step = Math.max(-errorMax, Math.min(errorMax, error)) / this.#divisor
    for (let i = 0; i < this.#reach; i++) weights[i] = (weights[i] as number) + (this.#gain[i] as number) * step
  }

  #shrink(divisor: number): void {
    const { size } = this
    const reach = this.#reach
    const covariance = this.#covariance
    const gain = this.#gain
    let trace = 0
    for (let i = 0; i < size; i++) trace += covariance[i * size + i] as number
    const growth = trace < this.#traceMax ? 1 / this.#forgetting : 1
    for (let i = 0; i < reach; i++) {
      const scaled = (gain[i] as number) / divisor
      const row = i * size
      for (let j = 0; j < reach; j++) {
        covariance[row + j] = ((covariance[row + j] as number) - scaled * (gain[j] as number)) * growth
      }
    }
  }

  snapshot(): LeastSquaresSnapshot {
    return { weights: [...this.weights], covariance: [...this.#covariance], observed: this.observed, reach: this.#reach }
  }

  restore(snapshot: LeastSquaresSnapshot): void {
    this.weights.set(snapshot.weights)
    this.#covariance.set(snapshot.covariance)
    this.observed = snapshot.observed
    this.#reach = snapshot.reach
  }
}
