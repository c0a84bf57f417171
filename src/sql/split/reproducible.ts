import { foldName } from '../../model/fold-name.js'
import type { Column } from '../../model/segment.js'
import { select, withAlias } from '../ast.js'
import type { AstObject } from '../ast-text.js'
import { child, children, textOf, texts, walk } from '../ast-walk.js'
import { isAggregateCall } from './aggregate-calls.js'
import { isFloating } from './aggregates.js'
import { isSelect, queryNodes, withCtes } from './block.js'
import { distinctOf, limitOf, ordersOf } from './modifiers.js'
import { NotSplit } from './not-split.js'
import { isTotalOrder, orderTargets } from './order-targets.js'
import type { SplitContext } from './split.js'

/**
 * The parts of a statement around the block, and the small relations' parts inside it, run as they are: once at the root, or
 * once in each leaf. They must then give the same wherever and however often they run: no first rows of an order that leaves a
 * choice, no floating-point sums, which differ in their last digits. DISTINCT ON, which takes the first row of each, is not shared
 * out either: what it asks of each row would be asked of partials.
 */
export async function checkRest(root: AstObject, block: AstObject, context: SplitContext): Promise<void> {
  for (const { node, ctes } of queryNodes(root)) {
    const distinct = distinctOf(node)
    if (distinct !== undefined && children(distinct, 'distinct_on_targets').length > 0) throw new NotSplit('DISTINCT ON')
    if (node === block) continue
    if (distinct !== undefined && ordersOf(node).length > 0) await checkDistinctOrder(node, ctes, context)
    if (limitOf(node) !== undefined) await checkLimit(node, ctes, context)
    if (isSelect(node)) await checkAggregates(node, ctes, context)
  }
}

/** Of rows that look the same, DISTINCT takes the first one's place in an order by something else. */
async function checkDistinctOrder(node: AstObject, ctes: readonly AstObject[], context: SplitContext): Promise<void> {
  const columns = await bindOrRefuse(withCtes(node, ctes), context, 'DISTINCT in a correlated subquery')
  if (orderTargets(node, columns).includes(undefined)) throw new NotSplit('DISTINCT ordered by what it does not show')
}

async function checkLimit(node: AstObject, ctes: readonly AstObject[], context: SplitContext): Promise<void> {
  const columns = await bindOrRefuse(withCtes(node, ctes), context, 'LIMIT in a correlated subquery')
  if (!isTotalOrder(node, columns)) throw new NotSplit('LIMIT without a total order')
}

async function checkAggregates(node: AstObject, ctes: readonly AstObject[], context: SplitContext): Promise<void> {
  const calls = aggregateCalls(node).filter((part) => !exactAlways.has(nameOf(part)))
  if (calls.length === 0) return
  const args = calls.flatMap((part) => children(part).map((argument) => withAlias(argument, '')))
  const from = child(node, 'from_table')
  if (from === undefined) return
  const types = await bindOrRefuse(select({ items: args, from, ctes }), context, 'sums in a correlated subquery')
  if (types.length !== args.length) throw new NotSplit('a star inside an aggregate')
  let next = 0
  for (const part of calls) {
    const given = children(part).map(() => types[next++]?.type ?? '')
    const exact = averages.has(nameOf(part)) && given.every((type) => !isFloating(type) && type !== 'UHUGEINT')
    if (!exact) throw new NotSplit(`${nameOf(part)}() of floating-point numbers beside what is split`)
  }
}

const exactAlways = new Set('count count_star count_if countif min max bool_and bool_or bit_and bit_or bit_xor'.split(' '))
const averages = new Set(['sum', 'avg', 'mean'])

function nameOf(node: AstObject): string {
  return foldName(textOf(node, 'function_name'))
}

/** Aggregates of this SELECT itself. */
function aggregateCalls(node: AstObject): readonly AstObject[] {
  const found: AstObject[] = []
  const parts = [...children(node, 'select_list'), ...children(node, 'modifiers'), child(node, 'having') ?? {}]
  for (const part of parts) {
    walk(part, (inner) => {
      if (inner.class === 'SUBQUERY') return false
      if (isAggregateCall(inner)) found.push(inner)
      return true
    })
  }
  return found
}

async function bindOrRefuse(node: AstObject, context: SplitContext, why: string): Promise<readonly Column[]> {
  try {
    const [columns = []] = await context.bind([node])
    return columns
  } catch {
    throw new NotSplit(why)
  }
}

/**
 * Follows columns that may differ in their last digits outwards: each SELECT around the block may hand them on and show them,
 * nothing more. `outer` is innermost first; the names are folded.
 */
export function checkHandedOn(outer: readonly AstObject[], throughFrom: boolean, inexact: ReadonlySet<string>): void {
  if (inexact.size === 0 || outer.length === 0) return
  const why = 'a floating-point aggregate that something else is computed from'
  if (!throughFrom) throw new NotSplit(why)
  let names = inexact
  for (const node of outer) {
    if (!isSelect(node) || distinctOf(node) !== undefined) throw new NotSplit(why)
    const shown = new Set<string>()
    for (const item of children(node, 'select_list')) {
      if (item.class === 'STAR' && item.columns === false && child(item, 'expr') === undefined) {
        for (const name of names) shown.add(name)
      } else if (item.class === 'COLUMN_REF') {
        const last = foldName(texts(item, 'column_names').at(-1) ?? '')
        if (names.has(last)) shown.add(foldName(textOf(item, 'alias')) || last)
      } else if (reads(item, names)) throw new NotSplit(why)
    }
    const deciding = [node.where_clause, node.having, node.qualify, node.group_expressions, node.modifiers, node.from_table]
    if (node.aggregate_handling === 'FORCE_AGGREGATES') throw new NotSplit(why)
    for (const part of deciding) if (reads(part, names)) throw new NotSplit(why)
    const ordinals = ordersOf(node).some((order) => ['CONSTANT', 'STAR'].includes(String(child(order, 'expression')?.class)))
    if (ordinals) throw new NotSplit(why)
    names = shown
  }
}

function reads(part: AstObject[string] | undefined, names: ReadonlySet<string>): boolean {
  let found = false
  walk(part, (inner) => {
    // The block itself, further in, is not what reads the column.
    if (inner.cte_map !== undefined) return false
    const columns = inner.class === 'COLUMN_REF' ? texts(inner, 'column_names') : texts(inner, 'using_columns')
    found ||= columns.some((name) => names.has(foldName(name))) || texts(inner, 'column_name_alias').length > 0
    return !found
  })
  return found
}
