/** Gives names places in a one-hot block, first come first served; once full, names share places by hash. Bounded. */
export class Slots {
  readonly size: number
  readonly #places = new Map<string, number>()

  constructor(size: number) {
    this.size = size
  }

  /** The place of a name, or undefined when it was never seen. */
  peek(name: string): number | undefined {
    return this.#places.get(name) ?? (this.#places.size < this.size ? undefined : this.#hash(name))
  }

  /** The place of a name, taken if there is a free one. */
  take(name: string): number {
    const found = this.#places.get(name)
    if (found !== undefined) return found
    if (this.#places.size >= this.size) return this.#hash(name)
    const place = this.#places.size
    this.#places.set(name, place)
    return place
  }

  #hash(name: string): number {
    let hash = 0x811c9dc5
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
    return (hash >>> 0) % this.size
  }

  /** Names in the order of their places. */
  snapshot(): readonly string[] {
    return [...this.#places.keys()]
  }

  restore(names: readonly string[]): void {
    this.#places.clear()
    for (const name of names.slice(0, this.size)) this.#places.set(name, this.#places.size)
  }
}
