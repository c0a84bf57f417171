/** Bytes that grow at the end. Numbers are written digit by digit: no string is made for them. */
export class ByteWriter {
  bytes: Buffer
  length = 0

  constructor(capacity = 1 << 16) {
    this.bytes = Buffer.allocUnsafeSlow(capacity)
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }

  byte(value: number): void {
    this.reserve(1)
    this.bytes[this.length++] = value
  }

  /** Text of which every character is ASCII. */
  ascii(text: string): void {
    this.reserve(text.length)
    for (let at = 0; at < text.length; at++) this.bytes[this.length++] = text.charCodeAt(at)
  }

  text(text: string): void {
    this.reserve(text.length * 3)
    this.length += this.bytes.write(text, this.length, 'utf8')
  }

  /** Bytes [from, to) of another array. */
  raw(source: Uint8Array, from: number, to: number): void {
    const count = to - from
    this.reserve(count)
    if (count > 64) this.bytes.set(source.subarray(from, to), this.length)
    else for (let at = 0; at < count; at++) this.bytes[this.length + at] = source[from + at] as number
    this.length += count
  }

  /** The same byte several times. */
  fill(value: number, count: number): void {
    this.reserve(count)
    this.bytes.fill(value, this.length, this.length + count)
    this.length += count
  }

  /** A whole number within ±2^53. */
  integer(value: number): void {
    this.reserve(20)
    let rest = value
    if (rest < 0) {
      this.bytes[this.length++] = 45
      rest = -rest
    }
    let digits = 1
    for (let limit = 10; rest >= limit && digits < 16; limit *= 10) digits++
    this.digits(rest, digits)
  }

  /** Exactly `count` digits of a whole number, zeros in front. */
  digits(value: number, count: number): void {
    this.reserve(count)
    let rest = value
    const end = this.length + count
    for (let at = end - 1; at >= this.length; at--) {
      const next = rest < 2147483648 ? (rest / 10) | 0 : Math.floor(rest / 10)
      this.bytes[at] = 48 + (rest - next * 10)
      rest = next
    }
    this.length = end
  }

  /** Takes what was written; the writer is empty then. */
  take(): Buffer {
    // A buffer of its own rather than of the pool: it starts aligned for any number.
    const taken = Buffer.allocUnsafeSlow(this.length)
    this.bytes.copy(taken, 0, 0, this.length)
    this.length = 0
    return taken
  }
}
