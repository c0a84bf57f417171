import type { Clock } from './clock.js'

interface Sleeper {
  dueAt: number
  timer: NodeJS.Timeout
  wake: () => void
}

/**
 * A clock that runs 1:1 with the machine's and can be put forward over idle time. Sleepers that fall due on the way wake
 * in order. Who drives it decides when nothing is under way; nothing here guesses that.
 */
export class VirtualClock implements Clock {
  #skippedMs = 0
  readonly #startAt: number
  readonly #realStart = performance.now()
  readonly #sleepers = new Set<Sleeper>()

  /** `startAt` is the virtual time of the beginning, epoch milliseconds. */
  constructor(startAt: number) {
    this.#startAt = startAt
  }

  now(): number {
    return Math.floor(this.#startAt + this.monotonic())
  }

  monotonic(): number {
    return performance.now() - this.#realStart + this.#skippedMs
  }

  /** Virtual time that was skipped so far, in milliseconds. */
  skippedMs(): number {
    return this.#skippedMs
  }

  /** When the first sleeper falls due, epoch milliseconds; Infinity when none sleeps. */
  nextDueAt(): number {
    let next = Number.POSITIVE_INFINITY
    for (const sleeper of this.#sleepers) next = Math.min(next, sleeper.dueAt)
    return next
  }

  /** Puts the clock forward to `at`, but not past the first sleeper, which then wakes. Returns the time reached. */
  skipTo(at: number): number {
    const target = Math.min(at, this.nextDueAt())
    const ms = target - this.now()
    if (ms > 0) this.#skippedMs += ms
    const now = this.now()
    for (const sleeper of [...this.#sleepers].toSorted((a, b) => a.dueAt - b.dueAt)) {
      if (sleeper.dueAt <= now) sleeper.wake()
      else this.#arm(sleeper)
    }
    return now
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      const end = (): void => {
        clearTimeout(sleeper.timer)
        this.#sleepers.delete(sleeper)
        signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        end()
        reject(signal?.reason)
      }
      const sleeper: Sleeper = {
        dueAt: this.now() + ms,
        timer: setTimeout(() => {}, 0),
        wake: () => {
          end()
          resolve()
        },
      }
      this.#sleepers.add(sleeper)
      this.#arm(sleeper)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  #arm(sleeper: Sleeper): void {
    clearTimeout(sleeper.timer)
    sleeper.timer = setTimeout(() => sleeper.wake(), Math.max(0, Math.min(sleeper.dueAt - this.now(), 2 ** 31 - 1)))
    sleeper.timer.unref()
  }
}
