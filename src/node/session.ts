import type { DuckDBConnection, DuckDBResult, DuckDBValue } from '@duckdb/node-api'
import { ForebayError } from '../model/errors.js'
import { quoteText } from './quote.js'

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
    return (await this.#connection.runAndReadAll(sql)).getRows()
  }

  /** The result of one statement, whose chunks are computed as they are fetched. See `nextChunk` of answer-client.ts for its errors. */
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
