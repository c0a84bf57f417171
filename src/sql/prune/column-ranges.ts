import { valueOf } from '../../model/by-name.js'
import type { BaseSegment, Snapshot } from '../../model/segment.js'
import { parseComparable } from './comparable.js'
import type { Range } from './range.js'

/** Relative rounding error that a comparison with a FLOAT or DOUBLE may have, with room to spare. */
const slackOf: Readonly<Record<string, number>> = { FLOAT: 1e-6, DOUBLE: 1e-12 }

/** The ranges of columns of a snapshot, one per segment, made when a column is first asked for and kept with the snapshot. */
export class ColumnRanges {
  readonly #snapshot: Snapshot
  readonly #ranges = new Map<string, readonly Range[]>()

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot
  }

  of(column: string, type: string): readonly Range[] {
    const known = this.#ranges.get(column)
    if (known !== undefined) return known
    const isPartition = this.#snapshot.partitionColumns.includes(column)
    const ranges = this.#snapshot.segments.map((segment) =>
      isPartition ? partitionRange(segment, column, type) : statisticsRange(segment, column, type),
    )
    this.#ranges.set(column, ranges)
    return ranges
  }
}

function partitionRange(segment: BaseSegment, column: string, type: string): Range {
  const slack = slackOf[type] ?? 0
  const value = valueOf(segment.partition, column)
  if (value === undefined) return { min: undefined, max: undefined, nulls: 'unknown', mayHoldNaN: true, slack }
  if (value === null) return { min: undefined, max: undefined, nulls: 'all', mayHoldNaN: false, slack }
  const bound = parseComparable(value, type)
  return { min: bound, max: bound, nulls: 'none', mayHoldNaN: bound === undefined, slack }
}

function statisticsRange(segment: BaseSegment, column: string, type: string): Range {
  const { min, max, nulls } = valueOf(segment.statistics, column) ?? {}
  const known = nulls === undefined ? 'unknown' : nulls === 0 ? 'none' : nulls >= segment.rows ? 'all' : 'unknown'
  const isFloat = type === 'FLOAT' || type === 'DOUBLE'
  return {
    min: min === undefined ? undefined : parseComparable(min, type),
    max: max === undefined ? undefined : parseComparable(max, type),
    nulls: known,
    mayHoldNaN: isFloat,
    slack: slackOf[type] ?? 0,
  }
}
