import { type ErrorRecord, ForebayError, fromErrorRecord } from '../model/errors.js'
import { foldName } from '../model/fold-name.js'
import type { Column } from '../model/segment.js'
import type { FileFacts } from './file-facts.js'

/**
 * One schema for many files, as `read_parquet(files, union_by_name = true)` makes it. Type promotion is DuckDB's own: one
 * file for each distinct schema is described together, in the order of the files. DuckDB promotes some pairs to a type that
 * it then cannot cast to (INTEGER beside DATE gives DATE) and fails when the column is read; that is refused here, by name.
 */
export type DescribeFiles = (
  paths: readonly string[],
  signal: AbortSignal,
) => Promise<{ readonly columns: readonly Column[] } | { readonly error: ErrorRecord }>

export interface Schema {
  readonly columns: readonly Column[]
  /** True where files differ in names, order or types. */
  readonly mixed: boolean
}

/** Rejects with FILES_DISAGREE, naming two files and the column. `keys` are those of the paths, which replace columns of the files. */
export async function mergeSchemas(
  dataset: string,
  files: readonly FileFacts[],
  keys: readonly string[],
  describe: DescribeFiles,
  signal: AbortSignal,
): Promise<Schema> {
  const distinct = new Map<string, FileFacts>()
  for (const file of files) {
    const schema = JSON.stringify(file.columns.map((column) => [column.name, column.type]))
    if (!distinct.has(schema)) distinct.set(schema, file)
  }
  const representatives = [...distinct.values()]
  if (representatives.length <= 1) return { columns: representatives[0]?.columns ?? [], mixed: false }
  const union = await describe(
    representatives.map((file) => file.version.path),
    signal,
  )
  if ('error' in union) throw fromErrorRecord(union.error)
  const names = new Set(representatives.flatMap((file) => file.columns.map((column) => foldName(column.name))))
  const columns = union.columns.filter((column) => names.has(foldName(column.name)))
  const replaced = new Set(keys.map(foldName))
  for (const column of columns) if (!replaced.has(foldName(column.name))) refuseConflict(dataset, column, representatives)
  return { columns, mixed: true }
}

function refuseConflict(dataset: string, column: Column, files: readonly FileFacts[]): void {
  const types = files.flatMap((file) => {
    const own = file.columns.find((candidate) => foldName(candidate.name) === foldName(column.name))
    return own === undefined ? [] : [{ path: file.version.path, type: own.type }]
  })
  const misfit = types.find(({ type }) => !castable(type, column.type))
  if (misfit === undefined) return
  const other = types.find(({ type }) => type !== misfit.type && castable(type, column.type)) ?? misfit
  throw new ForebayError(
    'FILES_DISAGREE',
    `files of table "${dataset}" disagree: column "${column.name}" has type ${misfit.type} in "${misfit.path}" and ${other.type} in "${other.path}"`,
    { hint: "rewrite one of the files, or move it out of the table's folder" },
  )
}

const number = /^(BOOLEAN|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|BIGNUM|DECIMAL.*)$/
const moment = /^(DATE|TIMESTAMP.*)$/
const nested = /(\]|^(STRUCT|MAP|UNION)\b.*)$/

/** Whether DuckDB can read a column of one type as another, for every value; text as a nested type is not trusted. */
function castable(from: string, to: string): boolean {
  if (from === to || to === 'VARCHAR' || to === 'JSON' || to === 'VARIANT' || from === '"NULL"' || from === 'NULL') return true
  if (number.test(from) && number.test(to)) return true
  if (moment.test(from) && moment.test(to)) return from === 'DATE' || to !== 'DATE'
  if (from.startsWith('TIME WITH') && to === 'TIME') return true
  if (from.endsWith(']') && to.endsWith(']')) return castable(element(from), element(to))
  if (nested.test(from) || nested.test(to)) return from.slice(0, 4) === to.slice(0, 4) && !to.endsWith(']')
  return from === 'VARCHAR' && (to === 'BLOB' || to === 'UUID')
}

function element(list: string): string {
  return list.slice(0, list.lastIndexOf('['))
}
