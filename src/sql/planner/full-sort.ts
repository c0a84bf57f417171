import { call, castTo, integer } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { child, children, rewrite, textOf, walk } from '../ast-walk.js'
import { limitOf, ordersOf } from '../split/modifiers.js'
import type { PlacedChange } from './placed-change.js'

/**
 * DuckDB answers a constant LIMIT by a top-n, and filters the scan of the first key by the last row that the top-n holds. Through
 * the side of an outer join that may be missing this is wrong where NULLs come first (DuckDB 1.5.6): the partners of a row that
 * the filter drops get NULLs, and move to the top. Which side is scanned so is for its optimizer to choose, as it turns joins
 * round. With NULLs last such partners stay behind the rows that are taken.
 *
 * An OFFSET that is not known beforehand leaves the filter out, and the whole top-n with it; no setting leaves out the filter alone.
 * Rejected: another first key, which positions, aliases, ALL, DISTINCT and set operations do not allow; `OFFSET (SELECT 0)`,
 * which set operations do not allow either.
 */
const unknownZero = castTo(call('*', [integer(0), call('random', [])]), 'BIGINT')
const outerJoins = new Set(['LEFT', 'RIGHT', 'FULL'])

/** Sorts in full wherever a top-n may give wrong rows. Correlated subqueries allow no such OFFSET, and get no top-n either. */
export const fullSort: PlacedChange = { mayBeNeeded: hasOuterJoin, make: sortSome }

function hasOuterJoin(tree: AstObject): boolean {
  let found = false
  walk(tree, (part) => {
    found ||= part.type === 'JOIN' && outerJoins.has(textOf(part, 'join_type'))
    return !found
  })
  return found
}

function takesNullsFirst(node: AstObject): boolean {
  const limit = limitOf(node)
  if (limit?.type !== 'LIMIT_MODIFIER' || child(limit, 'limit') === undefined) return false
  return ordersOf(node)[0]?.null_order === 'NULLS FIRST'
}

function sortSome(tree: AstObject, isWanted: (place: number) => boolean): AstObject {
  let place = 0
  return rewrite(tree, (node) => (takesNullsFirst(node) && isWanted(place++) ? withUnknownOffset(node) : undefined)) as AstObject
}

function withUnknownOffset(node: AstObject): AstObject {
  const modifiers = children(node, 'modifiers').map((modifier) => {
    if (modifier.type !== 'LIMIT_MODIFIER') return modifier
    const offset = child(modifier, 'offset')
    return { ...modifier, offset: offset === undefined ? unknownZero : call('+', [offset, unknownZero]) }
  })
  return { ...node, modifiers }
}
