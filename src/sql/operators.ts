import type { Operator } from '../model/transformation.js'
import type { AstObject } from './ast-text.js'

/** What a SELECT does, in the order of execution. */
export function operatorsOf(_node: AstObject, _names: ReadonlyMap<string, string>): readonly Operator[] {
  return []
}
