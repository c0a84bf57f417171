import { foldName } from '../../model/fold-name.js'
import type { AstObject } from '../ast-text.js'
import { child, children, textOf, texts, walk } from '../ast-walk.js'
import { hasAggregate, isAggregateCall } from './aggregate-calls.js'
import { canonical } from './canonical.js'
import { ordersOf, ordinalOf } from './modifiers.js'
import { NotSplit } from './not-split.js'
import { showsSide } from './order-targets.js'
import { qualify, readsColumns } from './qualify.js'
import type { Scope } from './scope.js'

/** A SELECT with groups or aggregates, every name in it resolved. */
export interface SelectForm {
  readonly keys: readonly AstObject[]
  readonly items: readonly AstObject[]
  readonly having: AstObject | undefined
  /** Aligned with the ORDER BY list: an expression, or the ordinal of a select item. */
  readonly orders: readonly (AstObject | number | 'all')[]
  readonly explicitGroups: boolean
}

/** Reads a SELECT with groups or aggregates; throws NotSplit where a name in it is not certain. */
export function readForm(node: AstObject, scope: Scope): SelectForm {
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
    ? // To DuckDB, what reads no column is no group: over no rows it is shown beside the aggregates all the same.
      items.filter((candidate) => !hasAggregate(candidate) && readsColumns(candidate))
    : given.map((expression) => {
        const ordinal = ordinalOf(expression)
        return ordinal === undefined ? byName(expression) : item(ordinal)
      })
  for (const key of keys) if (hasAggregate(key)) throw new NotSplit('an aggregate as a group key')
  const condition = child(node, 'having')
  const having = condition === undefined ? undefined : byName(condition)
  // There DuckDB takes an alias before a column, and makes a group of each column that it comes upon.
  if (force && having !== undefined && readsColumns(having)) throw new NotSplit('columns in HAVING beside GROUP BY ALL')
  return {
    keys,
    items,
    having,
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
      checkShown(name, byName(expression))
    }
    return byName(expression)
  }

  /** A column that is shown under a name comes before the one that the name means, which is another where a join has merged them. */
  function checkShown(name: string, meant: AstObject): void {
    const written = children(node, 'select_list')
    const shown = items.filter((_, index) => showsSide(written[index] ?? {}, foldName(name)))
    if (shown.some((each) => each.class === 'COLUMN_REF' && canonical(each) !== canonical(meant))) {
      throw new NotSplit(`ORDER BY ${name}, of which a join's side is shown`)
    }
  }
}

/** Stands for an alias that is given twice. It equals nothing and qualifies to nothing. */
const ambiguous: AstObject = { class: 'AMBIGUOUS' }

/** The expressions that are computed of groups: the select list, HAVING, and what of ORDER BY is not in the select list. */
export function groupExpressions(form: SelectForm): readonly AstObject[] {
  const orders = form.orders.filter((order): order is AstObject => typeof order === 'object')
  return [...form.items, ...(form.having === undefined ? [] : [form.having]), ...orders]
}

/** The different aggregate calls of a SELECT. */
export function collectCalls(form: SelectForm): readonly AstObject[] {
  const calls = new Map<string, AstObject>()
  for (const expression of groupExpressions(form)) {
    walk(expression, (part) => {
      if (part.class === 'SUBQUERY') return false
      if (!isAggregateCall(part)) return true
      calls.set(canonical(part), part)
      return false
    })
  }
  return [...calls.values()]
}
