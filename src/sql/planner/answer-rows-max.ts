import { foldName } from '../../model/fold-name.js'
import { partialsRelation } from '../../model/query.js'
import type { AstObject } from '../ast-text.js'
import { child, children, isClass, textOf, walk } from '../ast-walk.js'
import { hasAggregate } from '../split/aggregate-calls.js'
import { limitOf, rowsNeeded } from '../split/modifiers.js'

/** Functions in a select list that make several rows of one. */
const multiplying = new Set(['unnest', 'unlist', 'generate_subscripts'])

/** The most rows that a statement can give, where its text says so: a LIMIT, or aggregates over everything. */
export function answerRowsMax(node: AstObject): number | undefined {
  const limit = limitOf(node)
  const limited = limit === undefined ? undefined : rowsNeeded(limit)
  return limited ?? (isOneRow(node) ? 1 : undefined)
}

/** Whether a statement reads one table and surely gives at most a row for each of its rows, or one where there is none. */
export function givesNoMoreRows(node: AstObject): boolean {
  const from = child(node, 'from_table')
  // Partials may be merged before the rest reads them.
  const isTable = from?.type === 'BASE_TABLE' || (from !== undefined && textOf(from, 'alias') === partialsRelation)
  const sets = Array.isArray(node.group_sets) ? node.group_sets.length : 0
  return node.type === 'SELECT_NODE' && isTable && sets <= 1 && !children(node, 'select_list').some(multiplies)
}

function isOneRow(node: AstObject): boolean {
  const items = children(node, 'select_list')
  const grouped = children(node, 'group_expressions').length > 0 || textOf(node, 'aggregate_handling') === 'FORCE_AGGREGATES'
  if (node.type !== 'SELECT_NODE' || grouped || child(node, 'qualify') !== undefined) return false
  return items.some(hasAggregate) && !items.some(multiplies)
}

function multiplies(item: AstObject): boolean {
  let found = false
  walk(item, (part) => {
    found ||= isClass(part, 'FUNCTION') && multiplying.has(foldName(textOf(part, 'function_name')))
    return !found
  })
  return found
}
