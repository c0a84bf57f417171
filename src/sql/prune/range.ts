import { asFloat, type Comparable, compare, compareText } from './comparable.js'

export type ComparisonOperator = '=' | '<>' | '<' | '<=' | '>' | '>='

/** What is known of the values of one column in one segment. Bounds may be wider than the values, never narrower. */
export interface Range {
  readonly min: Comparable | undefined
  readonly max: Comparable | undefined
  /** No value is NULL, all are, or it is not known. */
  readonly nulls: 'none' | 'all' | 'unknown'
  /** FLOAT and DOUBLE: Parquet leaves NaN out of its bounds, and NaN is above every other value. */
  readonly mayHoldNaN: boolean
  /** How far a comparison may be off by rounding, relative to the value; 0 for exact domains. */
  readonly slack: number
}

/** False only where no value in the range can make `value operator constant` true. */
export function mayCompare(range: Range, operator: ComparisonOperator, constant: Comparable): boolean {
  if (range.nulls === 'all') return false
  switch (operator) {
    case '=':
      return mayBeBelow(range, constant, true) && mayBeAbove(range, constant, true)
    case '<':
      return mayBeBelow(range, constant, false)
    case '<=':
      return mayBeBelow(range, constant, true)
    case '>':
      return range.mayHoldNaN || mayBeAbove(range, constant, false)
    case '>=':
      return range.mayHoldNaN || mayBeAbove(range, constant, true)
    case '<>':
      // Bounds of text may be shortened, so equal bounds prove nothing here.
      return true
  }
}

function mayBeBelow({ min, slack }: Range, constant: Comparable, orEqual: boolean): boolean {
  return min === undefined || holds(min, constant, orEqual, -slack)
}

function mayBeAbove({ max, slack }: Range, constant: Comparable, orEqual: boolean): boolean {
  return max === undefined || holds(constant, max, orEqual, slack)
}

/** `low < high` or `low <= high`, true when in doubt. */
function holds(low: Comparable, high: Comparable, orEqual: boolean, slack: number): boolean {
  if (slack !== 0 || low.domain !== high.domain) {
    const a = asFloat(low)
    const b = asFloat(high)
    if (a === undefined || b === undefined) return true
    const room = Math.max(Math.abs(a), Math.abs(b)) * Math.max(Math.abs(slack), 1e-12) + Number.MIN_VALUE
    return Number.isFinite(room) ? a <= b + room : a <= b
  }
  const order = compare(low, high)
  if (order === undefined) return true
  return orEqual ? order <= 0 : order < 0
}

/** False only where no text in the range can begin with the prefix. */
export function mayBegin(range: Range, prefix: string): boolean {
  if (range.nulls === 'all') return false
  const { min, max } = range
  if (max?.domain === 'text' && compareText(max.text, prefix) < 0) return false
  // A minimum that is above the prefix and does not begin with it is above everything that does.
  return !(min?.domain === 'text' && compareText(min.text, prefix) > 0 && !min.text.startsWith(prefix))
}

/** False only where no constant of a sorted list of one domain lies in the range. */
export function mayHoldOne(range: Range, sorted: readonly Comparable[]): boolean {
  const [first] = sorted
  if (range.nulls === 'all' || first === undefined) return false
  const { min } = range
  if (min === undefined || min.domain !== first.domain || range.slack !== 0) {
    const last = sorted.at(-1) ?? first
    return mayCompare(range, '<=', last) && mayCompare(range, '>=', first)
  }
  // The first constant that is not below the smallest value is the only one that matters.
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >> 1
    if ((compare(sorted[middle] as Comparable, min) ?? 0) < 0) from = middle + 1
    else to = middle
  }
  const next = sorted[from]
  return next !== undefined && mayCompare(range, '>=', next)
}
