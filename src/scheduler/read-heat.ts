import type { SegmentId } from '../model/segment.js'

/** Reads within this time count together. */
const windowMs = 10 * 60_000
/** Columns that were read so often within the window are worth a pack. */
const readsToPack = 3
const datasetsMax = 10_000

interface Read {
  readonly at: number
  readonly columns: readonly string[]
  readonly segments: readonly SegmentId[]
}

/** What of a dataset is read often enough to be packed. */
export interface HotColumns {
  readonly dataset: string
  readonly columns: readonly string[]
  /** Columns that reads of the former also read, most often read first. */
  readonly alongside: readonly string[]
  readonly segments: readonly SegmentId[]
}

/** Counts recent reads from Parquet by dataset and column, to know what packing would pay for without any forecast. */
export class ReadHeat {
  readonly #reads = new Map<string, Read[]>()

  /** A task read these columns of these segments from Parquet. Times need not be in order. */
  note(dataset: string, columns: readonly string[], segments: readonly SegmentId[], at: number): void {
    const reads = this.#reads.get(dataset) ?? []
    reads.push({ at, columns, segments })
    if (reads.length > 1_000) reads.shift()
    this.#reads.set(dataset, reads)
    for (const oldest of this.#reads.keys()) {
      if (this.#reads.size <= datasetsMax) break
      this.#reads.delete(oldest)
    }
  }

  /** Datasets with columns that were read at least three times within ten minutes, and the segments that those reads touched. */
  hot(now: number): readonly HotColumns[] {
    const hot: HotColumns[] = []
    for (const [dataset, all] of this.#reads) {
      const reads = all.filter((read) => read.at > now - windowMs)
      if (reads.length === 0) {
        this.#reads.delete(dataset)
        continue
      }
      this.#reads.set(dataset, reads)
      const counts = new Map<string, number>()
      for (const read of reads) for (const column of read.columns) counts.set(column, (counts.get(column) ?? 0) + 1)
      const columns = [...counts].filter(([, count]) => count >= readsToPack).map(([column]) => column)
      if (columns.length === 0) continue
      const touching = reads.filter((read) => read.columns.some((c) => columns.includes(c)))
      const segments = new Set(touching.flatMap((read) => read.segments))
      const alongside = [...new Set(touching.flatMap((read) => read.columns))]
        .filter((column) => !columns.includes(column))
        .toSorted((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || (a < b ? -1 : 1))
      hot.push({ dataset, columns: columns.toSorted(), alongside, segments: [...segments] })
    }
    return hot
  }

  /** These columns were packed: their reads count anew. Those of others go on counting, or rarely read columns never would be packed. */
  packed(dataset: string, columns: readonly string[]): void {
    const left = (this.#reads.get(dataset) ?? [])
      .map((read) => ({ ...read, columns: read.columns.filter((column) => !columns.includes(column)) }))
      .filter((read) => read.columns.length > 0)
    if (left.length === 0) this.#reads.delete(dataset)
    else this.#reads.set(dataset, left)
  }
}
