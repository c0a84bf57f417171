/**
 * How a derived segment's rows stand on disk without losing a type. Parquet is ten times faster to write than a DuckDB file when
 * there are few rows (1.3 against 8 ms), but it has no HUGEINT, no INTERVAL in microseconds, no ENUM and so on. So: Parquet where
 * every type comes back as it went, 128-bit integers as text inside Parquet (they are what `sum(int)` gives, so frequent), and a
 * DuckDB file with table `t` for the rest. The lists below were measured: test/node/carrier.test.ts holds them.
 *
 * DuckDB compresses by value: a dictionary of Parquet, and Constant and RLE in its own files, keep one zero for `-0.0` and `0.0`, and
 * all of them come back with its sign. Parquet can be told to have no dictionaries. No setting keeps Constant away from a DuckDB file,
 * so floats stand in it as their bits.
 */
import { foldName } from '../model/fold-name.js'
import { quoteName } from '../model/quote.js'
import { type Carrier, type Column, distinctNames } from '../model/segment.js'
import { hasPart, parseType, printType, type TypeTree } from './type-tree.js'

const keptByParquet = new Set([
  'BOOLEAN',
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
  'FLOAT',
  'DOUBLE',
  'VARCHAR',
  'BLOB',
  'DATE',
  'TIME',
  'TIMESTAMP',
  'TIMESTAMP WITH TIME ZONE',
  'UUID',
])
const carriedAsText = new Set(['HUGEINT', 'UHUGEINT'])
/** The type of a NULL that nothing gave a type: no file has it, but all its values are known. */
const untyped = '"NULL"'

/** The carrier that brings every value of these columns back as it was. */
export function carrierOf(columns: readonly Column[]): Carrier {
  return columns.every(({ type }) => type === untyped || carriedAsText.has(type) || isKeptByParquet(parseType(type)))
    ? 'parquet'
    : 'duckdb'
}

/**
 * Names of the columns inside the file: the columns' own where Parquet and DuckDB can tell them apart, else `c0`, `c1`, …
 * Writer and reader both derive them from `StoredSegment.columns`.
 */
export function physicalNames(columns: readonly Column[]): readonly string[] {
  const names = columns.map((column) => column.name)
  const distinct = new Set(names.map(foldName)).size === names.length
  const plain = names.every((name) => name !== '' && !name.includes('\0'))
  return distinct && plain ? names : names.map((_, index) => `c${index}`)
}

/** `SELECT …` that writes the rows of `sql` (a SELECT) in the physical form. */
export function storeSql(sql: string, columns: readonly Column[], carrier: Carrier): string {
  const names = physicalNames(columns).map(quoteName)
  const list = columns.map(({ type }, index) => {
    const name = names[index] ?? ''
    if (type === untyped) return `CAST(NULL AS INTEGER) AS ${name}`
    const carried = carriedType(type, carrier)
    return carried === undefined ? name : `CAST(${name} AS ${carried}) AS ${name}`
  })
  return `SELECT ${list.join(', ')} FROM (${sql}) AS __stored(${names.join(', ')})`
}

/** `SELECT …` that gives the columns back from the physical form; `from` is what stands behind FROM. */
export function restoreSql(from: string, columns: readonly Column[], carrier: Carrier): string {
  const physical = physicalNames(columns).map(quoteName)
  const logical = distinctNames(columns).map(quoteName)
  const list = columns.map(({ type }, index) => {
    const name = physical[index] ?? ''
    if (type === untyped) return `NULL AS ${logical[index] ?? ''}`
    const value = carriedType(type, carrier) === undefined ? name : `CAST(${name} AS ${type})`
    return `${value} AS ${logical[index] ?? ''}`
  })
  return `SELECT ${list.join(', ')} FROM ${from}`
}

/** The type as which a column's values stand in the file; undefined where it is their own. */
function carriedType(type: string, carrier: Carrier): string | undefined {
  if (carrier === 'duckdb') return bitsType(type)
  return carriedAsText.has(type) ? 'VARCHAR' : undefined
}

/** The type with bits in the place of its floats; undefined where it has none, or is not one that DuckDB can cast back to. */
export function bitsType(type: string): string | undefined {
  const tree = parseType(type)
  if (!holdsFloat(tree) || unkeptHint(tree) !== undefined) return undefined
  return printType(tree, (part) => (isFloat(part) ? 'BIT' : undefined))
}

export function holdsFloat(tree: TypeTree): boolean {
  return hasPart(tree, isFloat)
}

export function isFloat(tree: TypeTree): boolean {
  return tree.kind === 'scalar' && (tree.name === 'FLOAT' || tree.name === 'DOUBLE')
}

/** True where Parquet gives every value of the type back as it was, and the type with it. */
export function isKeptByParquet(type: TypeTree): boolean {
  switch (type.kind) {
    case 'scalar':
      return keptByParquet.has(type.name) || /^DECIMAL\(\d+,\s?\d+\)$/.test(type.name)
    case 'list':
      return isKeptByParquet(type.element)
    case 'map':
      return isKeptByParquet(type.key) && isKeptByParquet(type.value)
    case 'struct': {
      const names = new Set(type.fields.map((field) => foldName(field.name)))
      return names.size === type.fields.length && !names.has('') && type.fields.every((field) => isKeptByParquet(field.type))
    }
    default:
      return false
  }
}

/**
 * The type that a written table's files have for a column: text in the place of what Parquet lacks, lists for arrays. What is
 * nested stays nested, since the text of an array quotes nothing and that of a UNION does not say which member it is. Parquet
 * holds a UNION as a struct with a tag, and DuckDB casts its members back only as it casts unasked, so those are text as a whole.
 */
export function storedType(tree: TypeTree): string {
  return printType(tree, (part) => {
    if (isKeptByParquet(part)) return undefined
    if (part.kind === 'array') return `${storedType(part.element)}[]`
    if (part.kind === 'union')
      return printType(part, (member) => (member === part || isKeptByParquet(member) ? undefined : 'VARCHAR'))
    return part.kind === 'scalar' || part.kind === 'enum' ? 'VARCHAR' : undefined
  })
}

/** What to do about a type of which no file of a written table would give back all values; undefined where one does. */
export function unkeptHint(tree: TypeTree): string | undefined {
  switch (tree.kind) {
    case 'scalar':
      return tree.name === 'VARIANT' ? 'cast it to JSON' : undefined
    case 'enum':
      return undefined
    case 'list':
    case 'array':
      return unkeptHint(tree.element)
    case 'map':
      return unkeptHint(tree.key) ?? unkeptHint(tree.value)
    case 'struct':
      if (tree.fields.some((field) => field.name === '')) return "name the fields of the struct: {'a': …} instead of row(…)"
      return firstHint(tree.fields)
    case 'union':
      if (tree.fields.some((field) => hasPart(field.type, isUnion))) return 'make the inner union a member of the outer one'
      if (tree.fields.some((field) => hasPart(field.type, isArrayOfTexts))) return 'make the array inside of the union a list'
      return firstHint(tree.fields)
  }
}

function firstHint(fields: readonly { readonly type: TypeTree }[]): string | undefined {
  return fields.map((field) => unkeptHint(field.type)).find((hint) => hint !== undefined)
}

function isUnion(tree: TypeTree): boolean {
  return tree.kind === 'union'
}

/** An array whose text DuckDB may read as other values than those it was made of. */
function isArrayOfTexts(tree: TypeTree): boolean {
  return tree.kind === 'array' && hasPart(tree.element, isText)
}

function isText(tree: TypeTree): boolean {
  return tree.kind === 'enum' || (tree.kind === 'scalar' && ['VARCHAR', 'BLOB', 'JSON'].includes(tree.name))
}
