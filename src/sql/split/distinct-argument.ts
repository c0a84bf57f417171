import { foldName } from '../../model/fold-name.js'
import { call, caseWhen, withAlias } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { child, children, nullConstant, textOf } from '../ast-walk.js'
import { canonical } from './canonical.js'
import { NotSplit } from './not-split.js'

/** These give the same with and without DISTINCT. */
const distinctBlind = new Set(['min', 'max', 'bool_and', 'bool_or', 'bit_and', 'bit_or'])

/** True for a call whose DISTINCT changes what it gives. */
export function needsDistinct(node: AstObject): boolean {
  return node.distinct === true && !distinctBlind.has(foldName(textOf(node, 'function_name')))
}

export interface DistinctArgument {
  readonly argument: AstObject
  readonly form: string
}

/** The one expression whose distinct values the DISTINCT aggregates share, with their filter folded in. */
export function distinctArgument(calls: readonly AstObject[]): DistinctArgument | undefined {
  let found: DistinctArgument | undefined
  for (const node of calls.filter(needsDistinct)) {
    const [argument, second] = children(node)
    if (argument === undefined || second !== undefined) throw new NotSplit('DISTINCT of several arguments')
    if (children(child(node, 'order_bys') ?? {}, 'orders').length > 0) throw new NotSplit('DISTINCT with ORDER BY inside')
    const filter = child(node, 'filter')
    const key = filter === undefined ? argument : caseWhen(filter, argument, nullConstant())
    const form = canonical(key)
    if (found !== undefined && found.form !== form) throw new NotSplit('DISTINCT aggregates of different arguments')
    found = { argument: withAlias(key, ''), form }
  }
  return found
}

/** The call over values that are one for each group and distinct value. */
export function distinctCall(node: AstObject, key: AstObject): AstObject {
  return call(textOf(node, 'function_name'), [key], { distinct: true })
}
