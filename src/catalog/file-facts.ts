import { type ByName, byName } from '../model/by-name.js'
import type { Footer, FooterRowGroup } from '../model/catalogue.js'
import type { Column, ColumnStatistics, FileVersion } from '../model/segment.js'
import { mergeStatistics } from './statistics.js'

/**
 * What the catalogue keeps of a file's footer: already cut into the ranges that become segments.
 *
 * A segment is the unit of placement and of reuse: it must be small enough that every node gets some, and large enough that
 * its fixed cost (about 3 ms for a view and a task) is small beside its scan. Half a million rows, four row groups as DuckDB
 * writes them, take about 10 ms; a file up to twice that is left whole, since half a segment more is no reason to cut.
 */
export interface FileFacts {
  readonly version: FileVersion
  /** Of the file alone, without partition columns. */
  readonly columns: readonly Column[]
  readonly rows: number
  /** At least one; a file without rows has one empty range. */
  readonly ranges: readonly RangeFacts[]
}

export interface RangeFacts {
  /** Rows [from, to) of the file; the whole file when it has no other range. */
  readonly from: number
  readonly to: number
  readonly bytes: number
  readonly columnBytes: ByName<number>
  readonly statistics: ByName<ColumnStatistics>
}

/** Changes whenever facts that were kept would come out differently today. */
export const factsFormat = 2

export interface SegmentSize {
  readonly rows: number
  readonly bytes: number
}
/** What a range of a large file aims at. */
export const segmentTarget: SegmentSize = { rows: 524_288, bytes: 64 * 2 ** 20 }
/** A file is cut when it is larger than this in either. */
export const segmentMax: SegmentSize = { rows: 1_048_576, bytes: 128 * 2 ** 20 }

/** The facts of one footer. */
export function factsOf(footer: Footer): FileFacts {
  const pieces = isCuttable(footer.columns) ? cut(footer.rowGroups) : [{ from: 0, groups: footer.rowGroups }]
  const ranges = pieces.map(({ groups, from }) => rangeFacts(footer.columns, groups, from))
  return { version: footer.version, columns: footer.columns, rows: footer.rows, ranges }
}

/** A column of its own hides DuckDB's numbers of rows, by which a range is read. */
function isCuttable(columns: readonly Column[]): boolean {
  return columns.every(({ name }) => name.toLowerCase() !== 'file_row_number')
}

interface Cut {
  readonly from: number
  readonly groups: readonly FooterRowGroup[]
}

/** Consecutive row groups in pieces of about equal weight; one piece when the file is not large. */
function cut(rowGroups: readonly FooterRowGroup[]): readonly Cut[] {
  const weight = (group: FooterRowGroup): number => Math.max(group.rows / segmentTarget.rows, group.bytes / segmentTarget.bytes)
  const rows = rowGroups.reduce((sum, group) => sum + group.rows, 0)
  const bytes = rowGroups.reduce((sum, group) => sum + group.bytes, 0)
  if (rows <= segmentMax.rows && bytes <= segmentMax.bytes) return [{ from: 0, groups: rowGroups }]
  const total = rowGroups.reduce((sum, group) => sum + weight(group), 0)
  const perPiece = total / Math.ceil(total)
  const pieces: { piece: number; from: number; groups: FooterRowGroup[] }[] = []
  let [before, from] = [0, 0]
  for (const group of rowGroups) {
    // A row group belongs to the piece in which its middle lies.
    const piece = Math.floor((before + weight(group) / 2) / perPiece)
    const last = pieces.at(-1)
    if (last?.piece === piece) last.groups.push(group)
    else pieces.push({ piece, from, groups: [group] })
    before += weight(group)
    from += group.rows
  }
  return pieces
}

function rangeFacts(columns: readonly Column[], groups: readonly FooterRowGroup[], from: number): RangeFacts {
  const columnBytes = new Map<string, number>()
  const statistics = new Map<string, ColumnStatistics>()
  for (const column of columns) {
    const chunks = groups.flatMap((group) =>
      group.columnChunks.filter((chunk) => chunk.name === column.name).map((chunk) => ({ rows: group.rows, chunk })),
    )
    columnBytes.set(
      column.name,
      chunks.reduce((sum, { chunk }) => sum + chunk.bytes, 0),
    )
    if (chunks.length > 0 && chunks.length === groups.length) statistics.set(column.name, mergeStatistics(column.type, chunks))
  }
  const rows = groups.reduce((sum, group) => sum + group.rows, 0)
  const bytes = [...columnBytes.values()].reduce((sum, size) => sum + size, 0)
  return { from, to: from + rows, bytes, columnBytes: byName(columnBytes), statistics: byName(statistics) }
}
