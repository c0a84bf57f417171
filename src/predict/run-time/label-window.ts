/**
 * The last labels that a refit learns from, packed into one array: as objects of their own, 4,000 rows of 44 numbers took three times the
 * room, and each was written anew for the thread that fits.
 */
export class LabelWindow {
  readonly #most: number
  /** Rows in places that are used in turn. */
  #x = new Float64Array()
  readonly #targets: Float64Array
  readonly #offsets: Float64Array
  #count = 0

  constructor(most: number) {
    this.#most = most
    this.#targets = new Float64Array(most)
    this.#offsets = new Float64Array(most)
  }

  /** Every row is as long as the first. */
  add(x: Float64Array, target: number, offset: number): void {
    if (this.#count === 0) this.#x = new Float64Array(this.#most * x.length)
    const place = this.#count++ % this.#most
    this.#x.set(x, place * x.length)
    this.#targets[place] = target
    this.#offsets[place] = offset
  }

  clear(): void {
    this.#count = 0
  }

  /** A copy, oldest first. */
  read(): { readonly rows: readonly Float64Array[]; readonly targets: Float64Array; readonly offsets: Float64Array } {
    const size = Math.min(this.#count, this.#most)
    const width = this.#x.length / this.#most
    const first = this.#count % size || 0
    const x = inOrder(this.#x.subarray(0, size * width), first * width)
    return {
      rows: Array.from({ length: size }, (_, i) => x.subarray(i * width, (i + 1) * width)),
      targets: inOrder(this.#targets.subarray(0, size), first),
      offsets: inOrder(this.#offsets.subarray(0, size), first),
    }
  }
}

/** A copy of a ring that begins at `first`. */
function inOrder(ring: Float64Array, first: number): Float64Array {
  const copy = new Float64Array(ring.length)
  copy.set(ring.subarray(first))
  copy.set(ring.subarray(0, first), ring.length - first)
  return copy
}
