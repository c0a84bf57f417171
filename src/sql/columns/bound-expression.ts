import type { AstObject, AstValue } from '../ast-text.js'
import { child, children, isObject } from '../ast-walk.js'
import { aggregated, type Dependencies, indirect, nothing, transformed, union } from './dependencies.js'

/** How an expression finds what a reference stands for. */
export interface References {
  /** By position in the operator's input. */
  byIndex(index: number): Dependencies
  /** By the index of the table that an operator makes, and the column in it. */
  byBinding(table: number, column: number): Dependencies
}

/** What the value of a bound expression depends on. */
export function expressionDependencies(node: AstObject, references: References): Dependencies {
  const below = (part: AstValue | undefined): Dependencies => anyDependencies(part, references)
  switch (node.expression_class) {
    case 'BOUND_REF':
      return references.byIndex(Number(node.index))
    case 'BOUND_COLUMN_REF': {
      const binding = child(node, 'binding')
      return references.byBinding(Number(binding?.table_index), Number(binding?.column_index))
    }
    case 'BOUND_CONSTANT':
      return nothing
    case 'BOUND_CASE': {
      const checks = children(node, 'case_checks')
      return union([
        ...checks.map((check) => indirect(transformed(below(check.when_expr)), 'CONDITIONAL')),
        transformed(union([...checks.map((check) => below(check.then_expr)), below(node.else_expr)])),
      ])
    }
    case 'BOUND_AGGREGATE':
      return union([
        aggregated(below(node.children)),
        indirect(below(node.filter), 'FILTER'),
        indirect(below(node.order_bys), 'SORT'),
      ])
    case 'BOUND_WINDOW':
      return union([
        isAggregateWindow(node) ? aggregated(below(node.children)) : transformed(below(node.children)),
        transformed(union([below(node.offset_expr), below(node.default_expr)])),
        indirect(union([below(node.partitions), below(node.orders), below(node.arg_orders)]), 'WINDOW'),
        indirect(union([below(node.start_expr), below(node.end_expr)]), 'WINDOW'),
        indirect(below(node.filters), 'FILTER'),
      ])
    default:
      return transformed(below(Object.values(node)))
  }
}

function anyDependencies(value: AstValue | undefined, references: References): Dependencies {
  if (Array.isArray(value)) return union(value.map((item) => anyDependencies(item, references)))
  if (!isObject(value)) return nothing
  if (typeof value.expression_class === 'string') return expressionDependencies(value, references)
  return union(Object.values(value).map((item) => anyDependencies(item, references)))
}

function isAggregateWindow(node: AstObject): boolean {
  return node.type === 'WINDOW_AGGREGATE'
}
