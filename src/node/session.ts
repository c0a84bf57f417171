import {
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBPreparedStatement,
  type DuckDBResult,
  type DuckDBValue,
} from '@duckdb/node-api'
import duckdb, { type Result } from '@duckdb/node-bindings'
import { ForebayError } from '../model/errors.js'
import { quoteText } from '../model/quote.js'
import { isInterrupt } from './duckdb-error.js'
import { KeptStatements, type MetAnswers } from './kept-statements.js'

/** One connection. At most one statement runs on it at a time. */
export class Session {
  readonly statements: KeptStatements
  readonly #connection: DuckDBConnection
  #timeZone = 'UTC'

  constructor(connection: DuckDBConnection, met: MetAnswers) {
    this.#connection = connection
    this.statements = new KeptStatements(connection, met)
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

  /**
   * Writes the checkpoint of a database that was attached here, and closes its file. An interrupt, which is meant for what was done with
   * it, would leave it attached to the process for good: it is tried again. It may have been detached when the interrupt came.
   */
  async detach(alias: string): Promise<void> {
    for (;;) {
      try {
        await this.#connection.run(`DETACH DATABASE IF EXISTS ${alias}`)
        return
      } catch (error) {
        if (!isInterrupt(error)) throw error
      }
    }
  }

  /** All rows of a small result. */
  async rows(sql: string): Promise<DuckDBValue[][]> {
    return chunksOf(await this.#connection.run(sql)).flatMap((chunk) => chunk.getRows())
  }

  /**
   * The result of one statement, whose chunks are computed as they are fetched. See answer-chunks.ts for its errors. `answer` names what
   * it gives, the same each time: such a statement is kept when it comes again.
   */
  async stream(sql: string, answer?: string): Promise<DuckDBResult> {
    const kept = await this.#kept(sql, answer)
    if (kept !== undefined) return kept.stream()
    const prepared = await this.#connection.prepare(sql)
    try {
      return await prepared.stream()
    } finally {
      prepared.destroySync()
    }
  }

  /** A result that is computed whole at once: half the time of a streamed one when it is small. Errors throw here, all of them. */
  async whole(sql: string, answer?: string): Promise<DuckDBResult> {
    const kept = await this.#kept(sql, answer)
    return kept === undefined ? this.#connection.run(sql) : kept.run()
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
    this.statements.clear()
    this.#connection.closeSync()
  }

  async #kept(sql: string, answer: string | undefined): Promise<DuckDBPreparedStatement | undefined> {
    return answer === undefined ? undefined : this.statements.find(answer, sql)
  }
}

/** The chunks of a result that is whole, at once: to fetch them one by one takes a turn of the thread pool each, and one for the end. */
export function chunksOf(result: DuckDBResult): DuckDBDataChunk[] {
  // The API keeps its handle to itself and offers no other way; as in vector-access.ts this holds for @duckdb/node-api 1.5.6.
  const { result: handle } = result as unknown as { readonly result: Result }
  const count = duckdb.result_chunk_count(handle)
  return Array.from({ length: count }, (_, index) => new DuckDBDataChunk(duckdb.result_get_chunk(handle, index)))
}
