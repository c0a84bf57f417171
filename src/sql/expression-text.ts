import { foldName } from '../model/fold-name.js'
import type { AstObject } from './ast-text.js'
import { child, children, isClass, textOf, texts } from './ast-walk.js'
import { literalText } from './template.js'

export interface TextOptions {
  /** Show literals; otherwise each is `?`. */
  readonly literals: boolean
}

const comparisons: Readonly<Record<string, string>> = {
  COMPARE_EQUAL: '=',
  COMPARE_NOTEQUAL: '<>',
  COMPARE_LESSTHAN: '<',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHAN: '>',
  COMPARE_GREATERTHANOREQUALTO: '>=',
  COMPARE_DISTINCT_FROM: 'IS DISTINCT FROM',
  COMPARE_NOT_DISTINCT_FROM: 'IS NOT DISTINCT FROM',
}

const wordOperators: Readonly<Record<string, string>> = { '~~': 'LIKE', '!~~': 'NOT LIKE', '~~*': 'ILIKE', '!~~*': 'NOT ILIKE' }

/** An expression as people read it: canonical and short, for explanations and lineage, not to be run. */
export function expressionText(node: AstObject, options: TextOptions): string {
  const of = (part: AstObject | undefined): string => (part === undefined ? '' : expressionText(part, options))
  const list = (key = 'children'): string => children(node, key).map(of).join(', ')
  switch (node.class) {
    case 'COLUMN_REF':
      return texts(node, 'column_names').join('.')
    case 'CONSTANT':
      return options.literals ? quotedLiteral(node) : '?'
    case 'PARAMETER':
      return '?'
    case 'STAR':
      return textOf(node, 'relation_name') === '' ? '*' : `${textOf(node, 'relation_name')}.*`
    case 'CAST': {
      const inner = child(node, 'child')
      if (!options.literals && inner !== undefined && isClass(inner, 'CONSTANT')) return '?'
      return `CAST(${of(inner)} AS ${textOf(child(node, 'cast_type') ?? {}, 'id')})`
    }
    case 'COMPARISON':
      return `${of(child(node, 'left'))} ${comparisons[textOf(node, 'type')] ?? textOf(node, 'type')} ${of(child(node, 'right'))}`
    case 'BETWEEN':
      return `${of(child(node, 'input'))} BETWEEN ${of(child(node, 'lower'))} AND ${of(child(node, 'upper'))}`
    case 'CONJUNCTION': {
      const word = node.type === 'CONJUNCTION_AND' ? ' AND ' : ' OR '
      return children(node)
        .map((part) => (isClass(part, 'CONJUNCTION') ? `(${of(part)})` : of(part)))
        .join(word)
    }
    case 'OPERATOR':
      return operatorText(node, of, options)
    case 'FUNCTION':
      return functionText(node, of)
    case 'WINDOW': {
      const partitions = children(node, 'partitions').map(of).join(', ')
      const orders = ordersText(children(node, 'orders'), options)
      const over = [partitions === '' ? '' : `partition by ${partitions}`, orders === '' ? '' : `order by ${orders}`]
      return `${textOf(node, 'function_name')}(${list()}) over (${over.filter((part) => part !== '').join(' ')})`
    }
    case 'CASE': {
      const branches = children(node, 'case_checks').map(
        (check) => `WHEN ${of(child(check, 'when_expr'))} THEN ${of(child(check, 'then_expr'))}`,
      )
      return `CASE ${branches.join(' ')} ELSE ${of(child(node, 'else_expr'))} END`
    }
    case 'SUBQUERY': {
      const input = child(node, 'child')
      return input === undefined ? '(subquery)' : `${of(input)} IN (subquery)`
    }
    case 'COLLATE':
      return `${of(child(node, 'child'))} COLLATE ${textOf(node, 'collation')}`
    case 'LAMBDA':
      return `lambda ${of(child(node, 'lhs'))}: ${of(child(node, 'expr'))}`
    default:
      return textOf(node, 'type').toLowerCase() || '?'
  }
}

/** Sort keys with their directions, the default ones left out. */
export function ordersText(orders: readonly AstObject[], options: TextOptions): string {
  return orders
    .map((order) => {
      const direction = order.type === 'DESCENDING' ? ' desc' : ''
      const nulls = order.null_order === 'NULLS FIRST' || order.null_order === 'NULLS_FIRST' ? ' nulls first' : ''
      // A number is a position in the select list: part of the shape.
      const key = child(order, 'expression') ?? {}
      return `${expressionText(key, isClass(key, 'CONSTANT') ? { literals: true } : options)}${direction}${nulls}`
    })
    .join(', ')
}

function operatorText(node: AstObject, of: (part: AstObject) => string, options: TextOptions): string {
  const [first = {}, ...rest] = children(node)
  switch (node.type) {
    case 'OPERATOR_NOT':
      return `NOT (${of(first)})`
    case 'OPERATOR_IS_NULL':
      return `${of(first)} IS NULL`
    case 'OPERATOR_IS_NOT_NULL':
      return `${of(first)} IS NOT NULL`
    case 'COMPARE_IN':
    case 'COMPARE_NOT_IN': {
      const values = options.literals ? shortList(rest, of) : [...new Set(rest.map(of))].join(', ')
      return `${of(first)} ${node.type === 'COMPARE_IN' ? 'IN' : 'NOT IN'} (${values})`
    }
    default:
      return `${textOf(node, 'type')
        .replace(/^OPERATOR_/, '')
        .toLowerCase()}(${[first, ...rest].map(of).join(', ')})`
  }
}

function shortList(values: readonly AstObject[], of: (part: AstObject) => string): string {
  if (values.length <= 12) return values.map(of).join(', ')
  return `${values.slice(0, 10).map(of).join(', ')}, … ${values.length} values`
}

function functionText(node: AstObject, of: (part: AstObject) => string): string {
  const name = foldName(textOf(node, 'function_name'))
  const parts = children(node).map(of)
  if (name === 'count_star') return 'count(*)'
  if (node.is_operator === true || name in wordOperators) {
    const word = wordOperators[name] ?? name
    return parts.length === 1 ? `${word}${parts[0]}` : parts.join(` ${word} `)
  }
  const filter = child(node, 'filter')
  const distinct = node.distinct === true ? 'distinct ' : ''
  return `${name}(${distinct}${parts.join(', ')})${filter === undefined ? '' : ` filter (${of(filter)})`}`
}

function quotedLiteral(node: AstObject): string {
  const value = child(node, 'value') ?? {}
  const text = literalText(node)
  return textOf(child(value, 'type') ?? {}, 'id') === 'VARCHAR' ? `'${text.length > 60 ? `${text.slice(0, 60)}…` : text}'` : text
}
