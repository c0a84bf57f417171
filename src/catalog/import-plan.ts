import { ForebayError } from '../model/errors.js'
import type { Column } from '../model/segment.js'

export const importFormats = ['csv', 'json', 'parquet'] as const
export type ImportFormat = (typeof importFormats)[number]

/** The SQL by which a node turns staged files into rows of a written table. It is ours: nothing of it was typed by a user. */
export interface ImportPlan {
  readonly format: ImportFormat
  /** One row (`column_name`, `column_type`) for each column of the files. */
  readonly describeSql: string
  /**
   * The rows. Without `target` as they are; with it, cast to its columns by name, nulls where the files lack one. Throws
   * TYPE_MISMATCH where the files have a column that the target lacks, or share none with it.
   */
  selectSql(found: readonly Column[], target?: readonly Column[]): string
}

/** Plans the import of whole files, all of one format. */
export function planImport(paths: readonly string[], format: ImportFormat): ImportPlan {
  if (paths.length === 0) throw new ForebayError('REQUEST_INVALID', 'there is no file to import')
  const source = `${readers[format].name}([${paths.map(quoteText).join(', ')}], ${readers[format].options})`
  return {
    format,
    describeSql: `SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${source})`,
    selectSql: (found, target) => `SELECT ${selectList(found, target)} FROM ${source}`,
  }
}

/** The format of a file by its name; throws REQUEST_INVALID where it says none. */
export function importFormatOf(fileName: string): ImportFormat {
  const extension = /\.([a-z0-9]+)(?:\.gz)?$/i.exec(fileName)?.[1]?.toLowerCase() ?? ''
  if (extension === 'csv' || extension === 'tsv' || extension === 'txt') return 'csv'
  if (extension === 'json' || extension === 'jsonl' || extension === 'ndjson') return 'json'
  if (extension === 'parquet') return 'parquet'
  throw new ForebayError('REQUEST_INVALID', `file "${fileName}" is neither CSV, JSON lines nor Parquet by its name`, {
    hint: 'give the file a name that ends in .csv, .jsonl or .parquet',
  })
}

/** Types are detected on the whole file: a value that does not fit would otherwise fail the import after millions of rows. */
const readers = {
  csv: { name: 'read_csv', options: 'sample_size = -1, union_by_name = true, hive_partitioning = false' },
  json: { name: 'read_json', options: "format = 'auto', sample_size = -1, union_by_name = true, hive_partitioning = false" },
  parquet: { name: 'read_parquet', options: 'union_by_name = true, hive_partitioning = false' },
} as const

function selectList(found: readonly Column[], target: readonly Column[] | undefined): string {
  if (!target) return found.map((column) => quoteName(column.name)).join(', ')
  const byName = new Map(found.map((column) => [column.name.toLowerCase(), column]))
  const known = new Set(target.map((column) => column.name.toLowerCase()))
  const stranger = found.find((column) => !known.has(column.name.toLowerCase()))
  if (stranger) throw new ForebayError('TYPE_MISMATCH', `the file has a column "${stranger.name}" that the table does not have`)
  return target
    .map((column) => {
      const source = byName.get(column.name.toLowerCase())
      return `CAST(${source ? quoteName(source.name) : 'NULL'} AS ${column.type}) AS ${quoteName(column.name)}`
    })
    .join(', ')
}

function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
