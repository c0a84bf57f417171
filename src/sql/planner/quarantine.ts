import type { Clock } from '../../model/clock.js'
import { ForebayError } from '../../model/errors.js'

/** Statements that crashed planners, refused for a while so that one text cannot keep planners from everybody else. */
export class Quarantine {
  readonly #until = new Map<string, number>()
  readonly #clock: Clock
  readonly #forMs: number

  constructor(clock: Clock, forMs: number) {
    this.#clock = clock
    this.#forMs = forMs
  }

  add(sql: string): void {
    this.#until.set(sql, this.#clock.monotonic() + this.#forMs)
    const oldest = this.#until.keys().next()
    if (this.#until.size > 100 && !oldest.done) this.#until.delete(oldest.value)
  }

  /** Throws STATEMENT_QUARANTINED while the statement's time is not over. */
  check(sql: string): void {
    const until = this.#until.get(sql)
    if (until === undefined) return
    if (until > this.#clock.monotonic()) throw quarantined(Math.ceil((until - this.#clock.monotonic()) / 1000))
    this.#until.delete(sql)
  }
}

/** The error of a statement that ended two planners. */
function quarantined(seconds: number): ForebayError {
  return new ForebayError('STATEMENT_QUARANTINED', `this statement crashed the planner twice and is refused for ${seconds} s`, {
    hint: 'write it differently; the crash is a defect of the SQL engine that others may want to know of',
  })
}
