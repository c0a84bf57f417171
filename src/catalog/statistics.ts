import type { FooterColumnChunk } from '../model/catalogue.js'
import type { ColumnStatistics } from '../model/segment.js'
import { byBytes } from './hive-partitions.js'

/**
 * Statistics of a column over several row groups. A bound is given only where every row group that has a value has one and
 * the type's text can be compared without DuckDB; absence means unknown, never unbounded.
 */
export function mergeStatistics(type: string, chunks: readonly { readonly rows: number; readonly chunk: FooterColumnChunk }[]) {
  const valued = chunks.filter(({ rows, chunk }) => chunk.nulls === undefined || chunk.nulls < rows)
  const min = bound(
    type,
    valued.map(({ chunk }) => chunk.min),
    -1,
  )
  const max = bound(
    type,
    valued.map(({ chunk }) => chunk.max),
    1,
  )
  const nulls = chunks.every(({ chunk }) => chunk.nulls !== undefined)
    ? chunks.reduce((sum, { chunk }) => sum + (chunk.nulls ?? 0), 0)
    : undefined
  return {
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...(nulls === undefined ? {} : { nulls }),
  } satisfies ColumnStatistics
}

/** True when a value of the file's type and the same value in the table's type have the same text and order. */
export function keepsBounds(fileType: string, tableType: string): boolean {
  return fileType === tableType || (integer.test(fileType) && integer.test(tableType))
}

function bound(type: string, values: readonly (string | undefined)[], sign: 1 | -1): string | undefined {
  if (values.length <= 1) return values[0]
  const compare = comparison(type)
  let best: string | undefined
  for (const value of values) {
    if (value === undefined || compare === undefined) return undefined
    if (best === undefined) best = value
    else {
      const order = compare(value, best)
      if (Number.isNaN(order)) return undefined
      if (order * sign > 0) best = value
    }
  }
  return best
}

const integer = /^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/

/** Orders two texts of a type; NaN where it cannot. */
function comparison(type: string): ((a: string, b: string) => number) | undefined {
  if (integer.test(type)) return (a, b) => compareValues(BigInt(a), BigInt(b))
  if (type.startsWith('DECIMAL')) return compareDecimals
  if (type === 'VARCHAR') return byBytes
  if (type === 'BOOLEAN') return (a, b) => compareValues(a === 'true', b === 'true')
  if (type === 'FLOAT' || type === 'DOUBLE') return (a, b) => Number(a) - Number(b)
  if (type === 'DATE' || type === 'TIME' || type.startsWith('TIMESTAMP')) return compareTimes
  return undefined
}

function compareDecimals(a: string, b: string): number {
  // Both texts have the column's scale, so that without the point they are integers in the same unit.
  const [left, right] = [a.replace('.', ''), b.replace('.', '')]
  return fraction(a) === fraction(b) ? compareValues(BigInt(left), BigInt(right)) : Number.NaN
}

function fraction(text: string): number {
  const point = text.indexOf('.')
  return point < 0 ? 0 : text.length - point - 1
}

/** Years of four digits after Christ, and no zone but UTC, are in text order; a shorter fraction sorts first as it should. */
function compareTimes(a: string, b: string): number {
  const plain = /^(\d{4}-\d\d-\d\d)?( ?\d\d:\d\d:\d\d(\.\d+)?)?(\+00)?$/
  return plain.test(a) && plain.test(b) ? byBytes(a.replace('+00', ''), b.replace('+00', '')) : Number.NaN
}

function compareValues<T>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}
