/**
 * Negative zeros in packs, which DuckDB's compression would mix up with the others (carrier.ts says why). They are rare, and floats
 * compress and filter better as they are, so only a column that has one is kept in another form. A scan of 1 M doubles takes 2.6 ms
 * as they are, 12 in Parquet and 49 as bits; so a column of plain floats becomes a struct of each value and whether it is a negative
 * zero, and bits are left to floats inside of other types.
 */
import { quoteText } from '../model/quote.js'
import { bitsType, holdsFloat, isFloat } from './carrier.js'
import { parseType, type TypeTree } from './type-tree.js'

/** A condition on a value: that it is a negative zero, or holds one. Undefined where none could be kept apart from the others. */
export function hasNegativeZero(value: string, type: string): string | undefined {
  return bitsType(type) === undefined ? undefined : condition(parseType(type), value, 0)
}

/** The form in which a value keeps the signs of its zeros. */
export function withSigns(value: string, type: string): string {
  if (!isFloat(parseType(type))) return `CAST(${value} AS ${bitsType(type) ?? type})`
  return `{'value': CASE WHEN ${value} = 0 THEN 0 ELSE ${value} END, 'negative': signbit(${value}) AND ${value} = 0}`
}

/** The value that `withSigns` was given. */
export function fromSigned(value: string, type: string): string {
  if (!isFloat(parseType(type))) return `CAST(${value} AS ${type})`
  return `CASE WHEN struct_extract(${value}, 'negative') THEN CAST('-0.0' AS ${type}) ELSE struct_extract(${value}, 'value') END`
}

function condition(type: TypeTree, value: string, depth: number): string {
  if (!holdsFloat(type)) return 'false'
  switch (type.kind) {
    case 'list':
    case 'array': {
      const element = `e${depth}`
      return `len(list_filter(${value}, lambda ${element}: ${condition(type.element, element, depth + 1)})) > 0`
    }
    case 'map': {
      const keys = condition({ kind: 'list', element: type.key }, `map_keys(${value})`, depth)
      return `(${keys} OR ${condition({ kind: 'list', element: type.value }, `map_values(${value})`, depth)})`
    }
    case 'struct':
    case 'union': {
      const member = (name: string): string => `${type.kind}_extract(${value}, ${quoteText(name)})`
      return `(${type.fields.map((field) => condition(field.type, member(field.name), depth)).join(' OR ')})`
    }
    default:
      return `(signbit(${value}) AND ${value} = 0)`
  }
}
