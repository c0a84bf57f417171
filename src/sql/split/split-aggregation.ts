import { baseTable, call, caseWhen, columnRef, integer, select, withAlias } from '../ast.js'
import type { AstObject, AstValue } from '../ast-text.js'
import { child, children, foldName, isObject, nullConstant, textOf, texts, walk } from '../ast-walk.js'
import { partialsRelation } from '../../model/query.js'
import { isAggregate } from './aggregate-names.js'
import { type BoundAggregate, hasTwinValues, type SplitAggregate, splitAggregate } from './aggregates.js'
import { type Block, type BlockSplit, withCtes } from './block.js'
import { canonical } from './canonical.js'
import { keepsTolerance } from './inexact.js'
import { limitOf, ordersOf, ordinalOf } from './modifiers.js'
import { NotSplit } from './not-split.js'
import { lambdaParameters, qualify } from './qualify.js'
import { readScope, resolveColumn, type Scope } from './scope.js'

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
  const calls = collectCalls(form)
  const distinct = distinctArgument(calls)
  const keys = [...form.keys, ...(distinct === undefined ? [] : [distinct.argument])]
  const types = await bindTypes(block, keys, calls)
  for (const type of types.keys) if (hasTwinValues(type)) throw new NotSplit(`groups by ${type}`)
  const splits = calls.map((node, index) => splitOf(node, types.calls[index], distinct))
  const columns = partialColumns(splits)
  const keyRefs = keys.map((_, index) => columnRef(partialsRelation, `k${index}`))
  const substitution = new Map<string, AstObject>()
  for (const [index, split] of splits.entries()) {
    const refs = columns[index]?.map((name) => columnRef(partialsRelation, name)) ?? []
    const original = calls[index] as AstObject
    const value = split === undefined ? distinctCall(original, keyRefs.at(-1) as AstObject) : split.final(refs)
    substitution.set(canonical(original), value)
  }
  for (const [index, key] of form.keys.entries()) {
    const name = canonical(key)
    if (!substitution.has(name)) substitution.set(name, keyRefs[index] as AstObject)
  }
  const inexact = new Set(
    calls.filter((call, index) => splits[index]?.inexact ?? isInexactDistinct(call, types.calls[index])).map(canonical),
  )
  checkInexact(form, inexact, node)
  checkLimit(form, node)
  await checkSubqueries(block, form)
  const root = rootOf(block, form, keyRefs.slice(0, form.keys.length), substitution)
  const partialItems = splits.flatMap((split, index) =>
    (split?.leaf ?? []).map((item, at) => withAlias(item, columns[index]?.[at] ?? '')),
  )
  const merged = splits.flatMap((split, index) => {
    const names = columns[index] ?? []
    return (split?.merge(names.map((name) => columnRef(partialsRelation, name))) ?? []).map((item, at) =>
      withAlias(item, names[at] ?? ''),
    )
  })
  const one = keys.length === 0
  return {
    leaf: select({
      items: [...keys.map((key, index) => withAlias(key, `k${index}`)), ...partialItems],
      from: block.from,
      where: child(node, 'where_clause') ?? null,
      // By ordinal: a constant key, written out, would be read as one.
      groupBy: keys.map((_, index) => integer(index + 1)),
      ctes: block.ctes,
    }),
    merge: select({
      items: [...keyRefs.map((key, index) => withAlias(key, `k${index}`)), ...merged],
      from: baseTable(partialsRelation),
      groupBy: keyRefs,
    }),
    root,
    partial: one ? 'one' : 'groups',
    ...(one ? { partialRowsMax: 1 } : {}),
    groupColumns: keys.flatMap((key) => datasetColumn(key, scope, block)),
    inexactColumns: form.items.flatMap((item, index) => (mentions(item, inexact) ? [index] : [])),
    what: describe(form, calls),
  }
}

/** The SELECT with its names resolved. */
interface Form {
  readonly keys: readonly AstObject[]
  readonly items: readonly AstObject[]
  readonly having: AstObject | undefined
  /** Aligned with the ORDER BY list: an expression, or the ordinal of a select item. */
  readonly orders: readonly (AstObject | number | 'all')[]
  readonly explicitGroups: boolean
}

function readForm(node: AstObject, scope: Scope): Form {
  const aliases = new Map<string, AstObject>()
  const items = children(node, 'select_list').map((item) => {
    const qualified = qualify(item, scope, aliases)
    const alias = foldName(textOf(item, 'alias'))
    if (alias !== '') aliases.set(alias, aliases.has(alias) ? ambiguous : qualified)
    return qualified
  })
  const item = (ordinal: number): AstObject => {
    const found = items[ordinal - 1]
    if (found === undefined) throw new NotSplit(`no select item ${ordinal}`)
    return found
  }
  const byName = (expression: AstObject): AstObject => qualify(expression, scope, aliases)
  const force = node.aggregate_handling === 'FORCE_AGGREGATES'
  const given = children(node, 'group_expressions')
  const keys = force
    ? items.filter((candidate) => !hasAggregate(candidate))
    : given.map((expression) => {
        const ordinal = ordinalOf(expression)
        return ordinal === undefined ? byName(expression) : item(ordinal)
      })
  for (const key of keys) if (hasAggregate(key)) throw new NotSplit('an aggregate as a group key')
  for (const key of keys) walk(key, (part) => refuseCollation(part))
  const having = child(node, 'having')
  return {
    keys,
    items,
    having: having === undefined ? undefined : byName(having),
    orders: ordersOf(node).map((order) => orderKey(order)),
    explicitGroups: force || given.length > 0,
  }

  /** An alias comes before a column of the same name. */
  function orderKey(order: AstObject): AstObject | number | 'all' {
    const expression = child(order, 'expression') as AstObject
    if (expression.class === 'STAR') return 'all'
    const ordinal = ordinalOf(expression)
    if (ordinal !== undefined) return ordinal
    const [name, more] = texts(expression, 'column_names')
    if (expression.class === 'COLUMN_REF' && name !== undefined && more === undefined) {
      const alias = aliases.get(foldName(name))
      if (alias === ambiguous) throw new NotSplit(`two columns called ${name}`)
      if (alias !== undefined) return items.indexOf(alias) + 1
    }
    return byName(expression)
  }
}

/** Stands for an alias that is given twice. It equals nothing and qualifies to nothing. */
const ambiguous: AstObject = { class: 'AMBIGUOUS' }

function refuseCollation(part: AstObject): boolean {
  if (part.class === 'COLLATE') throw new NotSplit('a collation in a key')
  return true
}

export function isAggregateCall(node: AstObject): boolean {
  return node.class === 'FUNCTION' && isAggregate(foldName(textOf(node, 'function_name')))
}

/** True where an aggregate of this SELECT itself, not of a subquery in it, is called. */
export function hasAggregate(expression: AstObject): boolean {
  let found = false
  walk(expression, (part) => {
    if (part.class === 'SUBQUERY' && part !== expression) return false
    found ||= isAggregateCall(part)
    return !found
  })
  return found
}

function collectCalls(form: Form): readonly AstObject[] {
  const calls = new Map<string, AstObject>()
  const orders = form.orders.filter((order): order is AstObject => typeof order === 'object')
  for (const expression of [...form.items, ...(form.having === undefined ? [] : [form.having]), ...orders]) {
    walk(expression, (part) => {
      if (part.class === 'SUBQUERY') return false
      if (!isAggregateCall(part)) return true
      calls.set(canonical(part), part)
      return false
    })
  }
  return [...calls.values()]
}

/** These give the same with and without DISTINCT. */
const distinctBlind = new Set(['min', 'max', 'bool_and', 'bool_or', 'bit_and', 'bit_or'])

function needsDistinct(call: AstObject): boolean {
  return call.distinct === true && !distinctBlind.has(foldName(textOf(call, 'function_name')))
}

/** The one expression whose distinct values the DISTINCT aggregates share, with their filter folded in. */
function distinctArgument(calls: readonly AstObject[]): { readonly argument: AstObject; readonly form: string } | undefined {
  let found: { readonly argument: AstObject; readonly form: string } | undefined
  for (const node of calls.filter(needsDistinct)) {
    const [argument, second] = children(node)
    if (argument === undefined || second !== undefined) throw new NotSplit('DISTINCT of several arguments')
    if (children(child(node, 'order_bys') ?? {}, 'orders').length > 0) throw new NotSplit('DISTINCT with ORDER BY inside')
    const filter = child(node, 'filter')
    const key = filter === undefined ? argument : caseWhen(filter, argument, nullConstant())
    const form = canonical(key)
    if (found !== undefined && found.form !== form) throw new NotSplit('DISTINCT aggregates of different arguments')
    walk(key, (part) => refuseCollation(part))
    found = { argument: withAlias(key, ''), form }
  }
  return found
}

function distinctCall(node: AstObject, key: AstObject): AstObject {
  return call(textOf(node, 'function_name'), [key], { distinct: true })
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

interface BoundTypes {
  readonly keys: readonly string[]
  readonly calls: readonly BoundAggregate[]
}

async function bindTypes(block: Block, keys: readonly AstObject[], calls: readonly AstObject[]): Promise<BoundTypes> {
  const args = calls.flatMap((node) => children(node))
  const plain = [...keys, ...args]
  const parts = { from: block.from, ctes: block.ctes }
  const plainTypes = plain.length === 0 ? [] : await block.context.bind(select({ ...parts, items: plain.map(unnamed) }))
  const callTypes = calls.length === 0 ? [] : await block.context.bind(select({ ...parts, items: calls.map(unnamed) }))
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
async function checkSubqueries(block: Block, form: Form): Promise<void> {
  const orders = form.orders.filter((order): order is AstObject => typeof order === 'object')
  const found: AstObject[] = []
  for (const expression of [...form.items, ...(form.having === undefined ? [] : [form.having]), ...orders]) {
    walk(expression, (part) => {
      if (isAggregateCall(part)) return false
      if (part.class !== 'SUBQUERY') return true
      const node = child(child(part, 'subquery') ?? {}, 'node')
      if (node !== undefined) found.push(node)
      return false
    })
  }
  for (const node of found) {
    try {
      await block.context.bind(withCtes(node, block.ctes))
    } catch {
      throw new NotSplit('a correlated subquery beside aggregates')
    }
  }
}

function rootOf(
  block: Block,
  form: Form,
  keyRefs: readonly AstObject[],
  substitution: ReadonlyMap<string, AstObject>,
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
    from_table: baseTable(partialsRelation),
    where_clause: null,
    group_expressions: [...keyRefs],
    group_sets: node.aggregate_handling === 'FORCE_AGGREGATES' && grouped ? [keyRefs.map((_, index) => index)] : (node.group_sets ?? []),
    aggregate_handling: 'STANDARD_HANDLING',
    having: form.having === undefined ? null : substitute(form.having, substitution),
    modifiers: children(node, 'modifiers').map((modifier) => (modifier.type === 'ORDER_MODIFIER' ? { ...modifier, orders } : modifier)),
  }
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
function checkInexact(form: Form, inexact: ReadonlySet<string>, node: AstObject): void {
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
    if (!keepsTolerance(item, isInexact)) throw new NotSplit('an expression that can magnify the error of a floating-point aggregate')
  }
}

/** LIMIT is the same everywhere only where the order settles which rows come first. */
function checkLimit(form: Form, node: AstObject): void {
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
  const byKeys = oneSet && form.keys.every((key) => ordered.has(canonical(key)))
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

function describe(form: Form, calls: readonly AstObject[]): string {
  const functions = [...new Set(calls.map((node) => foldName(textOf(node, 'function_name')).replace('count_star', 'count')))]
  const what = functions.length === 0 ? 'distinct groups' : functions.join(', ')
  return form.keys.length === 0 ? what : `${what} by ${form.keys.length} ${form.keys.length === 1 ? 'key' : 'keys'}`
}
