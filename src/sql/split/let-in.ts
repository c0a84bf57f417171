import { call, columnRef, integer, lambda } from '../ast.js'
import type { AstObject } from '../ast-text.js'

/**
 * `let name = value in body`. DuckDB has no let, and writing a value out wherever it is used grows a tree exponentially: so the
 * value goes through a list of one. The parameter's name is private to Forebay's own expressions.
 */
export function letIn(name: string, value: AstObject, body: (name: AstObject) => AstObject): AstObject {
  const parameter = `__${name}`
  const list = call('list_transform', [call('list_value', [value]), lambda([parameter], body(columnRef(parameter)))])
  return call('list_extract', [list, integer(1)])
}
