import type { Clock } from '../model/clock.js'
import { ForebayError } from '../model/errors.js'

const quarantineMs = 10 * 60_000
const deathsMax = 2
const statementsMax = 1_000

/** Statements that killed nodes, by their text: after the second death while they ran alone they are refused for ten minutes. */
export class Quarantine {
  readonly #clock: Pick<Clock, 'now'>
  readonly #deaths = new Map<string, { count: number; lastAt: number; message: string }>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** A node died while nothing but this statement ran on it. */
  blame(statement: string, message: string): void {
    const known = this.#current(statement)
    this.#deaths.delete(statement)
    this.#deaths.set(statement, { count: (known?.count ?? 0) + 1, lastAt: this.#clock.now(), message })
    for (const oldest of this.#deaths.keys()) {
      if (this.#deaths.size <= statementsMax) break
      this.#deaths.delete(oldest)
    }
  }

  /** Throws STATEMENT_QUARANTINED when the statement is not to be run now. */
  check(statement: string): void {
    const known = this.#current(statement)
    if (known === undefined || known.count < deathsMax) return
    const minutes = Math.ceil((known.lastAt + quarantineMs - this.#clock.now()) / 60_000)
    throw new ForebayError(
      'STATEMENT_QUARANTINED',
      `this statement ended ${known.count} nodes, the last time: ${known.message}`,
      {
        hint: `it is refused for ${minutes} more minutes; change it, or give the nodes more memory`,
      },
    )
  }

  #current(statement: string): { count: number; lastAt: number; message: string } | undefined {
    const known = this.#deaths.get(statement)
    if (known !== undefined && this.#clock.now() - known.lastAt < quarantineMs) return known
    this.#deaths.delete(statement)
    return undefined
  }
}
