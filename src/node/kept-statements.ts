import type { DuckDBConnection, DuckDBPreparedStatement } from '@duckdb/node-api'

/** Statements of one connection that stay, and answers that an instance knows to have been asked for. */
const keptMax = 32
const metMax = 256

/**
 * DuckDB 1.5 fails when a plan with an ASOF join is run a second time, and the database with it. A text that merely says the word is
 * planned each time, too.
 */
const runsOnce = /\bASOF\b/i

/** Which answers were asked for before, on any connection of an instance, and whose statements hold too much to be kept. */
export class MetAnswers {
  readonly #met = new Set<string>()
  readonly #refused = new Set<string>()

  /** True when it is asked for once more, and its statement may be tried. */
  again(answer: string): boolean {
    if (this.#refused.has(answer)) return false
    if (this.#met.has(answer)) return true
    remember(this.#met, answer)
    return false
  }

  refuse(answer: string): void {
    remember(this.#refused, answer)
  }
}

interface KeptStatement {
  /** Names what it gives over what it reads, in its time zone: the text alone does not. */
  readonly answer: string
  readonly sql: string
  readonly statement: DuckDBPreparedStatement
}

/**
 * Statements of one connection whose answers were asked for again: bound and planned once, which takes DuckDB 1 to 5 ms of a query over
 * packs. A statement holds on to what its operators had at the end of its last run, so that a new one is on trial until `keep` or
 * `discard`. Only for statements over data that never changes under its name, since a plan knows what it was made for.
 */
export class KeptStatements {
  readonly #connection: DuckDBConnection
  readonly #met: MetAnswers
  /** By answer, the longest unused first. */
  readonly #kept = new Map<string, KeptStatement>()
  #trial: KeptStatement | undefined

  constructor(connection: DuckDBConnection, met: MetAnswers) {
    this.#connection = connection
    this.#met = met
  }

  /** True from a statement's second time on until somebody has said whether it is kept. */
  get onTrial(): boolean {
    return this.#trial !== undefined
  }

  has(answer: string): boolean {
    return this.#kept.has(answer) || this.#trial?.answer === answer
  }

  /**
   * The statement to run; undefined where its answer is asked for the first time, it holds too much, or can run but once. Rejects with
   * DuckDB's error.
   */
  async find(answer: string, sql: string): Promise<DuckDBPreparedStatement | undefined> {
    this.discard()
    if (runsOnce.test(sql)) return undefined
    const kept = this.#kept.get(answer)
    this.#kept.delete(answer)
    if (kept?.sql === sql) {
      this.#kept.set(answer, kept)
      return kept.statement
    }
    kept?.statement.destroySync()
    if (!this.#met.again(answer)) return undefined
    const statement = await this.#connection.prepare(sql)
    this.#trial = { answer, sql, statement }
    return statement
  }

  /** The statement on trial stays. */
  keep(): void {
    if (this.#trial === undefined) return
    this.#kept.set(this.#trial.answer, this.#trial)
    this.#trial = undefined
    const [oldest] = this.#kept.values()
    if (this.#kept.size <= keptMax || oldest === undefined) return
    this.#kept.delete(oldest.answer)
    oldest.statement.destroySync()
  }

  /** The statement on trial goes; `forGood`: it is not tried again. */
  discard(forGood = false): void {
    if (this.#trial === undefined) return
    if (forGood) this.#met.refuse(this.#trial.answer)
    this.#trial.statement.destroySync()
    this.#trial = undefined
  }

  /** Lets go of all, and of what they hold. */
  clear(): void {
    this.discard()
    for (const { statement } of this.#kept.values()) statement.destroySync()
    this.#kept.clear()
  }
}

function remember(answers: Set<string>, answer: string): void {
  const [oldest] = answers
  if (answers.size >= metMax && oldest !== undefined) answers.delete(oldest)
  answers.add(answer)
}
