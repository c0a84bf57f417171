import { foldName } from '../../model/fold-name.js'
import type { AstObject } from '../ast-text.js'
import { child, children, textOf, walk } from '../ast-walk.js'

/**
 * True where an expression over inexact values stays within a relative error of the same size: products, quotients, a sign,
 * a replacement for NULL, a choice that exact values make. Differences cancel, rounding and comparing jump: they do not.
 */
export function keepsTolerance(expression: AstObject, isInexact: (node: AstObject) => boolean): boolean {
  return visit(expression)

  function visit(node: AstObject): boolean {
    if (isInexact(node) || !mentions(node)) return true
    switch (node.class) {
      case 'FUNCTION': {
        const name = foldName(textOf(node, 'function_name'))
        const args = children(node)
        if (name === '-' && args.length !== 1) return false
        return smooth.has(name) && args.every(visit)
      }
      case 'CAST':
        return child(node, 'cast_type')?.id === 'DOUBLE' && visitChild(node, 'child')
      case 'OPERATOR':
        return node.type === 'OPERATOR_COALESCE' && children(node).every(visit)
      case 'CASE':
        return cases(node)
      default:
        return false
    }
  }

  function visitChild(node: AstObject, key: string): boolean {
    const inner = child(node, key)
    return inner === undefined || visit(inner)
  }

  function cases(node: AstObject): boolean {
    const checks = children(node, 'case_checks')
    const exactChoice = checks.every((check) => !mentions(child(check, 'when_expr') ?? {}))
    return exactChoice && checks.every((check) => visitChild(check, 'then_expr')) && visitChild(node, 'else_expr')
  }

  function mentions(node: AstObject): boolean {
    let found = false
    walk(node, (part) => {
      found ||= isInexact(part)
      return !found
    })
    return found
  }
}

const smooth = new Set(['*', '/', '-', 'abs', 'sqrt'])
