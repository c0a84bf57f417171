/**
 * The relations of a task as SELECTs, put in front of its statement as CTEs that are never materialised. A temporary view per
 * relation does the same, but DuckDB binds a view once when it is made and again when it is used: 1.6 against 0.9 ms for a small
 * file, and nothing has to be dropped afterwards.
 */
import { valueOf } from '../model/by-name.js'
import { foldName } from '../model/fold-name.js'
import type { BasePart, TaskInput } from '../model/messages.js'
import { quoteName, quotePaths, quoteText } from '../model/quote.js'
import type { BaseSegment, Column, Pack, StoredSegment } from '../model/segment.js'
import { restoreSql } from './carrier.js'
import { fromSigned } from './negative-zeros.js'

export type BaseInput = Extract<TaskInput, { kind: 'base' }>
export type DerivedInput = Extract<TaskInput, { kind: 'derived' }>

/** A relation's name and the SELECT behind it. */
export interface Relation {
  readonly name: string
  readonly sql: string
}

/** What the SQL of a relation needs to know of the world. */
export interface RelationContext {
  /** Rows of the whole file, where known: a range that spans it needs no filter (a filter doubles the time of a scan). */
  fileRows(segment: BaseSegment): number | undefined
  /** The path by which DuckDB reads the segment's file. */
  readPath(segment: BaseSegment): string
  /** The attached database behind a pack. */
  packAlias(pack: Pack): string
}

/** The ordinal column that a pack's rows carry, besides the relation's own columns. */
export interface PackOrdinal {
  readonly column: string
  readonly type: string
  ordinalOf(segment: BaseSegment): number
}

/** Puts the relations in front of a statement, which may have a WITH clause of its own. */
export function withRelations(sql: string, relations: readonly Relation[]): string {
  const statement = sql.trim().replace(/;\s*$/, '')
  if (relations.length === 0) return statement
  const list = relations.map((relation) => `${quoteName(relation.name)} AS NOT MATERIALIZED (${relation.sql})`).join(', ')
  const own = /^WITH\s+(RECURSIVE\s+)?/i.exec(statement)
  if (own === null) return `WITH ${list} ${statement}`
  return `WITH ${own[1] === undefined ? '' : 'RECURSIVE '}${list}, ${statement.slice(own[0].length)}`
}

/** The relation of a base input: one SELECT, or several put together by position. */
export function baseRelation(input: BaseInput, context: RelationContext, ordinal?: PackOrdinal): Relation {
  const selects = input.parts.flatMap((part) =>
    part.from === 'pack' ? [packSelect(input, part, context)] : parquetSelects(input, part.segments, context, ordinal),
  )
  if (selects.length === 0) selects.push(emptySelect(input.columns, ordinal))
  return { name: input.relation, sql: selects.join(' UNION ALL ') }
}

/** The relation of a derived input, whose files are here: `files` in the order of the input's sources. */
export function derivedRelation(input: DerivedInput, files: readonly DerivedFile[]): Relation {
  const parquet = files.filter((file) => file.stored.carrier === 'parquet')
  const selects: string[] = []
  if (parquet.length > 0) {
    const list = quotePaths(parquet.map((file) => file.path))
    selects.push(restoreSql(`read_parquet(${list}, hive_partitioning = false)`, input.columns, 'parquet'))
  }
  for (const file of files) {
    if (file.alias !== undefined) selects.push(restoreSql(`${quoteName(file.alias)}.main.t`, input.columns, 'duckdb'))
  }
  if (selects.length === 0) selects.push(emptySelect(input.columns))
  return { name: input.relation, sql: selects.join(' UNION ALL ') }
}

/** A derived segment's file on this host; `alias` names the attached database where the carrier is a DuckDB file. */
export interface DerivedFile {
  readonly stored: StoredSegment
  readonly path: string
  readonly alias?: string
}

function emptySelect(columns: readonly Column[], ordinal?: PackOrdinal): string {
  const list = columns.map((column) => `CAST(NULL AS ${column.type}) AS ${quoteName(column.name)}`)
  if (ordinal !== undefined) list.push(`CAST(NULL AS ${ordinal.type}) AS ${quoteName(ordinal.column)}`)
  return `SELECT ${list.join(', ')} WHERE false`
}

function packSelect(input: BaseInput, part: Extract<BasePart, { from: 'pack' }>, context: RelationContext): string {
  const packed = new Set(part.pack.columns.map(foldName))
  const list = input.columns.map((column) => {
    const name = quoteName(column.name)
    if (part.pack.signedColumns.includes(column.name)) return `${fromSigned(name, column.type)} AS ${name}`
    return packed.has(foldName(column.name)) ? name : `${partitionLiteral(column, part.segments[0])} AS ${name}`
  })
  const from = `${quoteName(context.packAlias(part.pack))}.main.pack`
  const filter = ordinalFilter(part.ordinals, part.pack)
  return `SELECT ${list.join(', ')} FROM ${from}${filter === '' ? '' : ` WHERE ${filter}`}`
}

/** Runs of ordinals as BETWEEN, which DuckDB prunes by; nothing when the whole pack is read. */
function ordinalFilter(ordinals: readonly number[], pack: Pack): string {
  if (ordinals.length >= pack.segments.length) return ''
  const sorted = [...ordinals].sort((a, b) => a - b)
  const column = quoteName(pack.ordinalColumn)
  const runs: string[] = []
  for (let at = 0; at < sorted.length; ) {
    const from = sorted[at] ?? 0
    let to = from
    while (sorted[at + 1] === to + 1) to = sorted[++at] ?? to
    at++
    runs.push(from === to ? `${column} = ${from}` : `${column} BETWEEN ${from} AND ${to}`)
  }
  return runs.length === 0 ? 'false' : runs.join(' OR ')
}

/** A whole file, or a range of its rows. */
interface Piece {
  readonly segment: BaseSegment
  readonly range?: { readonly from: number; readonly to: number }
}

function parquetSelects(
  input: BaseInput,
  segments: readonly BaseSegment[],
  context: RelationContext,
  ordinal?: PackOrdinal,
): string[] {
  const pieces = ordinal === undefined ? mergeRanges(segments, context) : segments.map(asPiece)
  const whole = new Map<string, Piece[]>()
  const selects: string[] = []
  const byPath = input.partitionColumns.length > 0 && ordinal === undefined && partitionsAreInPaths(input, pieces)
  for (const piece of pieces) {
    if (piece.range !== undefined || ordinal !== undefined) {
      selects.push(parquetSelect(input, [piece], false, context, ordinal))
      continue
    }
    // Files of other types are never read together: DuckDB would cast to what suits these files before it is the table's type.
    const schema = piece.segment.fileSchema ?? ''
    const key = byPath
      ? schema
      : schema + JSON.stringify(input.partitionColumns.map((name) => valueOf(piece.segment.partition, name) ?? null))
    const group = whole.get(key)
    if (group === undefined) whole.set(key, [piece])
    else group.push(piece)
  }
  return [...[...whole.values()].map((group) => parquetSelect(input, group, byPath, context)), ...selects]
}

function asPiece(segment: BaseSegment): Piece {
  return segment.rowRange === undefined ? { segment } : { segment, range: segment.rowRange }
}

/** Joins ranges of one file that touch, and forgets the range where it is the whole file. */
function mergeRanges(segments: readonly BaseSegment[], context: RelationContext): readonly Piece[] {
  const pieces: Piece[] = []
  for (const segment of segments) {
    const last = pieces.at(-1)
    const { rowRange } = segment
    if (rowRange !== undefined && last?.range?.to === rowRange.from && last.segment.file.path === segment.file.path) {
      pieces[pieces.length - 1] = { segment: last.segment, range: { from: last.range.from, to: rowRange.to } }
    } else pieces.push(asPiece(segment))
  }
  return pieces.map((piece) =>
    piece.range?.from === 0 && piece.range.to === context.fileRows(piece.segment) ? { segment: piece.segment } : piece,
  )
}

function parquetSelect(
  input: BaseInput,
  pieces: readonly Piece[],
  byPath: boolean,
  context: RelationContext,
  ordinal?: PackOrdinal,
): string {
  const [first] = pieces
  const inFiles = new Set(pieces.flatMap((piece) => Object.keys(piece.segment.columnBytes).map(foldName)))
  const partitions = new Set(input.partitionColumns.map(foldName))
  const list = input.columns.map((column) => {
    const name = quoteName(column.name)
    if (partitions.has(foldName(column.name))) {
      return byPath ? name : `${partitionLiteral(column, first?.segment)} AS ${name}`
    }
    if (!input.mixedSchemas) return name
    // A part of the files may lack a column, or have a narrower type of it, than all files of the dataset together.
    return `CAST(${inFiles.has(foldName(column.name)) ? name : 'NULL'} AS ${column.type}) AS ${name}`
  })
  if (ordinal !== undefined && first !== undefined) {
    list.push(`CAST(${ordinal.ordinalOf(first.segment)} AS ${ordinal.type}) AS ${quoteName(ordinal.column)}`)
  }
  const options = [byPath ? `hive_partitioning = true, hive_types = {${hiveTypes(input)}}` : 'hive_partitioning = false']
  if (input.mixedSchemas) options.push('union_by_name = true')
  const files = quotePaths(pieces.map((piece) => context.readPath(piece.segment)))
  const range = first?.range === undefined ? '' : ` WHERE file_row_number BETWEEN ${first.range.from} AND ${first.range.to - 1}`
  return `SELECT ${list.join(', ')} FROM read_parquet(${files}, ${options.join(', ')})${range}`
}

function hiveTypes(input: BaseInput): string {
  const types = new Map(input.columns.map((column) => [column.name, column.type]))
  return input.partitionColumns.map((name) => `${quoteText(name)}: ${quoteText(types.get(name) ?? 'VARCHAR')}`).join(', ')
}

function partitionLiteral(column: Column, segment: BaseSegment | undefined): string {
  const value = segment === undefined ? null : (valueOf(segment.partition, column.name) ?? null)
  return `CAST(${value === null ? 'NULL' : quoteText(value)} AS ${column.type})`
}

/**
 * True when DuckDB would read the same partition values out of every path as the catalogue did, so that one scan does for all
 * files. Otherwise files are grouped by their values, with a SELECT and literals for each group.
 */
function partitionsAreInPaths(input: BaseInput, pieces: readonly Piece[]): boolean {
  const names = new Set(input.partitionColumns)
  if (pieces.length < 2) return false
  return pieces.every(({ segment }) => {
    const found = new Map<string, string>()
    for (const folder of segment.file.path.split('/').slice(0, -1)) {
      const at = folder.indexOf('=')
      if (at <= 0) continue
      const name = folder.slice(0, at)
      if (!names.has(name) || found.has(name)) return false
      found.set(name, folder.slice(at + 1))
    }
    return input.partitionColumns.every((name) => {
      const raw = found.get(name)
      const value = valueOf(segment.partition, name)
      // Values that DuckDB would decode first are left to the literals.
      return raw !== undefined && raw === value && !raw.includes('%')
    })
  })
}
