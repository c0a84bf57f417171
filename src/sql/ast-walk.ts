import type { AstObject, AstValue } from './ast-text.js'

/**
 * Plain walking over DuckDB's AST. Every node is an object; expressions carry `class`, table references and query nodes
 * carry only `type`.
 */
export function isObject(value: AstValue | undefined): value is AstObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Child object of a node under a key, or undefined. */
export function child(node: AstObject, key: string): AstObject | undefined {
  const value = node[key]
  return isObject(value) ? value : undefined
}

/** Child objects of a node under a key that holds a list; empty where there is none. */
export function children(node: AstObject, key = 'children'): readonly AstObject[] {
  const value = node[key]
  return Array.isArray(value) ? value.filter(isObject) : []
}

export function textOf(node: AstObject, key: string): string {
  const value = node[key]
  return typeof value === 'string' ? value : ''
}

export function texts(node: AstObject, key: string): readonly string[] {
  const value = node[key]
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

/**
 * Visits a node and everything below it, parents first; a visitor that answers false keeps the walk out of its children. A
 * constant is a leaf: lists of a hundred thousand of them are common, and nothing of interest is inside.
 */
export function walk(value: AstValue | undefined, visit: (node: AstObject) => boolean | undefined): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const item of value) walk(item, visit)
    return
  }
  if (visit(value) === false || value.class === 'CONSTANT') return
  for (const key in value) walk(value[key], visit)
}

/** A copy in which every object that `replace` answers for is replaced, children first; undefined keeps the (rewritten) object. Constants are shared. */
export function rewrite(value: AstValue, replace: (node: AstObject) => AstObject | undefined): AstValue {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => rewrite(item, replace))
  if (value.class === 'CONSTANT') return replace(value) ?? value
  const copy: AstObject = {}
  for (const key in value) copy[key] = rewrite(value[key] as AstValue, replace)
  return replace(copy) ?? copy
}

/** True for a node of this expression class, e.g. `COLUMN_REF`. */
export function isClass(node: AstObject, name: string): boolean {
  return node.class === name
}

/** The node of a constant of type VARCHAR. */
export function textConstant(text: string): AstObject {
  return {
    class: 'CONSTANT',
    type: 'VALUE_CONSTANT',
    alias: '',
    query_location: 0,
    value: { type: { id: 'VARCHAR', type_info: null }, is_null: false, value: text },
  }
}

/** The node of `CAST('text' AS type)` for a type without parameters. */
export function typedConstant(text: string, type: string, alias: AstValue = ''): AstObject {
  return {
    class: 'CAST',
    type: 'OPERATOR_CAST',
    alias,
    query_location: 0,
    child: textConstant(text),
    cast_type: { id: type, type_info: null },
    try_cast: false,
  }
}

export function nullConstant(): AstObject {
  return {
    class: 'CONSTANT',
    type: 'VALUE_CONSTANT',
    alias: '',
    query_location: 0,
    value: { type: { id: 'NULL', type_info: null }, is_null: true },
  }
}

/** A SELECT of nothing from nothing, to be spread and filled. */
export const emptySelect: AstObject = {
  type: 'SELECT_NODE',
  modifiers: [],
  cte_map: { map: [] },
  from_table: { type: 'EMPTY', alias: '', sample: null, query_location: 0 },
  where_clause: null,
  group_expressions: [],
  group_sets: [],
  aggregate_handling: 'STANDARD_HANDLING',
  having: null,
  sample: null,
  qualify: null,
}

/** `*` in a select list. */
export const starItem: AstObject = {
  class: 'STAR',
  type: 'STAR',
  alias: '',
  query_location: 0,
  relation_name: '',
  exclude_list: [],
  replace_list: [],
  columns: false,
  expr: null,
  qualified_exclude_list: [],
  rename_list: [],
}
