import type { AstObject } from '../ast-text.js'
import { child, children, textOf, texts } from '../ast-walk.js'
import { expressionDependencies, type References } from './bound-expression.js'
import { type Dependencies, identity, indirect, nothing, transformed, union } from './dependencies.js'

/** What an operator gives: each output column's dependencies, and what decided which rows there are. */
export interface Output {
  readonly columns: readonly Dependencies[]
  readonly rows: Dependencies
}

const noOutput: Output = { columns: [], rows: nothing }

/** Joins of which only one side goes on. */
const leftOnly = new Set(['SEMI', 'ANTI'])
const rightOnly = new Set(['RIGHT_SEMI', 'RIGHT_ANTI'])

/**
 * Follows columns through DuckDB's unoptimised bound plan, bottom up. In it every expression refers to its operator's input
 * by position (BOUND_REF), an operator's input being the outputs of its children side by side; only table functions over a
 * lateral input refer by table (BOUND_COLUMN_REF). CTEs are kept by the index of their definition; the values that a
 * correlated subquery gets from outside (DELIM_GET) are those of the nearest DELIM_JOIN around it.
 */
export class BoundPlanReader {
  readonly #dataset: (relation: string) => string | undefined
  readonly #ctes = new Map<number, Output>()
  readonly #tables = new Map<number, readonly Dependencies[]>()
  readonly #outer: (readonly Dependencies[])[] = []

  constructor(dataset: (relation: string) => string | undefined) {
    this.#dataset = dataset
  }

  read(node: AstObject): Output {
    const output = this.#read(node)
    if (typeof node.table_index === 'number') this.#tables.set(node.table_index, output.columns)
    return output
  }

  #read(node: AstObject): Output {
    switch (node.type) {
      case 'LOGICAL_GET':
        return this.#get(node)
      case 'LOGICAL_MATERIALIZED_CTE':
        return this.#materializedCte(node)
      case 'LOGICAL_RECURSIVE_CTE':
        return this.#recursiveCte(node)
      case 'LOGICAL_CTE_REF':
        return this.#ctes.get(Number(node.cte_index)) ?? noOutput
      case 'LOGICAL_DELIM_GET':
        return { columns: this.#outer.at(-1) ?? [], rows: nothing }
      case 'LOGICAL_DELIM_JOIN':
      case 'LOGICAL_DEPENDENT_JOIN':
        return this.#delimJoin(node)
      case 'LOGICAL_UNION':
        return sideways(children(node).map((part) => this.read(part)))
      case 'LOGICAL_EXCEPT':
      case 'LOGICAL_INTERSECT':
        return compared(
          children(node).map((part) => this.read(part)),
          node.type,
        )
      default:
        return this.#unary(
          node,
          children(node).map((part) => this.read(part)),
        )
    }
  }

  #unary(node: AstObject, inputs: readonly Output[]): Output {
    const input = beside(inputs)
    const of = (key: string): readonly Dependencies[] => children(node, key).map((part) => this.#expression(part, input))
    const sortedBy = (owner: AstObject): Dependencies => {
      const keys = children(owner, 'orders').map((order) => this.#expression(child(order, 'expression') ?? {}, input))
      return indirect(union(keys), 'SORT')
    }
    switch (node.type) {
      case 'LOGICAL_PROJECTION':
        return { columns: of('expressions'), rows: input.rows }
      case 'LOGICAL_FILTER': {
        const rows = union([input.rows, indirect(union(of('expressions')), 'FILTER')])
        return { columns: project(input.columns, node.projection_map), rows }
      }
      case 'LOGICAL_AGGREGATE_AND_GROUP_BY': {
        const groups = of('groups')
        const groupings = children(node, 'grouping_functions').length + rawLength(node.grouping_functions)
        const columns = [...groups, ...of('expressions'), ...Array<Dependencies>(groupings).fill(union(groups))]
        return { columns, rows: union([input.rows, indirect(union(groups), 'GROUP_BY')]) }
      }
      case 'LOGICAL_DISTINCT': {
        // DISTINCT ON keeps the first row of each group in an order of its own.
        const groups = indirect(union(of('distinct_targets')), 'GROUP_BY')
        return { columns: input.columns, rows: union([input.rows, groups, sortedBy(child(node, 'order_by') ?? {})]) }
      }
      case 'LOGICAL_COMPARISON_JOIN':
      case 'LOGICAL_ANY_JOIN':
      case 'LOGICAL_ASOF_JOIN':
        return this.#join(node, inputs)
      case 'LOGICAL_WINDOW':
      case 'LOGICAL_UNNEST':
        return { columns: [...input.columns, ...of('expressions')], rows: input.rows }
      case 'LOGICAL_ORDER_BY':
      case 'LOGICAL_TOP_N': {
        const rows = union([input.rows, sortedBy(node)])
        return { columns: project(input.columns, node.projection_map ?? node.projections), rows }
      }
      case 'LOGICAL_EXPRESSION_GET':
        return { columns: this.#values(node, input), rows: input.rows }
      case 'LOGICAL_DUMMY_SCAN':
        return { columns: [nothing], rows: nothing }
      default:
        return input
    }
  }

  #get(node: AstObject): Output {
    const inputs = children(node).map((part) => this.read(part))
    const relation = textOf(child(node, 'function_data') ?? {}, 'table')
    const dataset = node.name === 'seq_scan' ? this.#dataset(relation) : undefined
    const names = texts(node, 'names')
    // A table function over a lateral input: its columns come from all of it, and some of it is passed on.
    const input = beside(inputs)
    const computed = transformed(union(input.columns))
    const columns = children(node, 'column_indexes').map((column) => {
      const name = names[Number(column.index)]
      return dataset === undefined || name === undefined ? computed : identity(dataset, name)
    })
    const passed = Array.isArray(node.projected_input)
      ? node.projected_input.map((index) => input.columns[Number(index)] ?? nothing)
      : []
    const kept =
      Array.isArray(node.projection_ids) && node.projection_ids.length > 0 ? project(columns, node.projection_ids) : columns
    return { columns: [...kept, ...passed], rows: input.rows }
  }

  #materializedCte(node: AstObject): Output {
    const [definition, rest] = children(node)
    if (definition === undefined || rest === undefined) return noOutput
    this.#ctes.set(Number(node.table_index), this.read(definition))
    return this.read(rest)
  }

  /** Round until nothing is new: what the recursive part adds to a column may flow into another one the next time. */
  #recursiveCte(node: AstObject): Output {
    const [start, step] = children(node)
    if (start === undefined || step === undefined) return noOutput
    let all = this.read(start)
    for (let known = -1; known < sizeOf(all); ) {
      known = sizeOf(all)
      this.#ctes.set(Number(node.table_index), all)
      all = sideways([all, this.read(step)])
    }
    return all
  }

  #delimJoin(node: AstObject): Output {
    const [left, right] = children(node)
    if (left === undefined || right === undefined) return noOutput
    const outer = this.read(left)
    this.#outer.push(children(node, 'duplicate_eliminated_columns').map((part) => this.#expression(part, outer)))
    const inner = this.read(right)
    this.#outer.pop()
    return this.#join(node, [outer, inner])
  }

  #join(node: AstObject, [left = noOutput, right = noOutput]: readonly Output[]): Output {
    const both = beside([left, right])
    const keys = union([
      ...children(node, 'conditions').map((condition) =>
        union([this.#expression(child(condition, 'left') ?? {}, left), this.#expression(child(condition, 'right') ?? {}, right)]),
      ),
      ...(child(node, 'condition') === undefined ? [] : [this.#expression(child(node, 'condition') ?? {}, both)]),
    ])
    const rows = union([both.rows, indirect(keys, 'JOIN')])
    const leftColumns = project(left.columns, node.left_projection_map)
    const rightColumns = project(right.columns, node.right_projection_map)
    const type = textOf(node, 'join_type')
    if (leftOnly.has(type)) return { columns: leftColumns, rows }
    if (rightOnly.has(type)) return { columns: rightColumns, rows }
    if (type === 'MARK') return { columns: [...leftColumns, transformed(keys)], rows: both.rows }
    return { columns: [...leftColumns, ...rightColumns], rows }
  }

  #values(node: AstObject, input: Output): readonly Dependencies[] {
    const lists = Array.isArray(node.expressions) ? node.expressions : []
    const columns: Dependencies[] = []
    for (const list of lists) {
      if (!Array.isArray(list)) continue
      for (const [index, expression] of list.entries()) {
        const found = this.#expression(expression as AstObject, input)
        columns[index] = union([columns[index] ?? nothing, found])
      }
    }
    return columns
  }

  #expression(node: AstObject, input: Output): Dependencies {
    const references: References = {
      byIndex: (index) => input.columns[index] ?? nothing,
      byBinding: (table, column) => this.#tables.get(table)?.[column] ?? nothing,
    }
    return expressionDependencies(node, references)
  }
}

function beside(outputs: readonly Output[]): Output {
  if (outputs.length === 1) return outputs[0] as Output
  return { columns: outputs.flatMap(({ columns }) => columns), rows: union(outputs.map(({ rows }) => rows)) }
}

/** Set operations: the n-th column comes from the n-th of each. */
function sideways(outputs: readonly Output[]): Output {
  const width = Math.max(0, ...outputs.map(({ columns }) => columns.length))
  const columns = Array.from({ length: width }, (_, index) => union(outputs.map((output) => output.columns[index] ?? nothing)))
  return { columns, rows: union(outputs.map(({ rows }) => rows)) }
}

/** Rows of one side that the other side has, or has not: whole rows are compared, and of EXCEPT none comes from the other side. */
function compared(outputs: readonly Output[], type: string): Output {
  const { columns, rows } = sideways(outputs)
  const keys = indirect(union(columns), 'JOIN')
  return { columns: type === 'LOGICAL_EXCEPT' ? (outputs[0]?.columns ?? []) : columns, rows: union([rows, keys]) }
}

/** How many dependencies an output tells of. */
function sizeOf({ columns, rows }: Output): number {
  return columns.reduce((sum, { size }) => sum + size, rows.size)
}

/** A projection map picks columns by index; an empty one passes all. */
function project(columns: readonly Dependencies[], map: unknown): readonly Dependencies[] {
  if (!Array.isArray(map) || map.length === 0) return columns
  return map.map((index) => columns[Number(index)] ?? nothing)
}

function rawLength(value: unknown): number {
  return Array.isArray(value) ? value.filter((item) => Array.isArray(item)).length : 0
}
