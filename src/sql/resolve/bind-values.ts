import { ForebayError } from '../../model/errors.js'
import { foldName } from '../../model/fold-name.js'
import type { ParameterValue } from '../../model/query.js'
import type { Locate } from '../allow/check-allowed.js'
import { type AstObject, numberText } from '../ast-text.js'
import { child, children, isClass, nullConstant, rewrite, textConstant, textOf, texts, typedConstant, walk } from '../ast-walk.js'
import { literalText } from '../template.js'
import { sessionColumns } from './clock-functions.js'
import { isClockWord } from './clock-words.js'

export interface BoundValues {
  readonly node: AstObject
  /** Types of the parameters in the order of their first use. */
  readonly parameterTypes: readonly string[]
}

/**
 * Replaces parameters, and constants that DuckDB would print as another type, by typed literals. Answers keep the column names
 * that they would have had.
 */
export function bindValues(node: AstObject, params: Readonly<Record<string, ParameterValue>>): BoundValues {
  const types = new Map<string, string>()
  const bound = rewrite(node, (part) => {
    if (isClass(part, 'PARAMETER')) {
      const name = textOf(part, 'identifier')
      const literal = parameterLiteral(name, params[name] ?? null)
      types.set(name, literal.type)
      return { ...literal.node, alias: part.alias ?? '' }
    }
    return isClass(part, 'CONSTANT') ? exactConstant(part) : undefined
  })
  return { node: bound as AstObject, parameterTypes: [...types.values()] }
}

/** Refuses parameters without a value, values without a parameter and values of no scalar type. */
export function checkParameters(node: AstObject, params: Readonly<Record<string, unknown>>, locate: Locate): void {
  const used = new Set<string>()
  walk(node, (part) => {
    if (!isClass(part, 'PARAMETER')) return true
    const name = textOf(part, 'identifier')
    used.add(name)
    if (!Object.hasOwn(params, name)) {
      const position = locate(part)
      throw new ForebayError('PARAMETER_INVALID', `parameter "${name}" has no value`, {
        hint: `give it in params, e.g. {"${name}": …}, or with --param ${name}=…`,
        ...(position === undefined ? {} : { position }),
      })
    }
    return true
  })
  for (const [name, value] of Object.entries(params)) {
    if (!used.has(name)) throw new ForebayError('PARAMETER_INVALID', `parameter "${name}" is not used by the statement`)
    if (value !== null && !['string', 'number', 'boolean'].includes(typeof value)) {
      throw new ForebayError('PARAMETER_INVALID', `parameter "${name}" must be a string, a number, a boolean or null`)
    }
  }
}

/** Refuses `rowid`, and `current_user` and its kin, which are columns in the tree, unless a table has such a column. */
export function checkSessionColumns(node: AstObject, isColumn: (name: string) => boolean, locate: Locate): void {
  walk(node, (part) => {
    if (!isClass(part, 'COLUMN_REF')) return true
    const names = texts(part, 'column_names').map(foldName)
    const name = names.at(-1) ?? ''
    const position = locate(part)
    const at = position === undefined ? {} : { position }
    // The stand-in has row ids, the files have not.
    if (name === 'rowid' && !isColumn(name)) throw new ForebayError('NAME_NOT_FOUND', 'tables have no column "rowid"', at)
    if (names.length > 1 || !sessionColumns.has(name) || isColumn(name)) return true
    throw new ForebayError('NOT_ALLOWED', `"${name}" is not allowed`, at)
  })
}

/** Every name that something in the statement gives to a column. */
export function columnNames(node: AstObject, columns: Iterable<string>): ReadonlySet<string> {
  const names = new Set<string>()
  for (const column of columns) names.add(foldName(column))
  walk(node, (part) => {
    if (textOf(part, 'alias') !== '') names.add(foldName(textOf(part, 'alias')))
    for (const name of [...texts(part, 'column_name_alias'), ...texts(part, 'aliases')]) names.add(foldName(name))
    // The clock in a subquery's select list is a column outside of it; the statement's own select list has no outside.
    for (const item of part === node ? [] : children(part, 'select_list').filter(isClockWord)) {
      for (const name of texts(item, 'column_names')) names.add(foldName(name))
    }
    // The parameters of a lambda are columns in the tree too.
    const parameters = isClass(part, 'LAMBDA') ? child(part, 'lhs') : undefined
    if (parameters !== undefined) {
      walk(parameters, (inner) => {
        for (const name of texts(inner, 'column_names')) names.add(foldName(name))
        return true
      })
    }
    return true
  })
  return names
}

function parameterLiteral(name: string, value: ParameterValue): { readonly node: AstObject; readonly type: string } {
  if (value === null) return { node: nullConstant(), type: 'NULL' }
  if (typeof value === 'string') {
    // DuckDB's parser ends a text there.
    if (value.includes('\0')) {
      throw new ForebayError('PARAMETER_INVALID', `parameter "${name}" holds a zero byte`, {
        hint: 'write it in the SQL, e.g. $a || chr(0) || $b',
      })
    }
    return { node: textConstant(value), type: 'VARCHAR' }
  }
  if (typeof value === 'boolean') return typed(value ? 'true' : 'false', 'BOOLEAN')
  if (typeof value !== 'number') throw new ForebayError('PARAMETER_INVALID', `parameter "${name}" must be a scalar`)
  if (!Number.isInteger(value)) return typed(doubleText(value), 'DOUBLE')
  if (!Number.isSafeInteger(value)) {
    throw new ForebayError('PARAMETER_INVALID', `parameter "${name}" is beyond 2^53 and would lose digits`, {
      hint: 'give it as a string and cast it in the SQL',
    })
  }
  return typed(String(value), value >= -2147483648 && value <= 2147483647 ? 'INTEGER' : 'BIGINT')
}

function typed(text: string, type: string): { readonly node: AstObject; readonly type: string } {
  return { node: typedConstant(text, type), type }
}

/**
 * True for constants that DuckDB prints as text of another type: the DOUBLE 1e3 as the DECIMAL `1000.0`, the DECIMAL `5.` as `5`,
 * the DECIMAL(3,1) `00.5` as `0.5`.
 */
export function printsAsAnotherType(node: AstObject): boolean {
  const value = child(node, 'value') ?? {}
  const type = child(value, 'type') ?? {}
  if (type.id !== 'DECIMAL') return type.id === 'DOUBLE' || type.id === 'FLOAT'
  const { width, scale } = child(type, 'type_info') ?? {}
  const digits = numberText(value.value)?.replace('-', '').length
  // As many digits before the point as there are, but one where the type has a place for it.
  const printedWidth = digits === undefined ? width : Math.max(digits, Number(scale) + (width === scale ? 0 : 1))
  return scale === 0 || printedWidth !== width
}

function exactConstant(node: AstObject): AstObject | undefined {
  if (!printsAsAnotherType(node)) return undefined
  const type = child(child(node, 'value') ?? {}, 'type')
  if (type === undefined) return undefined
  return { ...typedConstant(literalText(node), textOf(type, 'id'), node.alias ?? ''), cast_type: type }
}

function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity'
  return Object.is(value, -0) ? '-0.0' : String(value)
}
