/**
 * The SELECT whose rows DuckDB writes as the client's Parquet file. What Parquet has no type for, at any depth, goes as one that
 * keeps the value: left alone, DuckDB would write 128-bit integers, which `sum` of integers gives, as DOUBLE and lose digits, would
 * cut INTERVAL to milliseconds and refuse negative ones, and would drop the zone of TIME WITH TIME ZONE.
 */
import { quoteName } from '../../model/quote.js'
import { type Column, distinctNames } from '../../model/segment.js'
import { parseType, printType, type TypeTree } from '../type-tree.js'

/** `sql` with every column in a type that Parquet keeps: DECIMAL(38,0) for 128-bit integers, text (DuckDB's) for the rest. */
export function parquetSql(sql: string, columns: readonly Column[]): string {
  const names = distinctNames(columns).map(quoteName)
  const inner = columns.map((_, index) => `c${index}`)
  const list = columns.map((column, index) => `${portable(inner[index] ?? '', column.type)} AS ${names[index] ?? ''}`)
  return `SELECT ${list.join(', ')} FROM (${sql}) AS __answer(${inner.join(', ')})`
}

function portable(name: string, type: string): string {
  const tree = parseType(type)
  return isPortable(tree) ? name : `CAST(${name} AS ${portableType(tree)})`
}

const wholeNumbers = new Set(['HUGEINT', 'UHUGEINT'])
const asText = new Set(['BIT', 'BIGNUM', 'VARIANT', 'INTERVAL', 'TIME WITH TIME ZONE'])

function isPortable(tree: TypeTree): boolean {
  switch (tree.kind) {
    case 'scalar':
      return !wholeNumbers.has(tree.name) && !asText.has(tree.name)
    case 'enum':
      return true
    case 'list':
    case 'array':
      return isPortable(tree.element)
    case 'map':
      return isPortable(tree.key) && isPortable(tree.value)
    case 'struct':
      return tree.fields.every((field) => isPortable(field.type))
    case 'union':
      return false
  }
}

function portableType(tree: TypeTree): string {
  return printType(tree, (part) => {
    if (part.kind === 'enum' || part.kind === 'union') return 'VARCHAR'
    if (part.kind !== 'scalar') return undefined
    if (wholeNumbers.has(part.name)) return 'DECIMAL(38,0)'
    return asText.has(part.name) ? 'VARCHAR' : undefined
  })
}
