/** As base64: rows as upper halves of 32-bit floats, the others as those floats. */
export interface LabelsSnapshot {
  readonly x: string
  readonly targets: string
  readonly offsets: string
}

/**
 * Labels that a snapshot holds at most: of two heads 0.8 MB of text, of all 4,000 it would be more than one. On a public log the first
 * thousand predictions after a restart were off by 8 % more without any, and by 1 % more with 2,000 of 2,754.
 */
const savedMax = 3000

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

  /** A row of another length begins anew. */
  add(x: Float64Array, target: number, offset: number): void {
    if (this.#x.length !== this.#most * x.length) this.clear()
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

  /** The latest labels, rows to three digits: trees only compare them. */
  snapshot(): LabelsSnapshot {
    const { rows, targets, offsets } = this.read()
    return {
      x: textOf(shortened(rows.slice(-savedMax))),
      targets: textOf(Float32Array.from(targets.slice(-savedMax))),
      offsets: textOf(Float32Array.from(offsets.slice(-savedMax))),
    }
  }

  restore(snapshot: LabelsSnapshot): void {
    this.clear()
    const x = lengthened(new Uint16Array(bytesOf(snapshot.x)))
    const targets = new Float32Array(bytesOf(snapshot.targets))
    const offsets = new Float32Array(bytesOf(snapshot.offsets))
    const width = x.length / targets.length
    for (const [i, target] of targets.entries()) {
      this.add(x.subarray(i * width, (i + 1) * width), target, offsets[i] as number)
    }
  }
}

/** The upper halves of 32-bit floats, rounded. In loops: `from` with a function takes thirty milliseconds for as many numbers. */
function shortened(rows: readonly Float64Array[]): Uint16Array {
  const width = rows[0]?.length ?? 0
  const floats = new Float32Array(rows.length * width)
  for (const [i, row] of rows.entries()) floats.set(row, i * width)
  const bits = new Uint32Array(floats.buffer)
  const halves = new Uint16Array(bits.length)
  for (let i = 0; i < bits.length; i++) halves[i] = ((bits[i] as number) + 0x8000) >>> 16
  return halves
}

function lengthened(halves: Uint16Array): Float64Array {
  const bits = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] as number) << 16
  return new Float64Array(new Float32Array(bits.buffer))
}

function textOf(numbers: Uint16Array | Float32Array): string {
  return Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength).toString('base64')
}

function bytesOf(text: string): ArrayBuffer {
  return Uint8Array.from(Buffer.from(text, 'base64')).buffer
}

/** A copy of a ring that begins at `first`. */
function inOrder(ring: Float64Array, first: number): Float64Array {
  const copy = new Float64Array(ring.length)
  copy.set(ring.subarray(first))
  copy.set(ring.subarray(0, first), ring.length - first)
  return copy
}
