import type { Clock } from '../model/clock.js'
import type { Actuator } from './actions.js'

export interface IdleStopOptions {
  readonly actuator: Actuator
  readonly clock: Clock
  /** Nodes are stopped when nothing ran or waited for so long; 0 keeps them forever. */
  readonly keepAliveMs: number
  /** Nodes that stay whatever happens. */
  readonly nodesMin: number
  /** Until when a forecast wants nodes to run, epoch milliseconds; 0 when none does. */
  readonly wantedUntil: () => number
}

/** Scales in, only on what is observed: after an idle time, and never while a forecast's allocation is waiting for its query. */
export class IdleStop {
  readonly #options: IdleStopOptions
  /** Monotonic: the time of day may be set. */
  #lastBusyAt: number

  constructor(options: IdleStopOptions) {
    this.#options = options
    this.#lastBusyAt = options.clock.monotonic()
  }

  /** A query came or ended, or an action was taken: idle time begins anew. */
  touch(): void {
    this.#lastBusyAt = this.#options.clock.monotonic()
  }

  /** When nodes are to be stopped next, epoch milliseconds; Infinity when never. */
  dueAt(): number {
    const { clock, keepAliveMs, wantedUntil } = this.#options
    if (keepAliveMs <= 0) return Number.POSITIVE_INFINITY
    return Math.max(clock.now() + this.#lastBusyAt + keepAliveMs - clock.monotonic(), wantedUntil())
  }

  async runOnce(signal: AbortSignal): Promise<void> {
    const { actuator, clock, nodesMin } = this.#options
    if (actuator.busy()) {
      this.touch()
      return
    }
    if (clock.now() < this.dueAt()) return
    const ready = actuator.nodes().filter((node) => node.state === 'ready')
    for (const node of ready.slice(nodesMin)) {
      if (actuator.busy()) return
      await actuator.stopNode(node.id, signal)
    }
  }
}
