import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { Column } from '../../src/model/segment.js'
import type { GeneratedTable } from './generate-lake.js'
import type { Answer } from './oracle.js'

/**
 * Plain DuckDB over the same files: what an answer has to equal. It reads them as the promise says,
 * `read_parquet(files, union_by_name = true, hive_partitioning = true)`.
 */
export class FileOracle {
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection
  readonly #folder: string
  readonly #tables = new Set<string>()

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection, folder: string) {
    this.#instance = instance
    this.#connection = connection
    this.#folder = folder
  }

  static async open(folder: string): Promise<FileOracle> {
    const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
    const connection = await instance.connect()
    await connection.run("SET TimeZone = 'UTC'")
    return new FileOracle(instance, connection, folder)
  }

  /** Writes a table's files, and knows it from then on under `name`. */
  async write(table: GeneratedTable, name: string): Promise<void> {
    const folder = join(this.#folder, name)
    mkdirSync(folder, { recursive: true })
    const partitioned = table.partitioned && table.rows > 0
    for (let file = 0; file < table.files; file++) {
      const share = `SELECT * EXCLUDE (nr) FROM (SELECT *, row_number() OVER () AS nr FROM (${table.select})) WHERE nr % ${table.files} = ${file}`
      const target = partitioned ? folder : join(folder, `part-${file}.parquet`)
      const how = partitioned
        ? `FORMAT parquet, PARTITION_BY (p), FILENAME_PATTERN 'part-${file}-{i}', OVERWRITE_OR_IGNORE`
        : 'FORMAT parquet'
      await this.#connection.run(`COPY (${share}) TO '${target}' (${how})`)
    }
    this.#tables.add(name)
    await this.#view(name, '')
  }

  async answer(sql: string): Promise<Answer> {
    const columns = await this.#describe(sql)
    const items = columns.map(({ type }, index) => (isNested(type) ? `to_json(c${index})::VARCHAR` : `c${index}::VARCHAR`))
    const names = columns.map((_, index) => `c${index}`)
    const rows = await this.#values(`SELECT ${items.join(', ')} FROM (${sql}) AS answer(${names.join(', ')})`)
    return { columns, rows: rows.map((row) => row.map((value, index) => plain(value, columns[index]?.type ?? ''))) }
  }

  /** The answer with the rows of every table in another order, on one thread: where it differs, DuckDB does not reproduce itself. */
  async shuffled(sql: string): Promise<Answer> {
    await this.#connection.run('SET threads = 1')
    for (const name of this.#tables) if (sql.includes(name)) await this.#view(name, ' ORDER BY hash(filename, file_row_number)')
    try {
      return await this.answer(sql)
    } finally {
      await this.#connection.run('SET threads = 2')
      for (const name of this.#tables) if (sql.includes(name)) await this.#view(name, '')
    }
  }

  close(): void {
    this.#connection.closeSync()
    this.#instance.closeSync()
  }

  async #view(name: string, order: string): Promise<void> {
    const files = `read_parquet('${join(this.#folder, name)}/**/*.parquet', union_by_name = true, hive_partitioning = true)`
    await this.#connection.run(`CREATE OR REPLACE VIEW ${name} AS SELECT * FROM ${files}${order}`)
  }

  async #describe(sql: string): Promise<readonly Column[]> {
    const rows = await this.#values(`DESCRIBE ${sql}`)
    return rows.map(([name, type]) => ({ name: String(name), type: String(type) }))
  }

  async #values(sql: string): Promise<readonly (readonly unknown[])[]> {
    return (await this.#connection.runAndReadAll(sql)).getRowsJS()
  }
}

/** Values of the JSON of docs/http-api.md in the text form in which answers are compared. */
export function answerOfJson(columns: readonly Column[], rows: readonly (readonly unknown[])[]): Answer {
  return { columns, rows: rows.map((row) => row.map((value, index) => fromJson(value, columns[index]?.type ?? ''))) }
}

function fromJson(value: unknown, type: string): string | null {
  if (value === null) return null
  if (isNested(type)) return JSON.stringify(value)
  return plain(String(value), type)
}

/** One form of what can be written in several: numbers, times, infinities. */
function plain(value: unknown, type: string): string | null {
  if (value === null) return null
  const text = String(value)
  if (type === 'DOUBLE' || type === 'FLOAT') return numberText(text)
  if (type.startsWith('TIMESTAMP'))
    return text
      .replace('T', ' ')
      .replace(/(\.\d*?)0+$/, '$1')
      .replace(/\.$/, '')
  return text
}

function numberText(text: string): string {
  const named: Readonly<Record<string, string>> = { inf: 'Infinity', '-inf': '-Infinity', nan: 'NaN' }
  const number = Number(named[text] ?? text)
  return Object.is(number, -0) ? '0' : String(number)
}

function isNested(type: string): boolean {
  return /\[\d*\]$|^STRUCT|^MAP/.test(type)
}
