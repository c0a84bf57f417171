import { baseTable, select, star } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { child, rewrite, walk } from '../ast-walk.js'
import { limitOf } from '../split/modifiers.js'
import type { PlacedChange } from './placed-change.js'

/**
 * DuckDB filters what it joins by the least and the greatest key of the other side, and sends that filter below the LIMIT of a
 * subquery, which then takes its rows from those that are left (DuckDB 1.5.6; a race where the subquery has an ORDER BY). What is
 * computed apart, as a CTE that is materialized, is out of reach of it, and as fast. No setting keeps that filter above a LIMIT;
 * without it every join would read all of its tables.
 */
const name = '__fb_limited'

/**
 * Computes apart what a LIMIT cuts off in FROM and in CTEs, wherever something is joined or compared with a subquery. One that refers
 * to what it is joined with may not bind so.
 */
export const limitedApart: PlacedChange = { mayBeNeeded: mayFilter, make: setApart }

function mayFilter(tree: AstObject): boolean {
  let found = false
  walk(tree, (part) => {
    found ||= part.type === 'JOIN' || part.class === 'SUBQUERY'
    return !found
  })
  return found
}

function setApart(tree: AstObject, isWanted: (place: number) => boolean): AstObject {
  let place = 0
  return rewrite(tree, (part) => {
    const node = child(child(part, 'subquery') ?? {}, 'node')
    if (part.type === 'SUBQUERY' && part.class === undefined && node !== undefined && isCutOff(node)) {
      return isWanted(place++) ? { ...part, subquery: { node: materialized(node), named_param_map: [] } } : undefined
    }
    const query = child(child(part, 'query') ?? {}, 'node')
    if (part.materialized === undefined || query === undefined || !isCutOff(query)) return undefined
    return isWanted(place++) ? { ...part, materialized: 'CTE_MATERIALIZE_ALWAYS' } : undefined
  }) as AstObject
}

/** Whether a LIMIT cuts off a query, or a part of what it unites. */
function isCutOff(node: AstObject): boolean {
  return (
    limitOf(node) !== undefined ||
    [child(node, 'left'), child(node, 'right')].some((part) => part !== undefined && isCutOff(part))
  )
}

function materialized(node: AstObject): AstObject {
  const value = {
    aliases: [],
    query: { node, named_param_map: [] },
    materialized: 'CTE_MATERIALIZE_ALWAYS',
    key_targets: [],
  }
  return select({ items: [star()], from: baseTable(name), ctes: [{ key: name, value }] })
}
