import type { AstObject, AstValue } from './ast-text.js'

/**
 * Builders of DuckDB's AST, for SQL that Forebay writes itself. They are trees and not text because what they are put around
 * is a tree already. Constants are integers, texts, booleans and typed casts: DuckDB prints a DOUBLE constant as a DECIMAL.
 */

/** `a.b.c` */
export function columnRef(...names: readonly string[]): AstObject {
  return { class: 'COLUMN_REF', type: 'COLUMN_REF', alias: '', query_location: 0, column_names: [...names] }
}

export function integer(value: number): AstObject {
  return constant('INTEGER', value)
}

function constant(id: string, value: AstValue): AstObject {
  return {
    class: 'CONSTANT',
    type: 'VALUE_CONSTANT',
    alias: '',
    query_location: 0,
    value: { type: { id, type_info: null }, is_null: false, value },
  }
}

/** A call of a function, or of an operator in function form such as `+`. */
export function call(name: string, args: readonly AstObject[], options: CallOptions = {}): AstObject {
  return {
    class: 'FUNCTION',
    type: 'FUNCTION',
    alias: '',
    query_location: 0,
    function_name: name,
    schema: '',
    children: [...args],
    filter: options.filter ?? null,
    order_bys: { type: 'ORDER_MODIFIER', orders: [] },
    distinct: options.distinct ?? false,
    is_operator: /^[^a-z]/.test(name),
    export_state: false,
    catalog: '',
  }
}

interface CallOptions {
  readonly filter?: AstObject | null
  readonly distinct?: boolean
}

/** `CAST(child AS type)` for a type without parameters. */
export function castTo(node: AstObject, type: string): AstObject {
  return {
    class: 'CAST',
    type: 'OPERATOR_CAST',
    alias: '',
    query_location: 0,
    child: node,
    cast_type: { id: type, type_info: null },
    try_cast: false,
  }
}

export type ComparisonType =
  | 'COMPARE_EQUAL'
  | 'COMPARE_NOTEQUAL'
  | 'COMPARE_LESSTHAN'
  | 'COMPARE_GREATERTHAN'
  | 'COMPARE_LESSTHANOREQUALTO'
  | 'COMPARE_GREATERTHANOREQUALTO'

export function compare(type: ComparisonType, left: AstObject, right: AstObject): AstObject {
  return { class: 'COMPARISON', type, alias: '', query_location: 0, left, right }
}

export function and(...nodes: readonly AstObject[]): AstObject {
  return { class: 'CONJUNCTION', type: 'CONJUNCTION_AND', alias: '', query_location: 0, children: [...nodes] }
}

export function or(...nodes: readonly AstObject[]): AstObject {
  return { class: 'CONJUNCTION', type: 'CONJUNCTION_OR', alias: '', query_location: 0, children: [...nodes] }
}

/** `CASE WHEN … THEN … ELSE … END` */
export function caseWhen(when: AstObject, then: AstObject, otherwise: AstObject): AstObject {
  return {
    class: 'CASE',
    type: 'CASE_EXPR',
    alias: '',
    query_location: 0,
    case_checks: [{ when_expr: when, then_expr: then }],
    else_expr: otherwise,
  }
}

export function coalesce(...nodes: readonly AstObject[]): AstObject {
  return { class: 'OPERATOR', type: 'OPERATOR_COALESCE', alias: '', query_location: 0, children: [...nodes] }
}

export function lambda(parameters: readonly string[], body: AstObject): AstObject {
  const [only, ...more] = parameters.map((name) => columnRef(name))
  const lhs =
    only !== undefined && more.length === 0
      ? only
      : call(
          'row',
          parameters.map((name) => columnRef(name)),
        )
  return { class: 'LAMBDA', type: 'LAMBDA', alias: '', query_location: 0, lhs, expr: body }
}

/** A copy under another name; '' takes the name away. */
export function withAlias(node: AstObject, alias: string): AstObject {
  return { ...node, alias }
}

export function baseTable(name: string): AstObject {
  return {
    type: 'BASE_TABLE',
    alias: '',
    sample: null,
    query_location: 0,
    schema_name: '',
    table_name: name,
    column_name_alias: [],
    catalog_name: '',
    at_clause: null,
  }
}

export function subqueryTable(node: AstObject, alias: string, columnNames: readonly string[] = []): AstObject {
  return {
    type: 'SUBQUERY',
    alias,
    sample: null,
    query_location: 0,
    subquery: { node, named_param_map: [] },
    column_name_alias: [...columnNames],
  }
}

/** `*` */
export function star(): AstObject {
  return {
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
}

export interface SelectParts {
  readonly items: readonly AstObject[]
  readonly from: AstObject
  readonly where?: AstObject | null
  /** Grouped by all of these; none of them and no aggregate in `items`: not grouped. */
  readonly groupBy?: readonly AstObject[]
  readonly modifiers?: readonly AstObject[]
  /** CTE entries as they stand in `cte_map.map`. */
  readonly ctes?: readonly AstObject[]
}

export function select(parts: SelectParts): AstObject {
  const groupBy = parts.groupBy ?? []
  return {
    type: 'SELECT_NODE',
    modifiers: [...(parts.modifiers ?? [])],
    cte_map: { map: [...(parts.ctes ?? [])] },
    select_list: [...parts.items],
    from_table: parts.from,
    where_clause: parts.where ?? null,
    group_expressions: [...groupBy],
    group_sets: groupBy.length === 0 ? [] : [groupBy.map((_, index) => index)],
    aggregate_handling: 'STANDARD_HANDLING',
    having: null,
    sample: null,
    qualify: null,
  }
}
