const int32Max = 2_147_483_647

/** Bytes that grow at the end. Numbers are written digit by digit: no string is made for them. */
export class ByteWriter {
  bytes: Buffer
  /** The same memory, to be written several bytes at once. */
  view: DataView
  length = 0

  constructor(capacity = 1 << 16) {
    this.bytes = Buffer.allocUnsafeSlow(capacity)
    this.view = new DataView(this.bytes.buffer)
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
    this.view = new DataView(grown.buffer)
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
  raw(source: Uint8Array, from = 0, to = source.length): void {
    const count = to - from
    this.reserve(count)
    const { bytes, length } = this
    if (count > 64) bytes.set(source.subarray(from, to), length)
    else for (let at = 0; at < count; at++) bytes[length + at] = source[from + at] as number
    this.length = length + count
  }

  /** The same byte several times. */
  fill(value: number, count: number): void {
    this.reserve(count)
    this.bytes.fill(value, this.length, this.length + count)
    this.length += count
  }

  /** A whole number within ±2^53. */
  integer(value: number): void {
    let rest = value
    if (rest < 0) {
      this.byte(45)
      rest = -rest
    }
    let digits = 1
    for (let limit = 10; rest >= limit && digits < 16; limit *= 10) digits++
    this.digits(rest, digits)
  }

  /** Exactly `count` digits of a whole number, zeros in front. */
  digits(value: number, count: number): void {
    this.reserve(count)
    const { bytes, length } = this
    let at = length + count - 1
    let rest = value
    for (; rest > int32Max && at >= length; at--) {
      const next = Math.floor(rest / 10)
      bytes[at] = 48 + (rest - next * 10)
      rest = next
    }
    // The rest in whole numbers of the machine: a division of doubles takes several times as long.
    for (let small = rest | 0; at >= length; at--) {
      const next = (small / 10) | 0
      bytes[at] = 48 + (small - next * 10)
      small = next
    }
    this.length = length + count
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
