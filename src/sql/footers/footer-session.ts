import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { Footer, FooterResult, FooterRowGroup } from '../../model/catalogue.js'
import { ForebayError, toErrorRecord } from '../../model/errors.js'
import type { Column } from '../../model/segment.js'
import { quoteText } from '../ast-walk.js'
import type { UnionResult } from '../planner.js'
import { fileVersion, sameVersion } from './file-version.js'
import { type ChunkRow, rowGroupsOf } from './row-groups.js'

/** DuckDB as it reads footers: it may read files, but runs nothing that a user wrote. */
export class FooterSession {
  readonly #connection: DuckDBConnection

  private constructor(connection: DuckDBConnection) {
    this.#connection = connection
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
      'lock_configuration = true',
    ]) {
      await connection.run(`SET ${setting}`)
    }
    return new FooterSession(connection)
  }

  async read(paths: readonly string[]): Promise<readonly FooterResult[]> {
    const results: FooterResult[] = []
    for (const path of paths) {
      try {
        results.push(await this.#readOne(path))
      } catch (error) {
        results.push({ path, error: toErrorRecord(unreadable(path, error)) })
      }
    }
    return results
  }

  /** Columns of the files read together, partition columns included. */
  async describe(paths: readonly string[]): Promise<UnionResult> {
    try {
      const list = paths.map(quoteText).join(', ')
      return { columns: await this.#describe(`read_parquet([${list}], union_by_name = true, hive_partitioning = true)`) }
    } catch (error) {
      const message = firstLine(error)
      const code = /mismatch|conflict|Cannot (mix|combine|cast)|different/i.test(message) ? 'FILES_DISAGREE' : 'FILE_UNREADABLE'
      return { error: { code, message } }
    }
  }

  async #readOne(path: string): Promise<Footer> {
    const before = await fileVersion(path)
    const file = quoteText(path)
    const columns = await this.#describe(`read_parquet(${file}, hive_partitioning = false)`)
    const rowGroups = rowGroupsOf(await this.#chunks(file), columns)
    const version = await fileVersion(path)
    if (!sameVersion(before, version)) {
      throw new ForebayError('SEGMENT_CHANGED', `file "${path}" changed while its footer was read`)
    }
    return { path, version, columns, rows: sum(rowGroups), rowGroups }
  }

  async #describe(source: string): Promise<readonly Column[]> {
    const answer = await this.#connection.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`)
    return answer.getRows().map(([name, type]) => ({ name: String(name), type: String(type) }))
  }

  async #chunks(file: string): Promise<readonly ChunkRow[]> {
    const answer = await this.#connection.runAndReadAll(`
      SELECT row_group_id::INTEGER AS "rowGroup", row_group_num_rows::DOUBLE AS rows, path_in_schema AS path, type,
        coalesce(stats_min_value, CASE WHEN type IN ('INT32', 'INT64', 'BOOLEAN') THEN stats_min END) AS min,
        coalesce(stats_max_value, CASE WHEN type IN ('INT32', 'INT64', 'BOOLEAN') THEN stats_max END) AS max,
        stats_null_count::DOUBLE AS nulls, total_compressed_size::DOUBLE AS bytes,
        least(data_page_offset, CASE WHEN dictionary_page_offset > 0 THEN dictionary_page_offset END)::DOUBLE AS "offset"
      FROM parquet_metadata(${file}) ORDER BY row_group_id, column_id`)
    return answer.getRowObjects() as unknown as readonly ChunkRow[]
  }
}

function sum(rowGroups: readonly FooterRowGroup[]): number {
  return rowGroups.reduce((rows, group) => rows + group.rows, 0)
}

function unreadable(path: string, error: unknown): ForebayError {
  if (error instanceof ForebayError) return error
  return new ForebayError('FILE_UNREADABLE', `file "${path}" is not readable: ${firstLine(error)}`, { cause: error })
}

function firstLine(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  const text = line.replace(/^(?:[A-Z][a-zA-Z ]* Error: )+/, '')
  return text.slice(0, 1).toLowerCase() + text.slice(1, 500)
}
