import { foldName } from '../../model/fold-name.js'
import type { AstObject, AstValue } from '../ast-text.js'

/** Text that is equal for expressions that mean the same by their form: without places, aliases and the case of names. */
export function canonical(expression: AstObject): string {
  return JSON.stringify(strip(expression, true))
}

function strip(value: AstValue, top: boolean): AstValue {
  if (Array.isArray(value)) return value.map((item) => strip(item, false))
  if (typeof value !== 'object' || value === null) return value
  const copy: AstObject = {}
  for (const key in value) {
    if (key === 'query_location' || (key === 'alias' && (top || !keepsAlias(value)))) continue
    const part = value[key] as AstValue
    if (key === 'column_names' && Array.isArray(part)) copy[key] = part.map((name) => foldName(String(name)))
    else if (key === 'function_name' && typeof part === 'string') copy[key] = foldName(part)
    else copy[key] = strip(part, false)
  }
  return copy
}

/** Below the top an alias can name a struct's field (`struct_pack(a := 1)`), so it is kept wherever it is not empty. */
function keepsAlias(node: AstObject): boolean {
  return node.alias !== ''
}
