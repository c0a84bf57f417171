import type { AstObject, AstValue } from '../ast-text.js'
import { child, children, textOf } from '../ast-walk.js'
import { hasAggregate } from './aggregate-calls.js'
import { distinctOf, limitOf } from './modifiers.js'
import { NotSplit } from './not-split.js'
import { isReferenceTo } from './scope.js'

/** Where in a statement the distributed relation is read, and the block that can be shared out with it. */
export interface Place {
  readonly block: AstObject
  /** Query nodes around the block, innermost first, and whether the way to the block leads through FROM alone. */
  readonly outer: readonly AstObject[]
  readonly throughFrom: boolean
}

/**
 * From the reference to the relation outwards: as long as a SELECT works row by row, and reads the relation in a place of its
 * FROM where every row of the relation makes its own rows of the result, the SELECT around it can be shared out in its stead.
 */
export function findBlock(root: AstObject, relation: string): Place {
  const path = pathTo(root, (part) => isReferenceTo(part, relation))
  if (path === undefined) throw new NotSplit(`${relation} is not read`)
  const queries = path.flatMap((part, index) => (part.cte_map === undefined ? [] : [index]))
  let at = queries.length - 1
  checkWay(path, queries[at] ?? 0, path.length - 1)
  while (at > 0 && isRowWise(path[queries[at] ?? 0] as AstObject) && sharesThrough(path, queries[at - 1] ?? 0, queries[at] ?? 0))
    at--
  const outer = queries.slice(0, at).map((index) => path[index] as AstObject)
  return {
    block: path[queries[at] ?? 0] as AstObject,
    outer: outer.toReversed(),
    throughFrom: queries.slice(0, at).every((index) => path[index + 1] === child(path[index] as AstObject, 'from_table')),
  }
}

/** The objects from the root down to the first that is wanted. */
function pathTo(root: AstObject, wanted: (part: AstObject) => boolean): readonly AstObject[] | undefined {
  const path: AstObject[] = []
  return visit(root) ? path : undefined

  function visit(value: AstValue | undefined): boolean {
    if (typeof value !== 'object' || value === null) return false
    if (Array.isArray(value)) return value.some(visit)
    path.push(value)
    if (wanted(value)) return true
    for (const key in value) if (visit(value[key])) return true
    path.pop()
    return false
  }
}

function sharesThrough(path: readonly AstObject[], outer: number, inner: number): boolean {
  try {
    checkWay(path, outer, inner)
    return true
  } catch (error) {
    if (error instanceof NotSplit) return false
    throw error
  }
}

/** The way from a query node to a table of its FROM, or to a query node in a subquery there, keeps rows apart. */
function checkWay(path: readonly AstObject[], from: number, to: number): void {
  const node = path[from] as AstObject
  if (node.type !== 'SELECT_NODE') throw new NotSplit('a set operation')
  if (path[from + 1] !== child(node, 'from_table')) throw new NotSplit('the relation is not in FROM')
  for (let index = from + 1; index < to; index++) {
    const [part, next] = [path[index] as AstObject, path[index + 1]]
    const onLeft = child(part, 'left') === next
    if (part.type === 'JOIN' && (onLeft || child(part, 'right') === next)) checkJoin(part, onLeft)
    // What else holds it is read whole by each row of FROM: a condition of a join, a list of VALUES, a function's argument.
    else if (!isSubquery(part, next) && !isSubquery(path[index - 1], part))
      throw new NotSplit('the relation is read in an expression of FROM')
  }
}

/** True where `inner` is the statement of a subquery in FROM. */
function isSubquery(table: AstObject | undefined, inner: AstObject | undefined): boolean {
  return table?.type === 'SUBQUERY' && table.class === undefined && child(table, 'subquery') === inner
}

function checkJoin(join: AstObject, onLeft: boolean): void {
  const kind = textOf(join, 'join_type')
  const reference = textOf(join, 'ref_type')
  if (reference !== 'REGULAR' && reference !== 'CROSS') throw new NotSplit(`a ${reference} join`)
  const keeps = kind === 'INNER' || (onLeft && ['LEFT', 'SEMI', 'ANTI'].includes(kind)) || (!onLeft && kind === 'RIGHT')
  if (!keeps) throw new NotSplit(`the large side of a ${kind} join is not the one that is kept`)
}

/** A SELECT that makes of each row, alone, its rows of the result. */
export function isRowWise(node: AstObject): boolean {
  return (
    node.type === 'SELECT_NODE' &&
    !isGrouped(node) &&
    child(node, 'qualify') === undefined &&
    distinctOf(node) === undefined &&
    limitOf(node) === undefined
  )
}

/** True for a SELECT with groups or aggregates. */
export function isGrouped(node: AstObject): boolean {
  return (
    children(node, 'group_expressions').length > 0 ||
    node.aggregate_handling === 'FORCE_AGGREGATES' ||
    child(node, 'having') !== undefined ||
    children(node, 'select_list').some(hasAggregate) ||
    children(node, 'modifiers').some(hasAggregate)
  )
}
