import { DuckDBInstance } from '@duckdb/node-api'
import { Attachments } from './attachments.js'
import { type InstanceLimits, lockDown } from './lock-down.js'
import { Session } from './session.js'

const idleSessionsMax = 8

/** A locked-down DuckDB instance of one thread class, with connections that are used again. */
export class Instance {
  readonly limits: InstanceLimits
  readonly attachments: Attachments
  readonly #instance: DuckDBInstance
  readonly #idle: Session[] = []
  readonly #control: Session
  #running = 0
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
    if (reusable && this.#idle.length < idleSessionsMax) this.#idle.push(session)
    else session.close()
  }

  /** Gives cached blocks back to the system, when no statement runs here. */
  async shrink(): Promise<boolean> {
    if (this.#running > 0 || this.#shrinking !== undefined) return false
    this.#shrinking = this.#emptyCaches()
    try {
      await this.#shrinking
      return true
    } finally {
      this.#shrinking = undefined
    }
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
