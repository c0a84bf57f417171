import { quotePath } from '../model/quote.js'
import type { BaseSegment } from '../model/segment.js'
import type { ReadPaths } from './read-paths.js'
import type { Session } from './session.js'

const filesMax = 10_000

/**
 * Rows of whole Parquet files. A segment that is a row range from 0 may be the whole file, and then the filter on row numbers,
 * which doubles the time of a scan, is left out. Learned from the footer once per file version.
 */
export class FileRows {
  readonly #rows = new Map<string, number>()

  of(segment: BaseSegment): number | undefined {
    return this.#rows.get(keyOf(segment))
  }

  /** Reads the footers of the files whose ranges start at 0 and that are not known yet. */
  async learn(session: Session, segments: readonly BaseSegment[], paths: ReadPaths): Promise<void> {
    for (const segment of segments) {
      if (segment.rowRange?.from !== 0 || this.#rows.has(keyOf(segment))) continue
      const rows = await session.rows(`SELECT num_rows::DOUBLE FROM parquet_file_metadata(${quotePath(paths.of(segment.file))})`)
      if (this.#rows.size >= filesMax) this.#rows.clear()
      this.#rows.set(keyOf(segment), Number(rows[0]?.[0]))
    }
  }
}

function keyOf({ file }: BaseSegment): string {
  return `${file.path}\0${file.mtimeNs}\0${file.inode}\0${file.size}`
}
