import { partialsRelation } from '../../model/query.js'
import { baseTable, columnRef, integer, select, star, subqueryTable, withAlias } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { child, children, walk } from '../ast-walk.js'
import { hasTwinValues } from './aggregates.js'
import type { Block, BlockSplit } from './block.js'
import { distinctOf, limitOf, ordersOf, rowsNeeded } from './modifiers.js'
import { NotSplit } from './not-split.js'
import { isTotalOrder, orderTargets, unnests } from './order-targets.js'

/**
 * A SELECT without groups: filters, projections, joins, DISTINCT, and the first rows of a total order. Partials are its rows
 * under names of our own (c0, c1, …), with what it is sorted by beside them (o0, …) where the result does not show that.
 */
export async function splitRows(block: Block): Promise<BlockSplit> {
  const { node, columns } = block
  const distinct = distinctOf(node)
  const limit = limitOf(node)
  checkDistinct(block, distinct)
  if (limit !== undefined) checkLimit(block, limit)
  const targets = orderTargets(node, columns)
  const hidden = hiddenOrders(node, targets, distinct !== undefined)
  const names = [...columns.map((_, index) => `c${index}`), ...hidden.map((_, index) => `o${index}`)]
  const order = sortedBy(node, targets, columns.length)
  const needed = limit === undefined ? undefined : rowsNeeded(limit)
  const first = needed === undefined ? [] : [...order, takeFirst(needed)]
  const distinctModifiers = distinct === undefined ? [] : [distinct]
  const inner = {
    ...node,
    select_list: [...children(node, 'select_list'), ...hidden],
    modifiers: [...distinctModifiers, ...first],
    cte_map: { map: [...block.ctes] },
  }
  const items = columns.map((column, index) => withAlias(columnRef(partialsRelation, `c${index}`), column.name))
  return {
    leaf: select({ items: [star()], from: subqueryTable(inner, '__rows', names) }),
    merge: select({
      items: names.map((name) => withAlias(columnRef(partialsRelation, name), name)),
      from: baseTable(partialsRelation),
      modifiers: [...distinctModifiers, ...first],
    }),
    root: select({
      items,
      from: baseTable(partialsRelation),
      modifiers: [...distinctModifiers, ...rootOrder(node, targets, columns.length), ...(limit === undefined ? [] : [limit])],
    }),
    partial: needed !== undefined ? 'limited' : distinct !== undefined ? 'groups' : 'rows',
    ...(needed === undefined ? {} : { partialRowsMax: needed }),
    groupColumns: [],
    exact: true,
    inexactColumns: [],
    what: needed !== undefined ? 'the first rows' : distinct !== undefined ? 'distinct rows' : 'rows',
  }
}

function checkDistinct(block: Block, distinct: AstObject | undefined): void {
  if (distinct === undefined) return
  for (const column of block.columns) if (hasTwinValues(column.type)) throw new NotSplit(`DISTINCT of ${column.type}`)
}

function checkLimit(block: Block, limit: AstObject): void {
  if (!isTotalOrder(block.node, block.columns)) throw new NotSplit('LIMIT without a total order')
  for (const column of block.columns) if (hasTwinValues(column.type)) throw new NotSplit(`LIMIT over ${column.type}`)
  walk(limit, (part) => {
    if (part.class === 'SUBQUERY') throw new NotSplit('a subquery in LIMIT')
    return true
  })
}

/** Expressions of ORDER BY that are not columns of the result. */
function hiddenOrders(node: AstObject, targets: readonly unknown[], distinct: boolean): readonly AstObject[] {
  const hidden = ordersOf(node)
    .filter((_, index) => targets[index] === undefined)
    .map((order) => withAlias(child(order, 'expression') as AstObject, ''))
  if (hidden.length > 0 && distinct) throw new NotSplit('DISTINCT ordered by what it does not show')
  // At the end of the select list a name means what it means in ORDER BY; an unnest called by its alias would be done twice.
  if (hidden.length > 0 && children(node, 'select_list').some(unnests)) throw new NotSplit('unnest ordered by what is not shown')
  return hidden
}

/** The order by positions in the partials: the columns of the result first, then what is hidden. */
function sortedBy(node: AstObject, targets: readonly (number | 'all' | undefined)[], columns: number): readonly AstObject[] {
  let nextHidden = columns
  const orders = ordersOf(node).flatMap((order, index) => {
    const target = targets[index]
    if (target === 'all') return Array.from({ length: columns }, (_, at) => ({ ...order, expression: integer(at + 1) }))
    return [{ ...order, expression: integer(target === undefined ? ++nextHidden : target + 1) }]
  })
  return orders.length === 0 ? [] : [{ type: 'ORDER_MODIFIER', orders }]
}

/** The same for the root, where what is hidden is no column of the result. */
function rootOrder(node: AstObject, targets: readonly (number | 'all' | undefined)[], columns: number): readonly AstObject[] {
  return sortedBy(node, targets, columns).map((modifier) => ({
    ...modifier,
    orders: children(modifier, 'orders').map((order) => {
      const position = child(child(order, 'expression') ?? {}, 'value')?.value
      if (typeof position !== 'number' || position <= columns) return order
      return { ...order, expression: columnRef(partialsRelation, `o${position - columns - 1}`) }
    }),
  }))
}

function takeFirst(rows: number): AstObject {
  const value = { type: { id: 'BIGINT', type_info: null }, is_null: false, value: rows }
  const limit = { class: 'CONSTANT', type: 'VALUE_CONSTANT', alias: '', query_location: 0, value }
  return { type: 'LIMIT_MODIFIER', limit, offset: null }
}
