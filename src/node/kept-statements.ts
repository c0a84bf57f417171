import type { DuckDBConnection, DuckDBPreparedStatement } from '@duckdb/node-api'
import { stableHash } from '../model/segment.js'

/** Statements of one connection that stay, and those that are known to have come once. */
const keptMax = 32
const metMax = 256

/**
 * Statements of one connection that came again in the same words: bound and planned once, which takes DuckDB 1 to 5 ms of a query over
 * packs. A statement holds on to what its operators had at the end of its last run, so that a new one is on trial until `keep` or
 * `discard`. Only for statements over data that never changes under its name, since a plan knows what it was made for.
 */
export class KeptStatements {
  readonly #connection: DuckDBConnection
  /** By what it gives and its text, the longest unused first. */
  readonly #kept = new Map<string, DuckDBPreparedStatement>()
  readonly #met = new Set<string>()
  readonly #refused = new Set<string>()
  #trial: { readonly key: string; readonly statement: DuckDBPreparedStatement } | undefined

  constructor(connection: DuckDBConnection) {
    this.#connection = connection
  }

  /** True from a statement's second time on until somebody has said whether it is kept. */
  get onTrial(): boolean {
    return this.#trial !== undefined
  }

  /**
   * The statement to run; undefined where it came for the first time, or holds too much. `answer` names what it gives over what it reads
   * in its time zone, which its text alone does not tell. Rejects with DuckDB's error.
   */
  async find(answer: string, sql: string): Promise<DuckDBPreparedStatement | undefined> {
    const key = stableHash([answer, sql])
    const kept = this.#kept.get(key)
    if (kept !== undefined) {
      this.#kept.delete(key)
      this.#kept.set(key, kept)
      return kept
    }
    if (this.#refused.has(key)) return undefined
    if (!this.#met.has(key)) {
      remember(this.#met, key)
      return undefined
    }
    this.discard()
    const statement = await this.#connection.prepare(sql)
    this.#trial = { key, statement }
    return statement
  }

  /** The statement on trial stays. */
  keep(): void {
    if (this.#trial === undefined) return
    this.#kept.set(this.#trial.key, this.#trial.statement)
    this.#trial = undefined
    const [oldest] = this.#kept
    if (this.#kept.size <= keptMax || oldest === undefined) return
    this.#kept.delete(oldest[0])
    oldest[1].destroySync()
  }

  /** The statement on trial goes; `forGood`: it is not tried again. */
  discard(forGood = false): void {
    if (this.#trial === undefined) return
    if (forGood) remember(this.#refused, this.#trial.key)
    this.#trial.statement.destroySync()
    this.#trial = undefined
  }

  /** Lets go of all, and of what they hold. */
  clear(): void {
    this.discard()
    for (const statement of this.#kept.values()) statement.destroySync()
    this.#kept.clear()
  }
}

function remember(keys: Set<string>, key: string): void {
  const [oldest] = keys
  if (keys.size >= metMax && oldest !== undefined) keys.delete(oldest)
  keys.add(key)
}
