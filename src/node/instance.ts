import { DuckDBInstance } from '@duckdb/node-api'
import { quoteText } from '../model/quote.js'
import { Attachments } from './attachments.js'
import { type InstanceLimits, lockDown } from './lock-down.js'
import { Session } from './session.js'

const idleSessionsMax = 8
/** Kept statements may hold one part in so many of the memory. */
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
  #running = 0
  /** While it is found out whether a statement is kept. */
  #judging: Promise<void> | undefined
  /** While caches are emptied the memory limit is too low for any statement. */
  #shrinking: Promise<void> | undefined

  private constructor(instance: DuckDBInstance, control: Session, limits: InstanceLimits) {
    this.#instance = instance
    this.#control = control
    this.limits = limits
    this.attachments = new Attachments(control)
  }

  /** Opens and closes it off; rejects when the lock did not hold. */
  static async open(limits: InstanceLimits): Promise<Instance> {
    const instance = await DuckDBInstance.create(':memory:')
    const control = new Session(await instance.connect())
    await lockDown(control, limits)
    return new Instance(instance, control, limits)
  }

  /** Statements under way. */
  get running(): number {
    return this.#running
  }

  /** A connection for one task, in this time zone. */
  async acquire(timeZone: string): Promise<Session> {
    await this.#judging
    this.#running++
    try {
      await this.#shrinking
      const session = this.#idle.pop() ?? new Session(await this.#instance.connect())
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

  /** Gives a connection back. One whose statement failed or was interrupted is closed rather than used again. */
  release(session: Session, reusable: boolean): void {
    this.#running--
    if (!reusable) session.close()
    else if (session.statements.onTrial && this.#running === 0) void this.#judge(session)
    else this.#setAside(session)
  }

  /** Gives cached blocks back to the system, when no statement runs here. */
  async shrink(): Promise<boolean> {
    if (this.#running > 0 || this.#judging !== undefined || this.#shrinking !== undefined) return false
    this.#shrinking = this.#emptyCaches()
    try {
      await this.#shrinking
      return true
    } finally {
      this.#shrinking = undefined
    }
  }

  #setAside(session: Session): void {
    // A statement that nobody could judge is tried the next time: what it holds can be told only while nothing runs.
    session.statements.discard()
    if (this.#idle.length < idleSessionsMax) this.#idle.push(session)
    else session.close()
  }

  /** Keeps the statement that came again unless all that are kept would hold too much. Nothing runs until that is known. */
  async #judge(session: Session): Promise<void> {
    const { statements } = session
    const weighed = this.#operatorBytes().then(
      (bytes) => (bytes > this.limits.memoryBytes / keptShare ? statements.discard(true) : statements.keep()),
      () => statements.discard(),
    )
    this.#judging = weighed
    await weighed
    this.#judging = undefined
    this.#setAside(session)
  }

  async #operatorBytes(): Promise<number> {
    const sum = 'SELECT coalesce(sum(memory_usage_bytes), 0)::DOUBLE FROM duckdb_memory()'
    const rows = await this.#control.rows(`${sum} WHERE tag IN (${operatorTags})`)
    return Number(rows[0]?.[0] ?? 0)
  }

  async #emptyCaches(): Promise<void> {
    for (const { statements } of this.#idle) statements.clear()
    await this.#control.run("SET memory_limit = '16MiB'").catch(() => undefined)
    await this.#control.run(`SET memory_limit = '${Math.max(1, Math.floor(this.limits.memoryBytes / (1 << 20)))}MiB'`)
  }

  /** Bytes in DuckDB's own buffers. */
  async bufferBytes(): Promise<number> {
    const rows = await this.#control.rows('SELECT coalesce(sum(memory_usage_bytes), 0)::DOUBLE FROM duckdb_memory()')
    return Number(rows[0]?.[0] ?? 0)
  }
}
