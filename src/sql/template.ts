import type { AstObject, AstValue } from './ast-text.js'
import { numberText } from './ast-text.js'
import { child, children, isClass, isObject, textConstant, textOf } from './ast-walk.js'

/** Stands for a literal in the tree until the tree is text: a private character that no SQL is likely to hold. */
const hole = '\ue0f0'

export interface Shape {
  /** The tree with every literal taken out: print it and give the text to `templateText`. */
  readonly node: AstObject
  /** Text of each literal, in the order of the tree. */
  readonly literals: readonly string[]
  /** Where each stands in the statement's text, as the parser has it. */
  readonly places: readonly AstValue[]
}

/**
 * Takes literals and parameters out of a tree, so that the same question about another day has the same text. Positions in
 * GROUP BY and ORDER BY are shape, not literals.
 */
export function shapeOf(node: AstObject, parameter: (name: string) => string): Shape {
  const literals: string[] = []
  const places: AstValue[] = []
  const put = (text: string, literal: AstObject): void => {
    literals.push(text)
    places.push(literal.query_location ?? null)
  }
  const take = (value: AstValue): AstValue => {
    if (Array.isArray(value)) return value.map(take)
    if (!isObject(value)) return value
    if (isClass(value, 'CONSTANT')) {
      put(literalText(value), value)
      return { ...textConstant(hole), alias: value.alias ?? '' }
    }
    if (isClass(value, 'PARAMETER')) {
      put(parameter(textOf(value, 'identifier')), value)
      return { ...textConstant(hole), alias: value.alias ?? '' }
    }
    const short = shortened(value, 1, (dropped) => put(literalText(dropped), dropped))
    const copy: AstObject = {}
    for (const key in short) {
      const inner = short[key] as AstValue
      const positions = key === 'group_expressions' || key === 'orders'
      copy[key] = positions && Array.isArray(inner) ? inner.map((item) => (isPosition(item) ? item : take(item))) : take(inner)
    }
    return copy
  }
  return { node: take(node) as AstObject, literals, places }
}

/**
 * An IN list of more than `most` constants of one type, cut to that many; any other node as it is. `drop` sees what goes.
 * Neither the shape of a statement nor what its columns come from depends on how long such a list is.
 */
export function shortened(node: AstObject, most: number, drop: (constant: AstObject) => void = () => undefined): AstObject {
  if (node.type !== 'COMPARE_IN' && node.type !== 'COMPARE_NOT_IN') return node
  const [input, ...values] = children(node)
  const typeOf = (value: AstObject): string => JSON.stringify(child(value, 'value')?.type ?? null)
  const type = values[0] === undefined ? '' : typeOf(values[0])
  if (
    input === undefined ||
    values.length <= most ||
    !values.every((value) => isClass(value, 'CONSTANT') && typeOf(value) === type)
  ) {
    return node
  }
  for (const value of values.slice(most)) drop(value)
  return { ...node, children: [input, ...values.slice(0, most)] }
}

/** `x IN (?, ?)` → `x IN (?)`: lists of any length are one shape, as are rows of VALUES. */
export function templateText(printed: string): string {
  return printed
    .replaceAll(`'${hole}'`, '?')
    .replace(/\?(?:, \?)+/g, '?')
    .replace(/\(\?\)(?:, \(\?\))+/g, '(?)')
}

function isPosition(item: AstValue): boolean {
  if (!isObject(item)) return false
  const expression = isClass(item, 'CONSTANT') ? item : child(item, 'expression')
  const type = child(child(expression ?? {}, 'value') ?? {}, 'type')
  return expression !== undefined && isClass(expression, 'CONSTANT') && type?.id === 'INTEGER'
}

/** The text of a constant as SQL would have it, without quotes. */
export function literalText(constant: AstObject): string {
  const value = child(constant, 'value') ?? {}
  if (value.is_null === true) return 'NULL'
  const inner = value.value
  if (isObject(inner) && 'upper' in inner) {
    const upper = BigInt(numberText(inner.upper) ?? '0')
    return String((upper << 64n) + BigInt(numberText(inner.lower) ?? '0'))
  }
  if (isObject(inner))
    return children(inner, 'children')
      .map((item) => literalText({ value: item }))
      .join(', ')
  const digits = numberText(inner)
  if (digits === undefined) return inner === undefined ? '' : String(inner)
  const type = child(value, 'type') ?? {}
  return type.id === 'DECIMAL' ? decimalText(digits, Number(child(type, 'type_info')?.scale ?? 0)) : digits
}

/** Unscaled digits → decimal notation: `-15`, scale 1 → `-1.5`. */
function decimalText(digits: string, scale: number): string {
  if (scale === 0) return digits
  const negative = digits.startsWith('-')
  const padded = digits.replace('-', '').padStart(scale + 1, '0')
  return `${negative ? '-' : ''}${padded.slice(0, -scale)}.${padded.slice(-scale)}`
}
