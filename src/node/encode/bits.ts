/** A growing bitmap, least significant bit first, as both DuckDB and Arrow have it. */
export class Bits {
  #bytes = new Uint8Array(1024)
  length = 0
  /** Bits that are 0. */
  zeros = 0

  push(bit: boolean): void {
    const at = this.length++ >> 3
    if (at >= this.#bytes.length) this.#grow(at + 1)
    if (bit) this.#bytes[at] = (this.#bytes[at] ?? 0) | (1 << ((this.length - 1) & 7))
    else this.zeros++
  }

  /** Appends the bits [from, to) of a bitmap; without one they are all 1. */
  append(source: Uint8Array | undefined, from: number, to: number): void {
    if (source !== undefined || ((this.length | (to - from)) & 7) !== 0) {
      for (let row = from; row < to; row++) this.push(source === undefined || ((source[row >> 3] ?? 0) & (1 << (row & 7))) !== 0)
      return
    }
    const start = this.length >> 3
    const end = (this.length + to - from) >> 3
    if (end > this.#bytes.length) this.#grow(end)
    this.#bytes.fill(255, start, end)
    this.length += to - from
  }

  /** The bitmap so far; the next one starts empty. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, (this.length + 7) >> 3)
    this.#bytes.fill(0)
    this.length = 0
    this.zeros = 0
    return taken
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
    grown.set(this.#bytes)
    this.#bytes = grown
  }
}
