/** What the values of a map may weigh together; the weight of a value must not change while it is in the map. */
interface WeightLimit<V> {
  readonly of: (value: V) => number
  readonly max: number
}

/**
 * A map that forgets what was used longest ago, so that models stay bounded whatever users send. Iteration goes from the
 * coldest entry to the hottest; a snapshot keeps that order.
 */
export class BoundedMap<V> {
  readonly #entries = new Map<string, V>()
  readonly #limit: number
  readonly #weight: WeightLimit<V> | undefined
  #held = 0

  constructor(limit: number, weight?: WeightLimit<V>) {
    this.#limit = limit
    this.#weight = weight
  }

  get size(): number {
    return this.#entries.size
  }

  /** Looks up without touching the order, so that a prediction changes nothing. */
  peek(key: string): V | undefined {
    return this.#entries.get(key)
  }

  /** The entry of a key, made if absent, and now the hottest. */
  touch(key: string, make: () => V): V {
    const found = this.#entries.get(key)
    const value = found === undefined ? make() : found
    this.set(key, value)
    return value
  }

  set(key: string, value: V): void {
    this.#unload(key)
    // Far from the limits nothing is forgotten soon, and moving an entry to the end costs more than all else here.
    if (this.#fills(0.5)) this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#weight !== undefined) this.#held += this.#weight.of(value)
    if (!this.#fills(1)) return
    for (const coldest of this.#entries.keys()) {
      this.delete(coldest)
      if (!this.#fills(1)) return
    }
  }

  #fills(share: number): boolean {
    return this.#entries.size > share * this.#limit || (this.#weight !== undefined && this.#held > share * this.#weight.max)
  }

  #unload(key: string): void {
    const value = this.#weight === undefined ? undefined : this.#entries.get(key)
    if (value !== undefined) this.#held -= this.#weight?.of(value) ?? 0
  }

  delete(key: string): void {
    this.#unload(key)
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
    this.#held = 0
  }

  entries(): IterableIterator<[string, V]> {
    return this.#entries.entries()
  }

  values(): IterableIterator<V> {
    return this.#entries.values()
  }

  snapshot<J>(encode: (value: V) => J): readonly (readonly [string, J])[] {
    return [...this.#entries].map(([key, value]) => [key, encode(value)] as const)
  }

  restore<J>(rows: readonly (readonly [string, J])[], decode: (json: J) => V): void {
    this.clear()
    for (const [key, json] of rows) this.set(key, decode(json))
  }
}
