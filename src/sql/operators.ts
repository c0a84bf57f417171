import { foldName } from '../model/fold-name.js'
import { partialsRelation } from '../model/query.js'
import type { Operator } from '../model/transformation.js'
import { allowedAggregates } from './allow/allowed-functions.js'
import type { AstObject } from './ast-text.js'
import { child, children, isClass, textOf, texts, walk } from './ast-walk.js'
import { expressionText, ordersText } from './expression-text.js'

const detailCharactersMax = 400
const shape = { literals: false } as const

/**
 * What a SELECT does, in the order of execution and without literals: the transformation that lineage records. Subqueries
 * and CTEs come before what uses them. `names` gives the dataset behind a placeholder.
 */
export function operatorsOf(node: AstObject, names: ReadonlyMap<string, string>): readonly Operator[] {
  const operators: Operator[] = []
  addQuery(node, names, operators)
  return operators
}

function addQuery(node: AstObject, names: ReadonlyMap<string, string>, to: Operator[]): void {
  for (const entry of children(child(node, 'cte_map') ?? {}, 'map')) {
    const query = child(child(child(entry, 'value') ?? {}, 'query') ?? {}, 'node')
    if (query !== undefined) addQuery(query, names, to)
  }
  if (node.type === 'SELECT_NODE') addSelect(node, names, to)
  else addSetOperation(node, names, to)
  addModifiers(node, to)
}

function addSetOperation(node: AstObject, names: ReadonlyMap<string, string>, to: Operator[]): void {
  const branches = [child(node, 'left'), child(node, 'right'), ...children(node)]
  for (const branch of branches) if (branch !== undefined) addQuery(branch, names, to)
  const kind = textOf(node, 'setop_type').toLowerCase()
  to.push({
    type: 'union',
    detail: node.type === 'RECURSIVE_CTE_NODE' ? 'recursive' : `${kind}${node.setop_all === true ? ' all' : ''}`,
  })
}

function addSelect(node: AstObject, names: ReadonlyMap<string, string>, to: Operator[]): void {
  addFrom(child(node, 'from_table'), names, to)
  addFilter(child(node, 'where_clause'), names, to)
  const items = children(node, 'select_list')
  const having = child(node, 'having')
  const groups = children(node, 'group_expressions')
  const aggregates = aggregatesIn([...items, ...(having === undefined ? [] : [having])])
  if (aggregates.length > 0 || groups.length > 0) {
    const keys = groups.map((group) => expressionText(groupKey(group, items), shape)).join(', ')
    to.push(operator('aggregate', `${aggregates.join(', ')}${keys === '' ? '' : ` by ${keys}`}`.trim()))
  }
  addFilter(having, names, to)
  const windows = windowsIn(items)
  if (windows.length > 0) to.push(operator('window', windows.join(', ')))
  addFilter(child(node, 'qualify'), names, to)
  for (const item of items) addSubqueries(item, names, to)
  to.push(operator('project', items.map((item) => expressionText(item, shape)).join(', ')))
}

function addFrom(node: AstObject | undefined, names: ReadonlyMap<string, string>, to: Operator[]): void {
  if (node === undefined) return
  if (node.type === 'JOIN') {
    addFrom(child(node, 'left'), names, to)
    addFrom(child(node, 'right'), names, to)
    to.push(operator('join', joinText(node)))
  } else if (node.type === 'SUBQUERY' && textOf(node, 'alias') === partialsRelation) {
    to.push(operator('merge', 'partial results'))
  } else if (node.type === 'SUBQUERY') {
    const query = child(child(node, 'subquery') ?? {}, 'node')
    if (query !== undefined) addQuery(query, names, to)
  } else if (node.type === 'BASE_TABLE') {
    const name = textOf(node, 'table_name')
    const dataset = names.get(name)
    // A CTE's name is no scan: its operators stand before.
    if (dataset !== undefined) to.push(operator('scan', dataset))
    else if (name.startsWith('__')) to.push(operator('merge', 'partial results'))
  } else if (node.type === 'TABLE_FUNCTION') {
    to.push(operator('scan', `${textOf(child(node, 'function') ?? {}, 'function_name')}()`))
  }
}

function joinText(node: AstObject): string {
  const kind = [textOf(node, 'ref_type'), textOf(node, 'join_type')]
    .filter((word) => word !== '' && word !== 'REGULAR')
    .join(' ')
    .toLowerCase()
  const condition = child(node, 'condition')
  const using = texts(node, 'using_columns').join(', ')
  if (condition !== undefined) return `${kind} on ${expressionText(condition, shape)}`
  return using === '' ? kind : `${kind} using ${using}`
}

function addFilter(condition: AstObject | undefined, names: ReadonlyMap<string, string>, to: Operator[]): void {
  if (condition === undefined) return
  addSubqueries(condition, names, to)
  to.push(operator('filter', expressionText(condition, shape)))
}

/** Queries inside an expression come before the operator that the expression belongs to. */
function addSubqueries(expression: AstObject, names: ReadonlyMap<string, string>, to: Operator[]): void {
  walk(expression, (part) => {
    if (!isClass(part, 'SUBQUERY')) return true
    const query = child(child(part, 'subquery') ?? {}, 'node')
    if (query !== undefined) addQuery(query, names, to)
    return false
  })
}

function addModifiers(node: AstObject, to: Operator[]): void {
  for (const modifier of children(node, 'modifiers')) {
    if (modifier.type === 'DISTINCT_MODIFIER') {
      const on = children(modifier, 'distinct_on_targets').map((target) => expressionText(target, shape))
      to.push(operator('distinct', on.length === 0 ? 'all columns' : `on ${on.join(', ')}`))
    } else if (modifier.type === 'ORDER_MODIFIER') {
      to.push(operator('sort', ordersText(children(modifier, 'orders'), shape)))
    } else {
      to.push(operator('limit', child(modifier, 'offset') === undefined ? '?' : '? offset ?'))
    }
  }
}

/** `GROUP BY 1` groups by the first column. */
function groupKey(group: AstObject, items: readonly AstObject[]): AstObject {
  const position = isClass(group, 'CONSTANT') ? Number(child(group, 'value')?.value) : Number.NaN
  return items[position - 1] ?? group
}

function aggregatesIn(expressions: readonly AstObject[]): readonly string[] {
  const found = new Set<string>()
  for (const expression of expressions) {
    walk(expression, (part) => {
      if (isClass(part, 'WINDOW') || isClass(part, 'SUBQUERY')) return false
      if (!isClass(part, 'FUNCTION') || !allowedAggregates.has(foldName(textOf(part, 'function_name')))) return true
      found.add(expressionText(part, shape))
      return false
    })
  }
  return [...found]
}

function windowsIn(items: readonly AstObject[]): readonly string[] {
  const found = new Set<string>()
  for (const item of items) {
    walk(item, (part) => {
      if (isClass(part, 'WINDOW')) found.add(expressionText(part, shape))
      return !isClass(part, 'SUBQUERY')
    })
  }
  return [...found]
}

function operator(type: Operator['type'], detail: string): Operator {
  return { type, detail: detail.length > detailCharactersMax ? `${detail.slice(0, detailCharactersMax)}…` : detail }
}
