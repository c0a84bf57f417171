import type { Column } from '../../src/model/segment.js'
import type { Exactness } from './generate-query.js'

/** An answer as text, for comparing: NULL is null, everything else DuckDB's own VARCHAR cast. */
export interface Answer {
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly (string | null)[])[]
}

export interface Expectation {
  /** By result column; what is missing is exact. */
  readonly exactness: readonly Exactness[]
  readonly orderedBy: readonly number[]
  /** Number of rows that went into a sum, and the largest of them: bounds the rounding of a floating-point sum. */
  readonly rows: number
  readonly largest: number
}

/** What differs between two answers, in words; undefined where they are equal as DESIGN.md §3 defines it. */
export function difference(expected: Answer, actual: Answer, expectation: Expectation): string | undefined {
  const columns = `${JSON.stringify(expected.columns)} against ${JSON.stringify(actual.columns)}`
  if (JSON.stringify(expected.columns) !== JSON.stringify(actual.columns)) return `columns ${columns}`
  if (expected.rows.length !== actual.rows.length) return `${expected.rows.length} rows against ${actual.rows.length}`
  const floating = expected.columns.map((column) => /DOUBLE|FLOAT/.test(column.type))
  const [a, b] = [normalized(expected, floating), normalized(actual, floating)]
  const order = differentOrder(a, b, expectation.orderedBy)
  if (order !== undefined) return order
  const sortedA = a.toSorted((x, y) => compareRows(x, y, expectation.exactness))
  const sortedB = b.toSorted((x, y) => compareRows(x, y, expectation.exactness))
  for (const [index, row] of sortedA.entries()) {
    const other = sortedB[index] ?? []
    for (const [column, value] of row.entries()) {
      if (!sameValue(value, other[column] ?? null, expectation.exactness[column] ?? 'exact', expectation)) {
        return `column ${column} (${expected.columns[column]?.name}): ${value} against ${other[column]}`
      }
    }
  }
  return undefined
}

/** Signed zeros are equal, and which one a group or a min shows hangs on the order of rows in DuckDB itself. */
function normalized(answer: Answer, floating: readonly boolean[]): readonly (readonly (string | null)[])[] {
  return answer.rows.map((row) => row.map((value, index) => (floating[index] && value === '-0.0' ? '0.0' : value)))
}

function differentOrder(
  a: readonly (readonly (string | null)[])[],
  b: readonly (readonly (string | null)[])[],
  orderedBy: readonly number[],
): string | undefined {
  for (const [index, row] of a.entries()) {
    for (const column of orderedBy) {
      if (row[column] !== b[index]?.[column]) return `row ${index} is ${b[index]?.[column]} and not ${row[column]} in order`
    }
  }
  return undefined
}

function compareRows(a: readonly (string | null)[], b: readonly (string | null)[], exactness: readonly Exactness[]): number {
  for (const pass of ['exact', 'inexact']) {
    for (const [index, value] of a.entries()) {
      const exact = (exactness[index] ?? 'exact') === 'exact'
      if (exact !== (pass === 'exact')) continue
      const other = b[index] ?? null
      if (value === other) continue
      if (value === null) return -1
      if (other === null) return 1
      const order = exact ? (value < other ? -1 : 1) : Number(value) - Number(other)
      if (order !== 0 && !Number.isNaN(order)) return order
    }
  }
  return 0
}

function sameValue(a: string | null, b: string | null, exactness: Exactness, bound: Expectation): boolean {
  if (a === b) return true
  if (a === null || b === null || exactness === 'exact') return false
  const [x, y] = [Number(a), Number(b)]
  if (!Number.isFinite(x) || !Number.isFinite(y)) return false
  if (exactness === 'spread') return Math.abs(x - y) <= 1e-6 * Math.max(Math.abs(x), Math.abs(y))
  return Math.abs(x - y) <= Number.EPSILON * bound.rows * bound.rows * bound.largest
}
