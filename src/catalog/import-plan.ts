import { ForebayError } from '../model/errors.js'
import { foldName } from '../model/fold-name.js'
import type { ImportFormat } from '../model/import-format.js'
import { quoteName, quotePaths, quoteText } from '../model/quote.js'
import type { Column } from '../model/segment.js'

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
  /**
   * Statements that fail where the columns found, or that none were found, come of a line unlike the others; such a failure
   * names the line. One about line 1 says nothing: the name itself holds a delimiter, in quotes.
   */
  checkSqls(found: readonly Column[] | undefined): readonly string[]
  /** As `describeSql`, without first lines that are unlike the rest; only where rows would be lost that way. */
  readonly skippingSql?: string
}

/** Plans the import of whole files, all of one format. */
export function planImport(paths: readonly string[], format: ImportFormat): ImportPlan {
  if (paths.length === 0) throw new ForebayError('REQUEST_INVALID', 'there is no file to import')
  const files = quotePaths(paths)
  const source = `${readers[format].name}(${files}, ${readers[format].options})`
  return {
    format,
    describeSql: describeSql(source),
    selectSql: (found, target) => `SELECT ${selectList(found, target)} FROM ${source}`,
    checkSqls: (found) => (format === 'csv' ? csvChecks(files, found) : []),
    ...(format === 'csv' ? { skippingSql: describeSql(`read_csv(${files}, ${detection})`) } : {}),
  }
}

/**
 * Types are detected on the whole file: a value that does not fit would otherwise fail the import after millions of rows. Left to
 * itself DuckDB skips first lines, and lines that begin with #, where the rest then looks like a table: rows would be lost unsaid.
 */
const detection = 'sample_size = -1, union_by_name = true, hive_partitioning = false'
const everyLine = "skip = 0, comment = ''"
const readers = {
  csv: { name: 'read_csv', options: `${detection}, ${everyLine}` },
  json: { name: 'read_json', options: `format = 'auto', ${detection}` },
  parquet: { name: 'read_parquet', options: 'union_by_name = true, hive_partitioning = false' },
} as const

function describeSql(source: string): string {
  return `SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${source})`
}

/** DuckDB takes lines of different lengths for rows of one column; where no dialect fits at all, it names no line. */
function csvChecks(files: string, found: readonly Column[] | undefined): readonly string[] {
  if (!found) return [`SELECT count(*) FROM read_csv(${files}, sample_size = 1, all_varchar = true, ${everyLine})`]
  const [column] = found
  if (column === undefined || found.length > 1) return []
  const delimiters = [...',;|\t'].filter((delimiter) => column.name.includes(delimiter))
  return delimiters.map((delimiter) => {
    const columns = column.name.split(delimiter).map((_, index) => `'c${index}': 'VARCHAR'`)
    const dialect = `auto_detect = false, header = false, delim = ${quoteText(delimiter)}, quote = '"', escape = '"'`
    return `SELECT count(*) FROM read_csv(${files}, ${dialect}, columns = {${columns.join(', ')}})`
  })
}

function selectList(found: readonly Column[], target: readonly Column[] | undefined): string {
  if (!target) return found.map((column) => quoteName(column.name)).join(', ')
  const byName = new Map(found.map((column) => [foldName(column.name), column]))
  const known = new Set(target.map((column) => foldName(column.name)))
  const stranger = found.find((column) => !known.has(foldName(column.name)))
  if (stranger) {
    throw new ForebayError('TYPE_MISMATCH', `the file has a column "${stranger.name}" that the table does not have`, {
      hint: 'rename or remove that column in the file, or import it into a new table',
    })
  }
  return target
    .map((column) => {
      const source = byName.get(foldName(column.name))
      return `CAST(${source ? quoteName(source.name) : 'NULL'} AS ${column.type}) AS ${quoteName(column.name)}`
    })
    .join(', ')
}
