import { type DuckDBConnection, DuckDBDataChunk, type DuckDBResult, type DuckDBValue } from '@duckdb/node-api'
import duckdb, { type Result } from '@duckdb/node-bindings'
import { ForebayError } from '../model/errors.js'
import { quoteText } from '../model/quote.js'

/** One connection. At most one statement runs on it at a time. */
export class Session {
  readonly #connection: DuckDBConnection
  #timeZone = 'UTC'

  constructor(connection: DuckDBConnection) {
    this.#connection = connection
  }

  /** Zone of `now()`, casts and date functions on this connection. */
  async setTimeZone(name: string): Promise<void> {
    if (name === this.#timeZone) return
    try {
      await this.#connection.run(`SET TimeZone = ${quoteText(name)}`)
    } catch (error) {
      throw new ForebayError('PARAMETER_INVALID', `time zone "${name}" is not known`, { cause: error })
    }
    this.#timeZone = name
  }

  async run(sql: string): Promise<void> {
    await this.#connection.run(sql)
  }

  /** All rows of a small result. */
  async rows(sql: string): Promise<DuckDBValue[][]> {
    return chunksOf(await this.#connection.run(sql)).flatMap((chunk) => chunk.getRows())
  }

  /** The result of one statement, whose chunks are computed as they are fetched. See answer-chunks.ts for its errors. */
  async stream(sql: string): Promise<DuckDBResult> {
    const prepared = await this.#connection.prepare(sql)
    try {
      return await prepared.stream()
    } finally {
      prepared.destroySync()
    }
  }

  /** A result that is computed whole at once: half the time of a streamed one when it is small. Errors throw here, all of them. */
  whole(sql: string): Promise<DuckDBResult> {
    return this.#connection.run(sql)
  }

  /** The connection itself, for what only it can do (appenders). */
  get connection(): DuckDBConnection {
    return this.#connection
  }

  /** Asks the running statement to stop. Some statements do not listen. */
  interrupt(): void {
    this.#connection.interrupt()
  }

  close(): void {
    this.#connection.closeSync()
  }
}

/** The chunks of a result that is whole, at once: to fetch them one by one takes a turn of the thread pool each, and one for the end. */
export function chunksOf(result: DuckDBResult): DuckDBDataChunk[] {
  // The API keeps its handle to itself and offers no other way; as in vector-access.ts this holds for @duckdb/node-api 1.5.6.
  const { result: handle } = result as unknown as { readonly result: Result }
  const count = duckdb.result_chunk_count(handle)
  return Array.from({ length: count }, (_, index) => new DuckDBDataChunk(duckdb.result_get_chunk(handle, index)))
}
