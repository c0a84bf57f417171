/** Rows as bins: one byte a value, row by row. */
export interface BinnedRows {
  readonly rows: number
  readonly width: number
  readonly bins: Uint8Array
  /** Ascending upper edges by column: bin b holds values ≤ edges[b], the last bin the rest. */
  readonly edges: readonly Float64Array[]
}

/** Bins values at their quantiles; columns with few distinct values get a bin for each. */
export function binRows(rows: readonly ArrayLike<number>[], width: number, binsMax: number): BinnedRows {
  const edges: Float64Array[] = []
  const bins = new Uint8Array(rows.length * width)
  const sorted = new Float64Array(rows.length)
  for (let f = 0; f < width; f++) {
    for (let i = 0; i < rows.length; i++) sorted[i] = rows[i]?.[f] as number
    sorted.sort()
    const cut = edgesOf(sorted, binsMax)
    for (let i = 0; i < rows.length; i++) bins[i * width + f] = binOf(cut, rows[i]?.[f] as number)
    edges.push(cut)
  }
  return { rows: rows.length, width, bins, edges }
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
