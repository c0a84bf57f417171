import { foldName } from '../../model/fold-name.js'
import { partialsRelation } from '../../model/query.js'
import { baseTable, columnRef, integer, select, star, subqueryTable, withAlias } from '../ast.js'
import type { AstObject, AstValue } from '../ast-text.js'
import { child, children, isObject, textOf, texts, walk } from '../ast-walk.js'
import { isAggregateCall } from './aggregate-calls.js'
import { type BoundAggregate, hasTwinValues, type SplitAggregate, splitAggregate } from './aggregates.js'
import { type Block, type BlockSplit, groupSetsCount, withCtes } from './block.js'
import { canonical } from './canonical.js'
import { distinctArgument, distinctCall, needsDistinct } from './distinct-argument.js'
import { keepsTolerance } from './inexact.js'
import { ComputedColumns, type Let } from './let-in.js'
import { limitOf, ordersOf } from './modifiers.js'
import { NotSplit } from './not-split.js'
import { unnests } from './order-targets.js'
import { lambdaParameters } from './qualify.js'
import { readScope, resolveColumn, type Scope } from './scope.js'
import { collectCalls, groupExpressions, readForm, type SelectForm } from './select-form.js'

/**
 * A SELECT with groups or aggregates. Leaves group their rows by all keys (the finest of the grouping sets) and keep partial
 * states; merging groups partials the same way; the root is the SELECT itself with partials for its FROM, each key replaced by
 * the partials' key column and each aggregate by the merge of its partial columns. So HAVING, ROLLUP, grouping(), ORDER BY and
 * LIMIT stay what the user wrote. A `DISTINCT` aggregate makes its argument one more key below the root, and runs there as it is.
 */
export async function splitAggregation(block: Block): Promise<BlockSplit> {
  const { node, context } = block
  const scope = await readScope(block.from, block.ctes, context)
  const form = readForm(node, scope)
  if (form.items.length !== block.columns.length) throw new NotSplit('unnest beside aggregates')
  // Of equal keys DuckDB shows another one than the first where they are in different sets.
  if (groupSetsCount(node) > 1 && new Set(form.keys.map(canonical)).size < form.keys.length) {
    throw new NotSplit('a key twice in several grouping sets')
  }
  const calls = collectCalls(form)
  const distinct = distinctArgument(calls)
  const keys = [...form.keys, ...(distinct === undefined ? [] : [distinct.argument])]
  const types = await bindTypes(block, keys, calls)
  for (const type of types.keys) if (hasTwinValues(type)) throw new NotSplit(`groups by ${type}`)
  const splits = calls.map((each, index) => splitOf(each, types.calls[index], distinct))
  const columns = partialColumns(splits)
  const keyRefs = keys.map((_, index) => columnRef(partialsRelation, `k${index}`))
  const computed = new ComputedColumns(partialsRelation)
  const byColumns = distinct === undefined && groupsByAll(form.keys, node)
  const substitution = new Map<string, AstObject>()
  for (const [index, split] of splits.entries()) {
    const refs = columns[index]?.map((name) => columnRef(partialsRelation, name)) ?? []
    const original = calls[index] as AstObject
    const letIn = byColumns ? computed.letInColumns(`v${index}`) : undefined
    const value = split === undefined ? distinctCall(original, keyRefs.at(-1) as AstObject) : finalOf(split, refs, letIn)
    substitution.set(canonical(original), value)
  }
  for (const [index, key] of form.keys.entries()) {
    const name = canonical(key)
    if (!substitution.has(name)) substitution.set(name, keyRefs[index] as AstObject)
  }
  const inexact = new Set(
    calls.filter((each, index) => splits[index]?.inexact ?? isInexactDistinct(each, types.calls[index])).map(canonical),
  )
  checkInexact(form, inexact, node)
  checkLimit(form, node)
  await checkSubqueries(block, form)
  const leafItems = [...keys, ...splits.flatMap((split) => split?.leaf ?? [])]
  if (leafItems.length === 0) throw new NotSplit('neither groups nor aggregates')
  const merged = splits.flatMap((split, index) => {
    const names = columns[index] ?? []
    return (split?.merge(names.map((name) => columnRef(partialsRelation, name))) ?? []).map((item, at) =>
      withAlias(item, names[at] ?? ''),
    )
  })
  const merge = select({
    items: [...keyRefs.map((key, index) => withAlias(key, `k${index}`)), ...merged],
    from: baseTable(partialsRelation),
    groupBy: keyRefs,
  })
  // Where every group is a group of the partials, these are merged first, and what is made of the merged rows are columns of them.
  const from = computed.none ? baseTable(partialsRelation) : computed.over(merge)
  const root = rootOf(block, form, keyRefs.slice(0, form.keys.length), substitution, from)
  const one = keys.length === 0
  const grouped = select({
    items: leafItems.map(unnamed),
    from: block.from,
    where: child(node, 'where_clause') ?? null,
    // By ordinal: a constant key, written out, would be read as one.
    groupBy: keys.map((_, index) => integer(index + 1)),
    ctes: block.ctes,
  })
  const names = [...keys.map((_, index) => `k${index}`), ...columns.flat()]
  return {
    // Named from outside: DuckDB lets WHERE call what the select list names, and the user's WHERE may call a column `k0`.
    leaf: select({ items: [star()], from: subqueryTable(grouped, '__rows', names) }),
    merge,
    root,
    partial: one ? 'one' : 'groups',
    ...(one ? { partialRowsMax: 1 } : {}),
    groupColumns: keys.flatMap((key) => datasetColumn(key, scope, block)),
    exact: inexact.size === 0,
    inexactColumns: form.items.flatMap((item, index) => (mentions(item, inexact) ? [index] : [])),
    what: describe(form, calls),
  }
}

function isInexactDistinct(node: AstObject, bound: BoundAggregate | undefined): boolean {
  const name = foldName(textOf(node, 'function_name'))
  return !name.startsWith('count') && splitAggregate(bound ?? { node, type: '', argumentTypes: [] }).inexact
}

function splitOf(node: AstObject, bound: BoundAggregate | undefined, distinct: unknown): SplitAggregate | undefined {
  if (bound === undefined) throw new NotSplit('an aggregate without a type')
  const split = splitAggregate(bound)
  return distinct !== undefined && needsDistinct(node) ? undefined : split
}

/** The value of an aggregate over partials: by way of columns where it can be had so and there may be some, else by an expression. */
function finalOf(split: SplitAggregate, refs: readonly AstObject[], letIn: Let | undefined): AstObject {
  const byColumns = letIn === undefined ? undefined : split.finalByColumns?.(refs, letIn)
  return byColumns ?? split.final(refs)
}

interface BoundTypes {
  readonly keys: readonly string[]
  readonly calls: readonly BoundAggregate[]
}

async function bindTypes(block: Block, keys: readonly AstObject[], calls: readonly AstObject[]): Promise<BoundTypes> {
  const args = calls.flatMap((node) => children(node))
  const plain = [...keys, ...args]
  const parts = { from: block.from, ctes: block.ctes }
  const asked = [plain, calls].filter((items) => items.length > 0)
  const bound = await block.context.bind(asked.map((items) => select({ ...parts, items: items.map(unnamed) })))
  const plainTypes = plain.length === 0 ? [] : (bound[0] ?? [])
  const callTypes = calls.length === 0 ? [] : (bound.at(-1) ?? [])
  let next = keys.length
  return {
    keys: plainTypes.slice(0, keys.length).map((column) => column.type),
    calls: calls.map((node, index) => {
      const argumentTypes = children(node).map(() => plainTypes[next++]?.type ?? '')
      return { node, type: callTypes[index]?.type ?? '', argumentTypes }
    }),
  }
}

function unnamed(expression: AstObject): AstObject {
  return withAlias(expression, '')
}

/** `a0`, `a1`, … for each call's partial columns. */
function partialColumns(splits: readonly (SplitAggregate | undefined)[]): readonly (readonly string[])[] {
  let next = 0
  return splits.map((split) => (split?.leaf ?? []).map(() => `a${next++}`))
}

/** Replaces keys and aggregates by what stands for them over partials; nothing else of the block's own columns may remain. */
function substitute(expression: AstObject, substitution: ReadonlyMap<string, AstObject>): AstObject {
  return visit(expression, new Set())

  function visit(node: AstObject, parameters: ReadonlySet<string>): AstObject {
    const replaced = typeof node.class === 'string' ? substitution.get(canonical(node)) : undefined
    if (replaced !== undefined) return { ...replaced, alias: textOf(node, 'alias') }
    if (node.class === 'COLUMN_REF') {
      const names = texts(node, 'column_names')
      if (parameters.has(foldName(names[0] ?? ''))) return node
      throw new NotSplit(`${names.join('.')} is neither a group key nor inside an aggregate`)
    }
    const inner = node.class === 'LAMBDA' ? new Set([...parameters, ...lambdaParameters(node)]) : parameters
    const copy: AstObject = {}
    for (const key in node) {
      const part = node[key] as AstValue
      const asItIs = (node.class === 'LAMBDA' && key === 'lhs') || (node.class === 'SUBQUERY' && key === 'subquery')
      copy[key] = asItIs ? part : value(part, inner)
    }
    return copy
  }

  function value(part: AstValue, parameters: ReadonlySet<string>): AstValue {
    if (Array.isArray(part)) return part.map((item) => value(item, parameters))
    return isObject(part) ? visit(part, parameters) : part
  }
}

/** Subqueries beside aggregates run at the root, where the block's own columns are gone: they must do without them. */
async function checkSubqueries(block: Block, form: SelectForm): Promise<void> {
  const found: AstObject[] = []
  for (const expression of groupExpressions(form)) {
    walk(expression, (part) => {
      if (isAggregateCall(part)) return false
      if (part.class !== 'SUBQUERY') return true
      const node = child(child(part, 'subquery') ?? {}, 'node')
      if (node !== undefined) found.push(node)
      return false
    })
  }
  if (found.length === 0) return
  try {
    await block.context.bind(found.map((node) => withCtes(node, block.ctes)))
  } catch {
    throw new NotSplit('a correlated subquery beside aggregates')
  }
}

function rootOf(
  block: Block,
  form: SelectForm,
  keyRefs: readonly AstObject[],
  substitution: ReadonlyMap<string, AstObject>,
  from: AstObject,
): AstObject {
  const { node } = block
  const items = form.items.map((item, index) => withAlias(substitute(item, substitution), block.columns[index]?.name ?? ''))
  const orders = ordersOf(node).map((order, index) => {
    const key = form.orders[index]
    if (typeof key !== 'object') return orderByItem(order, key)
    return { ...order, expression: withAlias(substitute(key, substitution), '') }
  })
  const grouped = keyRefs.length > 0
  return {
    ...node,
    select_list: items,
    from_table: from,
    where_clause: null,
    group_expressions: [...keyRefs],
    group_sets:
      node.aggregate_handling === 'FORCE_AGGREGATES' && grouped ? [keyRefs.map((_, index) => index)] : (node.group_sets ?? []),
    aggregate_handling: 'STANDARD_HANDLING',
    having: form.having === undefined ? null : substitute(form.having, substitution),
    modifiers: children(node, 'modifiers').map((modifier) =>
      modifier.type === 'ORDER_MODIFIER' ? { ...modifier, orders } : modifier,
    ),
  }
}

/** Whether the groups of a SELECT are those of all keys, not of fewer. */
function groupsByAll(keys: readonly AstObject[], node: AstObject): boolean {
  const sets = Array.isArray(node.group_sets) ? node.group_sets : []
  if (node.aggregate_handling === 'FORCE_AGGREGATES' || sets.length === 0) return true
  return sets.length === 1 && Array.isArray(sets[0]) && sets[0].length === keys.length
}

function orderByItem(order: AstObject, key: number | 'all' | undefined): AstObject {
  if (typeof key !== 'number') return order
  return { ...order, expression: integer(key) }
}

function mentions(expression: AstObject, forms: ReadonlySet<string>): boolean {
  let found = false
  walk(expression, (part) => {
    found ||= isAggregateCall(part) && forms.has(canonical(part))
    return !found
  })
  return found
}

/** A sum that differs in its last digits from run to run may be shown, but may decide nothing. */
function checkInexact(form: SelectForm, inexact: ReadonlySet<string>, node: AstObject): void {
  if (inexact.size === 0) return
  const isInexact = (part: AstObject): boolean => isAggregateCall(part) && inexact.has(canonical(part))
  const decides =
    (form.having !== undefined && mentions(form.having, inexact)) ||
    form.orders.some((order) => {
      if (order === 'all') return true
      const expression = typeof order === 'number' ? form.items[order - 1] : order
      return expression !== undefined && mentions(expression, inexact)
    })
  if (decides) throw new NotSplit('a floating-point aggregate in HAVING or ORDER BY')
  if (children(node, 'modifiers').some((modifier) => modifier.type === 'DISTINCT_MODIFIER')) {
    throw new NotSplit('DISTINCT over a floating-point aggregate')
  }
  for (const item of form.items) {
    if (!keepsTolerance(item, isInexact))
      throw new NotSplit('an expression that can magnify the error of a floating-point aggregate')
  }
}

/** LIMIT is the same everywhere only where the order settles which rows come first. */
function checkLimit(form: SelectForm, node: AstObject): void {
  if (limitOf(node) === undefined) return
  if (!form.explicitGroups) return
  const ordered = new Set<string>()
  for (const order of form.orders) {
    if (order === 'all') return
    const expression = typeof order === 'number' ? form.items[order - 1] : order
    if (expression !== undefined) ordered.add(canonical(expression))
  }
  const sets = Array.isArray(node.group_sets) ? node.group_sets.length : 0
  const oneSet = node.aggregate_handling === 'FORCE_AGGREGATES' || sets <= 1
  // Of one group an unnest makes several rows, which the keys leave in any order.
  const byKeys = oneSet && form.keys.every((key) => ordered.has(canonical(key))) && !form.items.some(unnests)
  const byItems = form.items.every((item) => ordered.has(canonical(item)) || item.class === 'CONSTANT')
  if (!byKeys && !byItems) throw new NotSplit('LIMIT without a total order')
}

function datasetColumn(key: AstObject, scope: Scope, block: Block): readonly { dataset: string; column: string }[] {
  if (key.class !== 'COLUMN_REF') return []
  const resolved = resolveColumn(scope, texts(key, 'column_names'))
  const relation = block.context.relations.find((candidate) => candidate.relation === resolved?.table.relation)
  if (resolved === undefined || relation === undefined) return []
  return [{ dataset: relation.dataset, column: resolved.column.name }]
}

function describe(form: SelectForm, calls: readonly AstObject[]): string {
  const functions = [...new Set(calls.map((node) => foldName(textOf(node, 'function_name')).replace('count_star', 'count')))]
  const what = functions.length === 0 ? 'distinct groups' : functions.join(', ')
  return form.keys.length === 0 ? what : `${what} by ${form.keys.length} ${form.keys.length === 1 ? 'key' : 'keys'}`
}
