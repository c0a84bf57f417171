export type RecentSnapshot = readonly (readonly [number, number])[]

/** Nobody asks for more of the past. */
const lookBackMs = 300_000

/** The last events by time, each with an amount: how many since a moment, and how much. Bounded; times must not decrease. */
export class Recent {
  readonly #limit: number
  #times: number[] = []
  /** Running sums, so that a span's amount is one subtraction. */
  #sums: number[] = []
  #sum = 0
  #dropped = 0

  constructor(limit = 4000) {
    this.#limit = limit
  }

  get last(): number | undefined {
    return this.#times.at(-1)
  }

  add(at: number, amount = 0): void {
    this.#sum += amount
    this.#times.push(at)
    this.#sums.push(this.#sum)
    if (this.#times.length < 2 * this.#limit) return
    this.#dropped = this.#sums[this.#sums.length - this.#limit - 1] as number
    this.#times = this.#times.slice(-this.#limit)
    this.#sums = this.#sums.slice(-this.#limit)
  }

  /** How many since `from`. */
  since(from: number): number {
    return this.#times.length - this.#first(from)
  }

  /** Their amounts. What was dropped from a full ring counts as never been. */
  amountSince(from: number): number {
    const first = this.#first(from)
    return this.#sum - (first === 0 ? this.#dropped : (this.#sums[first - 1] as number))
  }

  #first(from: number): number {
    let low = 0
    let high = this.#times.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#times[middle] as number) < from) low = middle + 1
      else high = middle
    }
    return low
  }

  /** All that the next prediction looks back on, and the last event in any case. */
  snapshot(): RecentSnapshot {
    const rows = this.#times.map((at, i) => [at, (this.#sums[i] as number) - (this.#sums[i - 1] ?? this.#dropped)] as const)
    const from = this.#first((this.last ?? 0) - lookBackMs)
    return rows.slice(from)
  }

  restore(rows: RecentSnapshot): void {
    this.#times = []
    this.#sums = []
    this.#sum = 0
    this.#dropped = 0
    for (const [at, amount] of rows) this.add(at, amount)
  }
}
