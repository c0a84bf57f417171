import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { Footer, FooterColumnChunk, FooterResult } from '../../../src/model/catalogue.js'
import type { Column, FileVersion } from '../../../src/model/segment.js'

/** A folder that is a lake, a real DuckDB beside it, and footers read by that DuckDB: all that the catalogue is given from outside. */
export class DuckdbLake {
  readonly folder = mkdtempSync(join(tmpdir(), 'forebay-catalog-'))
  readonly data = join(this.folder, 'data')
  readonly state = join(this.folder, 'state')
  /** Paths whose footers were read, in order. */
  readonly footersRead: string[] = []
  readonly #connection: DuckDBConnection
  /** Files made so far by their SQL, to be copied. */
  readonly #made = new Map<string, string>()

  constructor(connection: DuckDBConnection) {
    this.#connection = connection
    mkdirSync(this.data)
  }

  static async open(): Promise<DuckdbLake> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '1', enable_external_file_cache: 'false' })
    return new DuckdbLake(await instance.connect())
  }

  close(): void {
    this.#connection.closeSync()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Writes a Parquet file at a path below the data folder, or at an absolute one. */
  async write(path: string, select: string, options = ''): Promise<string> {
    const file = path.startsWith('/') ? path : join(this.data, path)
    mkdirSync(dirname(file), { recursive: true })
    const made = this.#made.get(select + options)
    if (made) copyFileSync(made, file)
    else {
      const kept = join(this.folder, `made-${this.#made.size}`)
      await this.#connection.run(`COPY (${select}) TO '${kept.replaceAll("'", "''")}' (FORMAT parquet${options})`)
      this.#made.set(select + options, kept)
      copyFileSync(kept, file)
    }
    return file
  }

  async rows(sql: string): Promise<readonly (readonly unknown[])[]> {
    return (await this.#connection.runAndReadAll(sql)).getRowsJson()
  }

  async columns(sql: string): Promise<readonly Column[]> {
    const rows = await this.rows(`DESCRIBE ${sql}`)
    return rows.map(([name, type]) => ({ name: String(name), type: String(type) }))
  }

  /** What DuckDB makes of a table's folder by itself. */
  oracle(table: string): string {
    return `read_parquet('${join(this.data, table)}/**/*.parquet', union_by_name = true, hive_partitioning = true)`
  }

  readonly readFooters = async (paths: readonly string[]): Promise<readonly FooterResult[]> => {
    this.footersRead.push(...paths)
    const results: FooterResult[] = []
    for (const path of paths) results.push(await this.#footer(path))
    return results
  }

  readonly describeFiles = async (paths: readonly string[]): Promise<{ readonly columns: readonly Column[] }> => ({
    columns: await this.columns(`SELECT * FROM ${parquet(paths, 'union_by_name = true, hive_partitioning = true')}`),
  })

  async #footer(path: string): Promise<FooterResult> {
    try {
      const version = versionOf(path)
      const columns = await this.columns(`SELECT * FROM ${parquet([path], 'hive_partitioning = false')}`)
      const chunks = await this.rows(
        `SELECT row_group_id, row_group_num_rows, row_group_bytes, split_part(path_in_schema, ', ', 1), stats_min_value, stats_max_value,
           stats_null_count, total_compressed_size, data_page_offset FROM parquet_metadata('${path.replaceAll("'", "''")}') ORDER BY 1, column_id`,
      )
      const groups = new Map<string, { rows: number; bytes: number; columnChunks: FooterColumnChunk[] }>()
      for (const [id, rows, bytes, name, min, max, nulls, size, offset] of chunks) {
        const group = groups.get(String(id)) ?? { rows: Number(rows), bytes: Number(bytes), columnChunks: [] }
        const flat = columns.find((column) => column.name === name && !/[\])]$/.test(column.type))
        group.columnChunks.push({
          name: String(name),
          ...(flat && min !== null ? { min: String(min) } : {}),
          ...(flat && max !== null ? { max: String(max) } : {}),
          ...(nulls === null ? {} : { nulls: Number(nulls) }),
          bytes: Number(size),
          offset: Number(offset),
        })
        groups.set(String(id), group)
      }
      const rowGroups = [...groups.values()]
      const footer: Footer = { path, version, columns, rows: rowGroups.reduce((sum, group) => sum + group.rows, 0), rowGroups }
      return footer
    } catch (error) {
      return { path, error: { code: 'FILE_UNREADABLE', message: `file "${path}" is not readable: ${(error as Error).message}` } }
    }
  }
}

export function parquet(paths: readonly string[], options: string): string {
  return `read_parquet([${paths.map((path) => `'${path.replaceAll("'", "''")}'`).join(', ')}], ${options})`
}

function versionOf(path: string): FileVersion {
  const facts = statSync(path, { bigint: true })
  const bytes = readFileSync(path)
  const footerBytes = bytes.length > 12 ? bytes.readUInt32LE(bytes.length - 8) + 8 : 0
  const footerHash = createHash('sha256')
    .update(bytes.subarray(bytes.length - footerBytes))
    .digest('hex')
    .slice(0, 16)
  return { path, size: Number(facts.size), mtimeNs: String(facts.mtimeNs), inode: String(facts.ino), footerHash }
}
