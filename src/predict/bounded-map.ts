/**
 * A map that forgets what was used longest ago, so that models stay bounded whatever users send. Iteration goes from the
 * coldest entry to the hottest; a snapshot keeps that order.
 */
export class BoundedMap<V> {
  readonly #entries = new Map<string, V>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
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
    // Far from the limit nothing is forgotten soon, and moving an entry to the end costs more than all else here.
    if (2 * this.#entries.size > this.#limit) this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= this.#limit) return
    for (const coldest of this.#entries.keys()) {
      this.#entries.delete(coldest)
      return
    }
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
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
    this.#entries.clear()
    for (const [key, json] of rows) this.set(key, decode(json))
  }
}
