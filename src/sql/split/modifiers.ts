import { type AstObject, numberText } from '../ast-text.js'
import { child, children } from '../ast-walk.js'

/** The items of a query node's ORDER BY; empty where it has none. */
export function ordersOf(node: AstObject): readonly AstObject[] {
  const modifier = children(node, 'modifiers').find((candidate) => candidate.type === 'ORDER_MODIFIER')
  return modifier === undefined ? [] : children(modifier, 'orders')
}

export function limitOf(node: AstObject): AstObject | undefined {
  return children(node, 'modifiers').find(
    (modifier) => modifier.type === 'LIMIT_MODIFIER' || modifier.type === 'LIMIT_PERCENT_MODIFIER',
  )
}

export function distinctOf(node: AstObject): AstObject | undefined {
  return children(node, 'modifiers').find((modifier) => modifier.type === 'DISTINCT_MODIFIER')
}

/** How many rows of the order's beginning a LIMIT needs, offset included; undefined where it is not plain numbers. */
export function rowsNeeded(limit: AstObject): number | undefined {
  if (limit.type !== 'LIMIT_MODIFIER') return undefined
  const rows = wholeNumber(child(limit, 'limit'))
  const offset = child(limit, 'offset') === undefined ? 0 : wholeNumber(child(limit, 'offset'))
  if (rows === undefined || offset === undefined) return undefined
  return Number.isSafeInteger(rows + offset) ? rows + offset : undefined
}

function wholeNumber(expression: AstObject | undefined): number | undefined {
  const value = expression?.class === 'CONSTANT' ? child(expression, 'value') : undefined
  const text = value === undefined ? undefined : numberText(value.value)
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/** `GROUP BY 2`, `ORDER BY 2` */
export function ordinalOf(expression: AstObject): number | undefined {
  return wholeNumber(expression)
}
