import { foldName } from '../../model/fold-name.js'
import type { AstObject } from '../ast-text.js'
import { child, children, isClass, textOf } from '../ast-walk.js'
import { asFloat, type Comparable, compare } from './comparable.js'
import { type ComparisonOperator, mayBegin, mayCompare, mayHoldOne, type Range } from './range.js'

/** A question about one column. */
type ColumnPredicate =
  | { readonly kind: 'compare'; readonly column: string; readonly operator: ComparisonOperator; readonly constant: Comparable }
  | { readonly kind: 'in'; readonly column: string; readonly constants: readonly Comparable[] }
  /** A long list, in order. */
  | { readonly kind: 'list'; readonly column: string; readonly sorted: readonly Comparable[] }
  | { readonly kind: 'begins'; readonly column: string; readonly prefix: string }
  | { readonly kind: 'null'; readonly column: string; readonly wanted: boolean }

/** What a conjunct asks of the columns of one relation, as far as ranges can answer it. */
export type Predicate =
  | ColumnPredicate
  | { readonly kind: 'all'; readonly of: readonly Predicate[] }
  | { readonly kind: 'any'; readonly of: readonly Predicate[] }
  /** Cannot be judged: may always be true. */
  | { readonly kind: 'unknown' }
  /** Is NULL or false for every row. */
  | { readonly kind: 'never' }

/** Longest IN list that is compared constant by constant. */
const listLengthMax = 16

const unknown: Predicate = { kind: 'unknown' }
const never: Predicate = { kind: 'never' }

/** How the reader of predicates asks about columns and constants. */
export interface PredicateContext {
  /** The column's name in the relation, or undefined where the expression is not one of its columns. */
  column(node: AstObject): string | undefined
  /** The constant's value in the domain of a column; `null` for NULL; undefined where it is not known or comparable. */
  constant(node: AstObject, column: string): Comparable | null | undefined
}

const operators: Readonly<Record<string, ComparisonOperator>> = {
  COMPARE_EQUAL: '=',
  COMPARE_NOTEQUAL: '<>',
  COMPARE_LESSTHAN: '<',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHAN: '>',
  COMPARE_GREATERTHANOREQUALTO: '>=',
}
const mirrored: Readonly<Record<ComparisonOperator, ComparisonOperator>> = {
  '=': '=',
  '<>': '<>',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
}
const negated: Readonly<Record<ComparisonOperator, ComparisonOperator>> = {
  '=': '<>',
  '<>': '=',
  '<': '>=',
  '<=': '>',
  '>': '<=',
  '>=': '<',
}

/** Reads an expression that must be true; with `negate`, one that must be false. What it cannot read is `unknown`. */
export function readPredicate(node: AstObject, context: PredicateContext, negate = false): Predicate {
  if (isClass(node, 'CONJUNCTION')) {
    const parts = children(node).map((part) => readPredicate(part, context, negate))
    const isAnd = (node.type === 'CONJUNCTION_AND') !== negate
    return { kind: isAnd ? 'all' : 'any', of: parts }
  }
  if (isClass(node, 'COMPARISON')) return readComparison(node, context, negate)
  if (isClass(node, 'BETWEEN')) return readBetween(node, context, negate)
  if (isClass(node, 'OPERATOR')) return readOperator(node, context, negate)
  return isClass(node, 'FUNCTION') && !negate ? readFunction(node, context) : unknown
}

function readComparison(node: AstObject, context: PredicateContext, negate: boolean): Predicate {
  const operator = operators[textOf(node, 'type')]
  const left = child(node, 'left')
  const right = child(node, 'right')
  if (operator === undefined || left === undefined || right === undefined) return unknown
  const effective = negate ? negated[operator] : operator
  const leftColumn = context.column(left)
  if (leftColumn !== undefined) return comparison(leftColumn, effective, right, context)
  const rightColumn = context.column(right)
  return rightColumn === undefined ? unknown : comparison(rightColumn, mirrored[effective], left, context)
}

function comparison(column: string, operator: ComparisonOperator, value: AstObject, context: PredicateContext): Predicate {
  const constant = context.constant(value, column)
  return constant === undefined ? unknown : compared(column, operator, constant)
}

function compared(column: string, operator: ComparisonOperator, constant: Comparable | null): Predicate {
  return constant === null ? never : { kind: 'compare', column, operator, constant }
}

function readBetween(node: AstObject, context: PredicateContext, negate: boolean): Predicate {
  const column = context.column(child(node, 'input') ?? {})
  const lower = child(node, 'lower')
  const upper = child(node, 'upper')
  if (column === undefined || lower === undefined || upper === undefined) return unknown
  const [from, to] = inOneType([context.constant(lower, column), context.constant(upper, column)])
  // A bound that we cannot follow may change what the other one means.
  if (from === undefined || to === undefined) return unknown
  return {
    kind: negate ? 'any' : 'all',
    of: [compared(column, negate ? '<' : '>=', from), compared(column, negate ? '>' : '<=', to)],
  }
}

/** DuckDB compares a column with several constants in one type: beside a DOUBLE every number is one, and loses its last digits. */
function inOneType<T extends Comparable | null | undefined>(constants: readonly T[]): readonly (T | Comparable)[] {
  if (!constants.some((constant) => constant?.domain === 'float')) return constants
  return constants.map((constant) => {
    const value = constant ? asFloat(constant) : undefined
    return value === undefined ? constant : { domain: 'float', value }
  })
}

function readOperator(node: AstObject, context: PredicateContext, negate: boolean): Predicate {
  const [first, ...rest] = children(node)
  if (first === undefined) return unknown
  switch (node.type) {
    case 'OPERATOR_NOT':
      return readPredicate(first, context, !negate)
    case 'OPERATOR_IS_NULL':
    case 'OPERATOR_IS_NOT_NULL': {
      const column = context.column(first)
      return column === undefined ? unknown : { kind: 'null', column, wanted: (node.type === 'OPERATOR_IS_NULL') !== negate }
    }
    case 'COMPARE_IN':
      return negate ? unknown : readIn(first, rest, context)
    default:
      return unknown
  }
}

function readIn(input: AstObject, values: readonly AstObject[], context: PredicateContext): Predicate {
  const column = context.column(input)
  if (column === undefined) return unknown
  const constants: Comparable[] = []
  let hasTypedNull = false
  for (const value of values) {
    const constant = context.constant(value, column)
    if (constant === undefined) return unknown
    if (constant !== null) constants.push(constant)
    else if (!isClass(value, 'CONSTANT')) hasTypedNull = true
  }
  // A NULL that was cast matches nothing, but has its part in the type in which all are compared.
  if (hasTypedNull) return unknown
  const alike = inOneType(constants)
  return alike.length <= listLengthMax ? { kind: 'in', column, constants: alike } : longList(column, alike)
}

/**
 * A list too long to be compared one by one with every segment: what lies between neighbours of the sorted list is looked up
 * instead, or where the constants have no common order, nothing is.
 */
function longList(column: string, constants: readonly Comparable[]): Predicate {
  const [first] = constants
  if (first === undefined || constants.some(({ domain }) => domain !== first.domain)) return unknown
  return { kind: 'list', column, sorted: [...constants].sort((a, b) => compare(a, b) ?? 0) }
}

/** `LIKE 'abc%'` and the like: only the part before the first wildcard is used. */
function readFunction(node: AstObject, context: PredicateContext): Predicate {
  const name = foldName(textOf(node, 'function_name'))
  const [input, pattern, ...more] = children(node)
  if (input === undefined || pattern === undefined || more.length > 0) return unknown
  const isLike = name === '~~'
  if (!isLike && name !== 'starts_with' && name !== 'prefix' && name !== '^@') return unknown
  const column = context.column(input)
  if (column === undefined) return unknown
  const constant = context.constant(pattern, column)
  if (constant === null) return never
  if (constant?.domain !== 'text') return unknown
  const prefix = isLike ? (/^[^%_\\]*/.exec(constant.text)?.[0] ?? '') : constant.text
  return prefix === '' ? unknown : { kind: 'begins', column, prefix }
}

/** Columns that a predicate looks at. */
export function columnsOf(predicate: Predicate): readonly string[] {
  if (predicate.kind === 'all' || predicate.kind === 'any') return predicate.of.flatMap(columnsOf)
  return predicate.kind === 'unknown' || predicate.kind === 'never' ? [] : [predicate.column]
}

/** False only where no row of a segment with these ranges can make the predicate true. */
export function mayBeTrue(predicate: Predicate, range: (column: string) => Range | undefined): boolean {
  if (predicate.kind === 'unknown') return true
  if (predicate.kind === 'never') return false
  if (predicate.kind === 'all') return predicate.of.every((part) => mayBeTrue(part, range))
  if (predicate.kind === 'any') return predicate.of.some((part) => mayBeTrue(part, range))
  const known = range(predicate.column)
  return known === undefined || mayHold(predicate, known)
}

function mayHold(predicate: ColumnPredicate, range: Range): boolean {
  switch (predicate.kind) {
    case 'compare':
      return mayCompare(range, predicate.operator, predicate.constant)
    case 'in':
      return predicate.constants.some((constant) => mayCompare(range, '=', constant))
    case 'list':
      return mayHoldOne(range, predicate.sorted)
    case 'begins':
      return mayBegin(range, predicate.prefix)
    case 'null':
      return predicate.wanted ? range.nulls !== 'none' : range.nulls !== 'all'
  }
}
