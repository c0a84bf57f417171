import { DuckDBInstance } from '@duckdb/node-api'
import { quoteText } from '../model/quote.js'
import { Attachments } from './attachments.js'
import { MetAnswers } from './kept-statements.js'
import { type InstanceLimits, lockDown } from './lock-down.js'
import { Session } from './session.js'

const idleSessionsMax = 8
/** Kept statements may hold as much as one part in so many of the memory. */
const keptShare = 16
/** What operators hold, as `duckdb_memory()` calls it. */
const operatorTags = ['ALLOCATOR', 'COLUMN_DATA', 'HASH_TABLE', 'ORDER_BY', 'OVERFLOW_STRINGS', 'WINDOW']
  .map(quoteText)
  .join(', ')

/** A locked-down DuckDB instance of one thread class, with connections that are used again. */
export class Instance {
  readonly limits: InstanceLimits
  readonly attachments: Attachments
  readonly #instance: DuckDBInstance
  readonly #idle: Session[] = []
  readonly #control: Session
  readonly #met: MetAnswers
  #running = 0
  /** While it is found out whether statements are kept. */
  #judging: Promise<void> | undefined
  /** While caches are emptied the memory limit is too low for any statement. */
  #shrinking: Promise<void> | undefined

  private constructor(instance: DuckDBInstance, control: Session, met: MetAnswers, limits: InstanceLimits) {
    this.#instance = instance
    this.#control = control
    this.#met = met
    this.limits = limits
    this.attachments = new Attachments(control)
  }

  /** Opens and closes it off; rejects when the lock did not hold. */
  static async open(limits: InstanceLimits): Promise<Instance> {
    const instance = await DuckDBInstance.create(':memory:')
    const met = new MetAnswers()
    const control = new Session(await instance.connect(), met)
    await lockDown(control, limits)
    return new Instance(instance, control, met, limits)
  }

  /** Statements under way. */
  get running(): number {
    return this.#running
  }

  /** A connection for one task, in this time zone; if there is one, that which keeps the statement of this answer. */
  async acquire(timeZone: string, answer?: string): Promise<Session> {
    for (let busy = this.#busy(answer); busy !== undefined; busy = this.#busy(answer)) await busy
    this.#running++
    try {
      const session = this.#takeIdle(answer) ?? new Session(await this.#instance.connect(), this.#met)
      try {
        await session.setTimeZone(timeZone)
      } catch (error) {
        session.close()
        throw error
      }
      return session
    } catch (error) {
      this.#running--
      throw error
    }
  }

  /** What has to end before a statement of this answer begins. What is judged while nothing runs is judged best. */
  #busy(answer: string | undefined): Promise<void> | undefined {
    const isJudged = this.#idle.some(({ statements }) => statements.onTrial && answer !== undefined && statements.has(answer))
    return this.#shrinking ?? (isJudged || this.#running === 0 ? this.#judging : undefined)
  }

  /** None whose statement is being judged: it may go at any moment. */
  #takeIdle(answer: string | undefined): Session | undefined {
    const free = this.#idle.filter(({ statements }) => !statements.onTrial)
    const taken = free.find(({ statements }) => answer !== undefined && statements.has(answer)) ?? free.at(-1)
    if (taken !== undefined) this.#idle.splice(this.#idle.indexOf(taken), 1)
    return taken
  }

  /** Gives a connection back. One whose statement failed or was interrupted is closed rather than used again. */
  release(session: Session, reusable: boolean): void {
    this.#running--
    if (reusable && this.#idle.length < idleSessionsMax) this.#idle.push(session)
    else session.close()
    if (!session.statements.onTrial) return
    this.#judging ??= this.#judge().finally(() => {
      this.#judging = undefined
    })
  }

  /** Gives cached blocks back to the system, when no statement runs here. */
  async shrink(): Promise<boolean> {
    for (const { statements } of this.#idle) statements.clear()
    if (this.#running > 0 || this.#judging !== undefined || this.#shrinking !== undefined) return false
    this.#shrinking = this.#emptyCaches()
    try {
      await this.#shrinking
      return true
    } finally {
      this.#shrinking = undefined
    }
  }

  /**
   * Keeps statements that came again, unless all that are kept would hold too much. What runs beside them cannot be told from them:
   * it counts too, and a statement that goes because of it may come again.
   */
  async #judge(): Promise<void> {
    for (;;) {
      const tried = this.#idle.filter(({ statements }) => statements.onTrial)
      if (tried.length === 0) return
      const alone = this.#running === 0
      const bytes = await this.#operatorBytes().catch(() => Number.POSITIVE_INFINITY)
      const tooMuch = bytes > this.limits.memoryBytes / keptShare
      for (const { statements } of tried) {
        if (tooMuch) statements.discard(alone && this.#running === 0)
        else statements.keep()
      }
    }
  }

  /** What operators hold, in memory and on disk, where it goes when memory is short. */
  async #operatorBytes(): Promise<number> {
    const sum = 'SELECT coalesce(sum(memory_usage_bytes + temporary_storage_bytes), 0)::DOUBLE FROM duckdb_memory()'
    const rows = await this.#control.rows(`${sum} WHERE tag IN (${operatorTags})`)
    return Number(rows[0]?.[0] ?? 0)
  }

  async #emptyCaches(): Promise<void> {
    await this.#control.run("SET memory_limit = '16MiB'").catch(() => undefined)
    await this.#control.run(`SET memory_limit = '${Math.max(1, Math.floor(this.limits.memoryBytes / (1 << 20)))}MiB'`)
  }

  /** Bytes in DuckDB's own buffers. */
  async bufferBytes(): Promise<number> {
    const rows = await this.#control.rows('SELECT coalesce(sum(memory_usage_bytes), 0)::DOUBLE FROM duckdb_memory()')
    return Number(rows[0]?.[0] ?? 0)
  }
}
