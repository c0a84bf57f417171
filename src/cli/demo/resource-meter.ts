import type { HeldResources } from '../../model/forecast.js'
import type { NodeStatus } from '../../model/node.js'

/**
 * Adds up what was reserved: Σ memory limit of every node that is there × seconds, on the clock that the server runs by.
 * Sampled at every change that the driver makes or sees, and between them nothing changes but time.
 */
export class ResourceMeter {
  #lastAt: number
  #reservedBytes = 0
  #byteSeconds = 0
  /** CPU-seconds of processes that have ended, and of those that run, by node and incarnation. */
  readonly #cpuSeconds = new Map<string, number>()

  constructor(startAt: number) {
    this.#lastAt = startAt
  }

  sample(now: number, nodes: readonly NodeStatus[]): void {
    this.#byteSeconds += (this.#reservedBytes * Math.max(0, now - this.#lastAt)) / 1000
    this.#lastAt = now
    for (const node of nodes) this.#cpuSeconds.set(`${node.id} ${node.incarnation}`, node.cpuSeconds)
    this.#reservedBytes = nodes
      .filter((node) => node.kind === 'duckdb' && node.state !== 'absent' && node.state !== 'lost')
      .reduce((total, node) => total + node.memoryLimitBytes, 0)
  }

  held(): HeldResources {
    return { byteSeconds: this.#byteSeconds, cpuSeconds: [...this.#cpuSeconds.values()].reduce((sum, value) => sum + value, 0) }
  }
}

/**
 * The keep-alive with which a reactive server would hold its nodes for `targetMs` in all, given when its queries run:
 * each query holds them from its arrival until the keep-alive after its end. Found by halving; exact to a millisecond.
 */
export function keepAliveFor(targetMs: number, runs: readonly { readonly from: number; readonly until: number }[]): number {
  const heldMs = (keepAliveMs: number): number => {
    let total = 0
    let heldUntil = Number.NEGATIVE_INFINITY
    for (const run of runs) {
      const until = run.until + keepAliveMs
      if (until <= heldUntil) continue
      total += until - Math.max(run.from, heldUntil)
      heldUntil = until
    }
    return total
  }
  let low = 0
  let high = 24 * 3_600_000
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (heldMs(middle) > targetMs) high = middle
    else low = middle
  }
  return low
}
