import type { Shares } from './shares.js'

/** What the watch does when memory becomes tight. */
export interface MemoryActions {
  /** Empties caches of instances that run nothing. */
  relieve(): void
  /** Stops the task that has grown most; the process has reached its limit. */
  stopLargest(bytes: number): void
  /** The limit was exceeded for too long, or by too much. */
  end(bytes: number): void
}

const everyMs = 50
const relieveAtShare = 0.8
const relieveEveryMs = 1_000
const endAtShare = 1.2
const graceMs = 1_000

/**
 * Watches the process's resident memory, since DuckDB's memory limit does not bound it (1.7 GB under a limit of 256 MB, measured).
 * Near the limit caches go; at the limit the largest task goes; if that does not help within a second, or memory still grows by
 * a fifth, the process goes.
 */
export function startMemoryWatch(limitBytes: number, shares: Shares, actions: MemoryActions): () => void {
  let relievedAt = Number.NEGATIVE_INFINITY
  let exceededAt: number | undefined
  const timer = setInterval(() => {
    const bytes = shares.settle()
    // What runs now holds its memory; what has ended meanwhile may let go of it, so this is tried again and again.
    if (bytes >= relieveAtShare * limitBytes && performance.now() - relievedAt >= relieveEveryMs) {
      relievedAt = performance.now()
      actions.relieve()
    }
    if (bytes < limitBytes) {
      exceededAt = undefined
      return
    }
    if (exceededAt === undefined) {
      exceededAt = performance.now()
      actions.stopLargest(bytes)
    }
    if (bytes >= endAtShare * limitBytes || performance.now() - exceededAt >= graceMs) actions.end(bytes)
  }, everyMs)
  return () => clearInterval(timer)
}
