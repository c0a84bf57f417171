import { foldName } from '../../model/fold-name.js'
import type { Column } from '../../model/segment.js'
import type { AstObject } from '../ast-text.js'
import { child, children, textOf, texts, walk } from '../ast-walk.js'
import { groupSetsCount } from './block.js'
import { canonical } from './canonical.js'
import { isGrouped } from './find-block.js'
import { ordersOf, ordinalOf } from './modifiers.js'
import { NotSplit } from './not-split.js'
import { fromItems } from './scope.js'

/** What an ORDER BY item sorts by: a column of the result (from 0), all of them, or something that the result does not show. */
export type OrderTarget = number | 'all' | undefined

/** Aligned with the ORDER BY list of a query node whose result has these columns. */
export function orderTargets(node: AstObject, columns: readonly Column[]): readonly OrderTarget[] {
  const items = children(node, 'select_list')
  const positions = positionsOf(items, columns.length)
  return ordersOf(node).map((order) => target(child(order, 'expression') as AstObject))

  function target(expression: AstObject): OrderTarget {
    if (expression.class === 'STAR') return 'all'
    const ordinal = ordinalOf(expression)
    if (ordinal !== undefined) return ordinal - 1
    const [name, more] = texts(expression, 'column_names')
    const bare = expression.class === 'COLUMN_REF' && name !== undefined && more === undefined ? foldName(name) : undefined
    if (bare !== undefined) {
      checkName(node, bare, columns)
      const aliased = items.flatMap((item, index) => (foldName(textOf(item, 'alias')) === bare ? [index] : []))
      const last = aliased.at(-1)
      // Of equal aliases the last one counts. A column added for the name would be the table's, and not the alias's.
      if (last !== undefined && positions[last] === undefined) throw new NotSplit('ORDER BY an alias beside stars')
      if (last !== undefined) return positions[last]
    }
    const same = items.findIndex((item) => item.class !== 'STAR' && canonical(item) === canonical(expression))
    if (same >= 0 && positions[same] !== undefined) return positions[same]
    return bare === undefined ? undefined : byName(bare)
  }

  /** A name that only a star, or a side of a set operation, can have brought into the result. */
  function byName(name: string): OrderTarget {
    if (node.type === 'SELECT_NODE' && !items.every(isStar)) return undefined
    const found = columns.flatMap((column, index) => (foldName(column.name) === name ? [index] : []))
    return found.length === 1 ? found[0] : undefined
  }
}

/**
 * Refuses a name in ORDER BY that may be a column of the result and not the one of FROM: one that an outer join has merged, where
 * the select list shows a side's own, and one that a star gives to what it has replaced, renamed or computed.
 */
function checkName(node: AstObject, name: string, columns: readonly Column[]): void {
  const found = columns.filter((column) => foldName(column.name) === name).length
  if (node.type !== 'SELECT_NODE' || found === 0) return
  const items = children(node, 'select_list')
  const from = child(node, 'from_table') ?? {}
  if (items.some((item) => showsSide(item, name)) && mergesOuter(from, name)) {
    throw new NotSplit(`ORDER BY ${name}, of which an outer join's side is shown`)
  }
  const isOfStar = found === 1 && items.every(isStar)
  const isUnclear = items.some((item) => isOfStruct(item, from) || (!isOfStar && renames(item)))
  if (isUnclear) throw new NotSplit(`ORDER BY ${name} beside a star that gives names`)
}

/** `t.*`, or `t.name` under its own name. */
export function showsSide(item: AstObject, name: string): boolean {
  if (item.class === 'STAR') return textOf(item, 'relation_name') !== ''
  const names = item.class === 'COLUMN_REF' && textOf(item, 'alias') === '' ? texts(item, 'column_names') : []
  return names.length > 1 && foldName(names.at(-1) ?? '') === name
}

/** True where a join that may leave out one side takes columns of this name together. */
function mergesOuter(from: AstObject, name: string): boolean {
  if (from.type !== 'JOIN') return false
  const isOuter = ['LEFT', 'RIGHT', 'FULL'].includes(textOf(from, 'join_type'))
  const merges = from.ref_type === 'NATURAL' || texts(from, 'using_columns').some((column) => foldName(column) === name)
  return (isOuter && merges) || ['left', 'right'].some((side) => mergesOuter(child(from, side) ?? {}, name))
}

/** `s.*` of a column, whose fields ORDER BY does not call by their names. */
function isOfStruct(item: AstObject, from: AstObject): boolean {
  const relation = foldName(textOf(item, 'relation_name'))
  if (item.class !== 'STAR' || relation === '') return false
  return !fromItems(from).some((table) => foldName(textOf(table, 'alias') || textOf(table, 'table_name')) === relation)
}

/** A star whose columns may have other names than those of FROM, or the names of those for something else. */
function renames(item: AstObject): boolean {
  if (item.class !== 'STAR') return has(item, (part) => part.class === 'STAR')
  return textOf(item, 'alias') !== '' || ['replace_list', 'rename_list'].some((list) => children(item, list).length > 0)
}

/** A star that is no `COLUMNS(…)`. */
function isStar(item: AstObject): boolean {
  return item.class === 'STAR' && item.columns === false
}

/** The result column of each select item; undefined where stars before and after it leave that open. */
function positionsOf(items: readonly AstObject[], columns: number): readonly (number | undefined)[] {
  const expanding = items.flatMap((item, index) => (expands(item) ? [index] : []))
  const [first, second] = expanding
  if (first === undefined) return items.map((_, index) => index)
  return items.map((_, index) => {
    if (index < first) return index
    return second === undefined && index > first ? columns - items.length + index : undefined
  })
}

/** A select item that may become several columns. */
function expands(item: AstObject): boolean {
  return has(item, (part) => part.class === 'STAR') || unnests(item)
}

/** A select item that may become several rows. */
export function unnests(item: AstObject): boolean {
  return has(item, (part) => part.class === 'FUNCTION' && foldName(textOf(part, 'function_name')) === 'unnest')
}

function has(item: AstObject, wanted: (part: AstObject) => boolean): boolean {
  let found = false
  walk(item, (part) => {
    found ||= wanted(part)
    return !found && part.class !== 'SUBQUERY'
  })
  return found
}

/** True where the order leaves no choice about which rows come first, except among equal ones. */
export function isTotalOrder(node: AstObject, columns: readonly Column[]): boolean {
  if (isSingleRow(node)) return true
  const targets = orderTargets(node, columns)
  if (targets.includes('all')) return true
  const items = children(node, 'select_list')
  const positions = positionsOf(items, columns.length)
  const constant = new Set(positions.filter((_, index) => items[index]?.class === 'CONSTANT'))
  if (columns.every((_, index) => targets.includes(index) || constant.has(index))) return true
  return groupsOrdered(node, items)
}

function isSingleRow(node: AstObject): boolean {
  return (
    node.type === 'SELECT_NODE' &&
    isGrouped(node) &&
    children(node, 'group_expressions').length === 0 &&
    node.aggregate_handling !== 'FORCE_AGGREGATES'
  )
}

/** Every group key is an order key, and nothing gives another row the same keys: no further grouping set, no unnest. */
function groupsOrdered(node: AstObject, items: readonly AstObject[]): boolean {
  const keys = children(node, 'group_expressions')
  if (node.type !== 'SELECT_NODE' || keys.length === 0 || groupSetsCount(node) > 1 || items.some(unnests)) return false
  const meaning = (expression: AstObject): string => {
    const ordinal = ordinalOf(expression)
    const item = ordinal === undefined ? undefined : items[ordinal - 1]
    return canonical(item ?? expression)
  }
  const ordered = new Set(ordersOf(node).map((order) => meaning(child(order, 'expression') as AstObject)))
  return keys.every((key) => ordered.has(meaning(key)))
}
