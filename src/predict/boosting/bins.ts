/** Rows as bins, row by row: each value's place in one table of all columns' bins, so that a histogram needs no arithmetic. */
export interface BinnedRows {
  readonly rows: number
  readonly width: number
  /** Bins of column f stand from f × stride on. */
  readonly stride: number
  readonly places: Uint16Array
  /** Ascending upper edges by column: bin b holds values ≤ edges[b], the last bin the rest. */
  readonly edges: readonly Float64Array[]
}

/** Rows that the edges are taken from at most: quantiles of a thousand are near enough for 32 bins. */
const sampleMax = 1024

/** Bins values at their quantiles; columns with few distinct values get a bin for each. */
export function binRows(rows: readonly ArrayLike<number>[], width: number, binsMax: number): BinnedRows {
  const edges: Float64Array[] = []
  const places = new Uint16Array(rows.length * width)
  const apart = Math.max(1, Math.ceil(rows.length / sampleMax))
  const sample = new Float64Array(Math.ceil(rows.length / apart))
  for (let f = 0; f < width; f++) {
    for (let i = 0; i < sample.length; i++) sample[i] = rows[i * apart]?.[f] as number
    const cut = edgesOf(sample.sort(), binsMax)
    for (let i = 0; i < rows.length; i++) places[i * width + f] = f * binsMax + binOf(cut, rows[i]?.[f] as number)
    edges.push(cut)
  }
  return { rows: rows.length, width, stride: binsMax, places, edges }
}

function edgesOf(sorted: Float64Array, binsMax: number): Float64Array {
  const edges: number[] = []
  for (let b = 1; b < binsMax; b++) {
    const at = Math.floor((b * sorted.length) / binsMax)
    if (at === 0 || at >= sorted.length) continue
    const low = sorted[at - 1] as number
    const high = sorted[at] as number
    const edge = low === high ? low : (low + high) / 2
    if (edge < (sorted[sorted.length - 1] as number) && edge !== edges.at(-1)) edges.push(edge)
  }
  return Float64Array.from(edges)
}

function binOf(edges: Float64Array, value: number): number {
  let from = 0
  let to = edges.length
  while (from < to) {
    const middle = (from + to) >> 1
    if (value <= (edges[middle] as number)) to = middle
    else from = middle + 1
  }
  return from
}
