/** Quantiles of the last `limit` numbers: a ring of what came, and the same numbers sorted. O(limit) a number, O(1) a quantile. */
export class SlidingQuantiles {
  readonly #ring: Float64Array
  readonly #sorted: Float64Array
  #next = 0
  #count = 0

  constructor(limit: number) {
    this.#ring = new Float64Array(limit)
    this.#sorted = new Float64Array(limit)
  }

  get count(): number {
    return this.#count
  }

  add(value: number): void {
    const sorted = this.#sorted
    if (this.#count === this.#ring.length) {
      const gone = this.#place(this.#ring[this.#next] as number)
      sorted.copyWithin(gone, gone + 1, this.#count)
    } else this.#count++
    const place = this.#place(value, this.#count - 1)
    sorted.copyWithin(place + 1, place, this.#count - 1)
    sorted[place] = value
    this.#ring[this.#next] = value
    this.#next = (this.#next + 1) % this.#ring.length
  }

  /** sorted[floor(p·n)], clamped to the ends; undefined when empty. */
  quantile(p: number): number | undefined {
    if (this.#count === 0) return undefined
    return this.#sorted[Math.max(0, Math.min(this.#count - 1, Math.floor(p * this.#count)))]
  }

  /** The i-th smallest number, 0 ≤ i < count. */
  at(i: number): number {
    return this.#sorted[i] as number
  }

  /** How many numbers are smaller. */
  below(value: number): number {
    return this.#place(value)
  }

  /** First place whose number is not below `value`, among the first `count`. */
  #place(value: number, count = this.#count): number {
    let from = 0
    let to = count
    while (from < to) {
      const middle = (from + to) >> 1
      if ((this.#sorted[middle] as number) < value) from = middle + 1
      else to = middle
    }
    return from
  }

  /** Oldest first. */
  snapshot(): readonly number[] {
    const { length } = this.#ring
    const first = this.#count === length ? this.#next : 0
    return Array.from({ length: this.#count }, (_, i) => this.#ring[(first + i) % length] as number)
  }

  restore(values: readonly number[]): void {
    this.#next = 0
    this.#count = 0
    for (const value of values.slice(-this.#ring.length)) this.add(value)
  }
}
