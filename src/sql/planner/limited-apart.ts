import { baseTable, select, star } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { child, children, rewrite, walk } from '../ast-walk.js'
import { limitOf } from '../split/modifiers.js'

/**
 * DuckDB filters what it joins by the least and the greatest key of the other side, and sends that filter below the LIMIT of a
 * subquery, which then takes its rows from those that are left (DuckDB 1.5.6; a race where the subquery has an ORDER BY). What is
 * computed apart, as a CTE that is materialized, is out of reach of it, and as fast. No setting keeps that filter above a LIMIT;
 * without it every join would read all of its tables.
 */
const name = '__fb_limited'

/** Finds the query nodes in FROM and in CTEs that a LIMIT cuts off, wherever something is joined or compared with a subquery. */
export function limitedApart(tree: AstObject): AstObject {
  return mayFilter(tree) ? setApart(tree, () => true) : tree
}

/** The same where `binds` says that it still binds: a subquery that refers to what it is joined with may not. */
export async function limitedApartWhereBound(tree: AstObject, binds: (tree: AstObject) => Promise<boolean>): Promise<AstObject> {
  const places = mayFilter(tree) ? countPlaces(tree) : 0
  const bound = new Set<number>()
  for (let place = 0; place < places; place++) {
    if (await binds(setApart(tree, (candidate) => candidate === place))) bound.add(place)
  }
  return bound.size === 0 ? tree : setApart(tree, (candidate) => bound.has(candidate))
}

function mayFilter(tree: AstObject): boolean {
  let found = false
  walk(tree, (part) => {
    found ||= part.type === 'JOIN' || part.class === 'SUBQUERY'
    return !found
  })
  return found
}

function countPlaces(tree: AstObject): number {
  let places = 0
  setApart(tree, () => {
    places += 1
    return false
  })
  return places
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
  if (limitOf(node) !== undefined) return true
  return node.type === 'SET_OPERATION_NODE' && partsOf(node).some(isCutOff)
}

function partsOf(node: AstObject): readonly AstObject[] {
  return [child(node, 'left'), child(node, 'right'), ...children(node)].filter((part) => part !== undefined)
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
