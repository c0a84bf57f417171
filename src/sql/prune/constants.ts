import { foldName } from '../../model/fold-name.js'
import type { AstObject } from '../ast-text.js'
import { child, isClass, textOf, walk } from '../ast-walk.js'
import { literalText } from '../template.js'
import { type Comparable, domainOf, parseComparable } from './comparable.js'

/** A constant expression that is compared with a column of a type. */
export interface ConstantUse {
  readonly node: AstObject
  readonly columnType: string
}

/** The value of a constant in the domain of a column's comparison; null for NULL. */
export type ConstantValue = Comparable | null | undefined

/** Functions that may stand in a constant: cheap, without side effects, and the same each time. */
const foldable = new Set([
  '+',
  '-',
  '*',
  '/',
  '//',
  '%',
  'add',
  'date_add',
  'date_trunc',
  'datetrunc',
  'last_day',
  'make_date',
  'make_timestamp',
  'multiply',
  'subtract',
  'to_centuries',
  'to_days',
  'to_decades',
  'to_hours',
  'to_microseconds',
  'to_milliseconds',
  'to_minutes',
  'to_months',
  'to_quarters',
  'to_seconds',
  'to_weeks',
  'to_years',
  'trunc',
  'round',
  'lower',
  'upper',
])

/** True for an expression without columns whose value is worth asking for. */
export function isConstant(node: AstObject): boolean {
  let constant = true
  let size = 0
  walk(node, (part) => {
    if (++size > 200) constant = false
    const kind = part.class
    if (kind === 'FUNCTION') constant &&= foldable.has(foldName(textOf(part, 'function_name')))
    else if (typeof kind === 'string') constant &&= kind === 'CONSTANT' || kind === 'CAST'
    return constant
  })
  return constant
}

/** The value of a plain literal, without asking DuckDB; 'ask' for everything else. */
export function literalValue({ node, columnType }: ConstantUse): ConstantValue | 'ask' {
  const typed = typedLiteral(node)
  if (typed === undefined) return 'ask'
  if (typed.text === null) return null
  const { text, type } = typed
  if (type === 'VARCHAR') {
    if (domainOf(columnType) === 'text') return { domain: 'text', text }
    // A literal takes the column's type; only texts that cannot be read in two ways are read here.
    return canonical(text, columnType) ? parseComparable(text, columnType) : 'ask'
  }
  return canonical(text, type) ? inDomain(text, type, columnType) : 'ask'
}

/** The SQL that answers what cannot be read off: for each use its type, its text, and its text as the column's type. */
export function constantsQuery(printedItems: string, uses: readonly ConstantUse[]): string {
  const columns = uses.map((_, index) => `c${index}`)
  const asked = uses.flatMap(({ columnType }, index) => [
    `typeof(c${index})`,
    `CAST(c${index} AS VARCHAR)`,
    `CAST(TRY_CAST(c${index} AS ${columnType}) AS VARCHAR)`,
    `CAST(TRY_CAST(c${index} AS TIMESTAMPTZ) AS VARCHAR)`,
  ])
  return `SELECT ${asked.join(', ')} FROM (${printedItems}) AS constants(${columns.join(', ')})`
}

/** The value of one use from the four answers of `constantsQuery`. */
export function answeredValue(use: ConstantUse, answers: readonly unknown[]): ConstantValue {
  const [type, text, asColumn, asInstant] = answers.map((answer) =>
    answer === null || answer === undefined ? null : String(answer),
  )
  if (text === null || text === undefined) return null
  if (type === 'VARCHAR' && isClass(use.node, 'CONSTANT')) {
    return asColumn === null || asColumn === undefined ? undefined : parseComparable(asColumn, use.columnType)
  }
  if (domainOf(use.columnType) === 'instant' && (type === 'DATE' || type === 'TIMESTAMP')) {
    return asInstant === null || asInstant === undefined ? undefined : parseComparable(asInstant, use.columnType)
  }
  return inDomain(text, type ?? '', use.columnType)
}

/** A value of one type as it is compared with a column of another; undefined for pairs whose comparison we do not follow. */
function inDomain(text: string, type: string, columnType: string): ConstantValue {
  const numeric = (domain: string | undefined): boolean => domain === 'exact' || domain === 'float'
  const from = domainOf(type)
  const to = domainOf(columnType)
  if (from === undefined || to === undefined || (type === 'FLOAT' && columnType !== 'FLOAT')) return undefined
  return from === to || (numeric(from) && numeric(to)) ? parseComparable(text, type) : undefined
}

function typedLiteral(node: AstObject): { readonly text: string | null; readonly type: string } | undefined {
  if (isClass(node, 'CONSTANT')) return constantOf(node)
  const inner = child(node, 'child')
  if (!isClass(node, 'CAST') || node.try_cast !== false || inner === undefined || !isClass(inner, 'CONSTANT')) return undefined
  const constant = constantOf(inner)
  const type = textOf(child(node, 'cast_type') ?? {}, 'id')
  return constant?.type === 'VARCHAR' && simpleTypes.has(type) ? { text: constant.text, type } : undefined
}

const simpleTypes = new Set(['DATE', 'TIMESTAMP', 'INTEGER', 'BIGINT', 'DOUBLE', 'VARCHAR'])

function constantOf(node: AstObject): { readonly text: string | null; readonly type: string } | undefined {
  const value = child(node, 'value') ?? {}
  const type = child(value, 'type') ?? {}
  if (value.is_null === true) return { text: null, type: 'NULL' }
  const info = child(type, 'type_info')
  const name = type.id === 'DECIMAL' ? `DECIMAL(${String(info?.width)},${String(info?.scale)})` : textOf(type, 'id')
  return domainOf(name) === undefined ? undefined : { text: literalText(node), type: name }
}

/** Texts that DuckDB's cast to the type can only read as we do. */
function canonical(text: string, type: string): boolean {
  switch (domainOf(type)) {
    case 'text':
      return true
    case 'exact':
      return type.startsWith('DECIMAL') ? decimalFits(text, type) : /^-?\d{1,15}$/.test(text)
    case 'float':
      return /^-?\d+(\.\d+)?$/.test(text)
    case 'time':
      return type === 'DATE' ? /^\d{4}-\d\d-\d\d$/.test(text) : /^\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d{1,6})?)?$/.test(text)
    default:
      return false
  }
}

function decimalFits(text: string, type: string): boolean {
  const [, width = '0', scale = '0'] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? []
  const parts = /^-?(\d+)(?:\.(\d+))?$/.exec(text)
  if (parts === null) return false
  return (parts[2] ?? '').length <= Number(scale) && (parts[1] ?? '').length <= Number(width) - Number(scale)
}
