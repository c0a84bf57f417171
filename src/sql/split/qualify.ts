import { foldName } from '../../model/fold-name.js'
import type { AstObject, AstValue } from '../ast-text.js'
import { child, children, isObject, textOf, texts } from '../ast-walk.js'
import { isAggregateCall } from './aggregate-calls.js'
import { NotSplit } from './not-split.js'
import { resolveColumn, type Scope } from './scope.js'

/** Select-list aliases that an expression may call, by folded name. */
export type Aliases = ReadonlyMap<string, AstObject>

/**
 * The expression with every column called by table and name, and every alias replaced by what it stands for: so two forms of
 * the same thing become equal trees. Throws NotSplit where a name means two things, or nothing here (an outer column).
 * Subqueries are left alone: whoever uses the result decides what they may hold.
 */
export function qualify(expression: AstObject, scope: Scope, aliases: Aliases): AstObject {
  return visit(expression, new Set())

  function visit(node: AstObject, parameters: ReadonlySet<string>): AstObject {
    if (node.class === 'COLUMN_REF') return column(node, parameters)
    if (node.class === 'SUBQUERY') return withChild(node, parameters)
    if (node.class === 'STAR' || node.class === 'WINDOW') throw new NotSplit('a star or a window beside aggregates')
    if (node.class === 'LAMBDA') return lambdaBody(node, parameters)
    const copy: AstObject = {}
    for (const key in node) copy[key] = value(node[key] as AstValue, parameters)
    return copy
  }

  function value(part: AstValue, parameters: ReadonlySet<string>): AstValue {
    if (Array.isArray(part)) return part.map((item) => value(item, parameters))
    return isObject(part) ? visit(part, parameters) : part
  }

  /** `x IN (SELECT …)`: x is an expression of this scope. */
  function withChild(node: AstObject, parameters: ReadonlySet<string>): AstObject {
    const compared = child(node, 'child')
    return compared === undefined ? node : { ...node, child: visit(compared, parameters) }
  }

  function lambdaBody(node: AstObject, parameters: ReadonlySet<string>): AstObject {
    const inner = new Set([...parameters, ...lambdaParameters(node)])
    const body = child(node, 'expr')
    return body === undefined ? node : { ...node, expr: visit(body, inner) }
  }

  function column(node: AstObject, parameters: ReadonlySet<string>): AstObject {
    const names = texts(node, 'column_names')
    const [first = ''] = names
    if (parameters.has(foldName(first))) return node
    const resolved = resolveColumn(scope, names)
    // A column comes before an alias of the same name, everywhere but in a bare ORDER BY, which never gets here.
    if (resolved !== undefined) return { ...resolved.expression, alias: textOf(node, 'alias') }
    const alias = names.length === 1 ? aliases.get(foldName(first)) : undefined
    if (alias === undefined) throw new NotSplit(`${names.join('.')} is not a column here`)
    if (alias.class === 'AMBIGUOUS') throw new NotSplit(`two columns called ${first}`)
    return { ...alias, alias: textOf(node, 'alias') }
  }
}

/** True where a qualified expression reads a column by itself: outside of aggregates and of subqueries. */
export function readsColumns(expression: AstObject): boolean {
  return visit(expression, new Set())

  function visit(node: AstObject, parameters: ReadonlySet<string>): boolean {
    if (node.class === 'COLUMN_REF') return !parameters.has(foldName(texts(node, 'column_names')[0] ?? ''))
    if (isAggregateCall(node)) return false
    const inner = node.class === 'LAMBDA' ? new Set([...parameters, ...lambdaParameters(node)]) : parameters
    return Object.keys(node).some((key) => !(node.class === 'SUBQUERY' && key === 'subquery') && reads(node[key], inner))
  }

  function reads(part: AstValue | undefined, parameters: ReadonlySet<string>): boolean {
    if (Array.isArray(part)) return part.some((item) => reads(item, parameters))
    return isObject(part) && visit(part, parameters)
  }
}

export function lambdaParameters(node: AstObject): readonly string[] {
  const lhs = child(node, 'lhs')
  if (lhs === undefined) return []
  const parts = lhs.class === 'COLUMN_REF' ? [lhs] : children(lhs)
  return parts.flatMap((part) => texts(part, 'column_names').slice(0, 1).map(foldName))
}
