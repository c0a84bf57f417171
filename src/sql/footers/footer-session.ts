import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api'
import type { FooterResult, FooterRowGroup } from '../../model/catalogue.js'
import { ForebayError, fileUnreadable, toErrorRecord } from '../../model/errors.js'
import { quotePath, quotePaths } from '../../model/quote.js'
import type { Column, FileVersion } from '../../model/segment.js'
import type { UnionResult } from '../planner.js'
import { fileVersion, sameVersion } from './file-version.js'
import { type ChunkRow, rowGroupsOf } from './row-groups.js'

const schemasMax = 1_000

/** DuckDB as it reads footers: it may read files, but runs nothing that a user wrote. */
export class FooterSession {
  readonly #connection: DuckDBConnection
  /** Asks for schemas while the other asks for row groups: two questions of a few milliseconds at once. */
  readonly #second: DuckDBConnection
  /** Columns by Parquet schema, since most new files are like one that was seen before. */
  readonly #described = new Map<string, readonly Column[]>()

  private constructor(connection: DuckDBConnection, second: DuckDBConnection) {
    this.#connection = connection
    this.#second = second
  }

  static async open(): Promise<FooterSession> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
    const connection = await instance.connect()
    for (const setting of [
      'autoinstall_known_extensions = false',
      'autoload_known_extensions = false',
      'allow_community_extensions = false',
      "memory_limit = '512MB'",
      "temp_directory = ''",
      "TimeZone = 'UTC'",
      // Else a file that was overwritten in place is answered from its old bytes.
      'enable_external_file_cache = false',
      'lock_configuration = true',
    ]) {
      await connection.run(`SET ${setting}`)
    }
    return new FooterSession(connection, await instance.connect())
  }

  /** In the order of the paths. One question for all of them; one by one where that fails, so that each failure has a name. */
  async read(paths: readonly string[]): Promise<readonly FooterResult[]> {
    const versions = await Promise.all(paths.map(versionOrError))
    const readable = paths.filter((_, index) => 'path' in (versions[index] as FileVersion | ForebayError))
    const contents = await this.#contentsOf(readable)
    const results: FooterResult[] = []
    for (const [index, path] of paths.entries()) {
      const version = versions[index] as FileVersion | ForebayError
      const content = version instanceof ForebayError ? version : (contents.get(path) as Content | ForebayError)
      results.push(
        content instanceof ForebayError ? { path, error: toErrorRecord(content) } : await footer(version as FileVersion, content),
      )
    }
    return results
  }

  async #contentsOf(paths: readonly string[]): Promise<ReadonlyMap<string, Content | ForebayError>> {
    if (paths.length === 0) return new Map()
    try {
      return await this.#contentsTogether(paths)
    } catch (error) {
      const [only, ...more] = paths
      if (only !== undefined && more.length === 0) return new Map([[only, unreadable(only, error)]])
      const contents = new Map<string, Content | ForebayError>()
      for (const path of paths) for (const [key, content] of await this.#contentsOf([path])) contents.set(key, content)
      return contents
    }
  }

  /** Files of the same Parquet schema have the same columns, so only one of them is described. */
  async #contentsTogether(paths: readonly string[]): Promise<ReadonlyMap<string, Content>> {
    const list = quotePaths(paths)
    const [schemas, rows] = await Promise.all([this.#schemas(list), this.#chunks(list)])
    const byFile = new Map<string, ChunkRow[]>()
    for (const row of rows) {
      const known = byFile.get(row.file) ?? []
      byFile.set(row.file, known)
      known.push(row)
    }
    const contents = new Map<string, Content>()
    for (const path of paths) {
      const columns = await this.#columnsOf(path, schemas.get(path))
      contents.set(path, { columns, rowGroups: rowGroupsOf(byFile.get(path) ?? [], columns) })
    }
    return contents
  }

  async #columnsOf(path: string, schema = ''): Promise<readonly Column[]> {
    const known = this.#described.get(schema)
    if (known !== undefined) return known
    const columns = await this.#describe(`read_parquet(${quotePath(path)}, hive_partitioning = false)`)
    if (schema === '') return columns
    if (this.#described.size >= schemasMax) this.#described.clear()
    this.#described.set(schema, columns)
    return columns
  }

  /** Columns of the files read together, partition columns included. */
  async describe(paths: readonly string[]): Promise<UnionResult> {
    try {
      return {
        columns: await this.#describe(`read_parquet(${quotePaths(paths)}, union_by_name = true, hive_partitioning = true)`),
      }
    } catch (error) {
      const message = firstLine(error)
      const disagree = /mismatch|conflict|Cannot (mix|combine|cast)|different/i.test(message)
      return { error: disagree ? { code: 'FILES_DISAGREE', message } : toErrorRecord(fileUnreadable(message, error)) }
    }
  }

  async #describe(source: string): Promise<readonly Column[]> {
    const answer = await this.#connection.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`)
    return answer.getRows().map(([name, type]) => ({ name: String(name), type: String(type) }))
  }

  /** By file: equal texts for equal Parquet schemas. */
  async #schemas(list: string): Promise<ReadonlyMap<string, string>> {
    const answer = await this.#second.runAndReadAll(`
      SELECT file_name, column_id, name, type, type_length, repetition_type, num_children, converted_type, scale, precision, logical_type
      FROM parquet_schema(${list})`)
    const schemas = new Map<string, string>()
    for (const [file, , ...parts] of answer.getRowsJson().sort((a, b) => Number(a[1]) - Number(b[1]))) {
      const path = String(file)
      schemas.set(path, (schemas.get(path) ?? '') + JSON.stringify(parts))
    }
    return schemas
  }

  async #chunks(list: string): Promise<readonly ChunkRow[]> {
    const answer = await this.#connection.runAndReadAll(`
      SELECT file_name, row_group_id, row_group_num_rows, path_in_schema, type, stats_min_value, stats_max_value, stats_min, stats_max,
        stats_null_count, total_compressed_size, data_page_offset, dictionary_page_offset
      FROM parquet_metadata(${list})`)
    return answer
      .getRows()
      .map(chunkRow)
      .sort((a, b) => a.rowGroup - b.rowGroup)
  }
}

/** Casts, choices and order are made here: in DuckDB they are a third of the time of a small footer. */
function chunkRow(row: readonly DuckDBValue[]): ChunkRow {
  const [file, rowGroup, rows, path, type, min, max, olderMin, olderMax, nulls, bytes, dataPage, dictionaryPage] = row
  // The older pair of statistics compares all types as signed numbers.
  const older = type === 'INT32' || type === 'INT64' || type === 'BOOLEAN'
  const bound = (newer: unknown, other: unknown): string | null => {
    const value = newer ?? (older ? other : undefined) ?? null
    return value === null ? null : String(value)
  }
  const dictionary = Number(dictionaryPage ?? 0)
  return {
    file: String(file),
    rowGroup: Number(rowGroup),
    rows: Number(rows),
    path: String(path),
    type: String(type),
    min: bound(min, olderMin),
    max: bound(max, olderMax),
    nulls: nulls === null ? null : Number(nulls),
    bytes: Number(bytes),
    offset: dictionary > 0 ? Math.min(Number(dataPage), dictionary) : Number(dataPage),
  }
}

/** What a file holds, besides its version. */
interface Content {
  readonly columns: readonly Column[]
  readonly rowGroups: readonly FooterRowGroup[]
}

async function versionOrError(path: string): Promise<FileVersion | ForebayError> {
  try {
    return await fileVersion(path)
  } catch (error) {
    return unreadable(path, error)
  }
}

/** The footer, if the file is still the one that it was before. */
async function footer(before: FileVersion, { columns, rowGroups }: Content): Promise<FooterResult> {
  const { path } = before
  const after = await versionOrError(path)
  if (after instanceof ForebayError) return { path, error: toErrorRecord(after) }
  if (!sameVersion(before, after)) {
    return { path, error: { code: 'SEGMENT_CHANGED', message: `file "${path}" changed while its footer was read` } }
  }
  return { path, version: after, columns, rows: sum(rowGroups), rowGroups }
}

function sum(rowGroups: readonly FooterRowGroup[]): number {
  return rowGroups.reduce((rows, group) => rows + group.rows, 0)
}

function unreadable(path: string, error: unknown): ForebayError {
  if (error instanceof ForebayError) return error
  return fileUnreadable(`file "${path}" is not readable: ${firstLine(error)}`, error)
}

function firstLine(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  const text = line.replace(/^(?:[A-Z][a-zA-Z ]* Error: )+/, '')
  return text.slice(0, 1).toLowerCase() + text.slice(1, 500)
}
