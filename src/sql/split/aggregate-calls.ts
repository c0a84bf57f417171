import { foldName } from '../../model/fold-name.js'
import type { AstObject } from '../ast-text.js'
import { textOf, walk } from '../ast-walk.js'
import { isAggregate } from './aggregate-names.js'

export function isAggregateCall(node: AstObject): boolean {
  return node.class === 'FUNCTION' && isAggregate(foldName(textOf(node, 'function_name')))
}

/** True where an aggregate of this SELECT itself, not of a subquery in it, is called. */
export function hasAggregate(expression: AstObject): boolean {
  let found = false
  walk(expression, (part) => {
    if (part.class === 'SUBQUERY' && part !== expression) return false
    found ||= isAggregateCall(part)
    return !found
  })
  return found
}
