/** Where time comes from. Everything that waits or dates something takes a clock, so that tests and simulations own time. */
export interface Clock {
  /** Wall-clock time, epoch milliseconds, whole. */
  now(): number
  /** Monotonic time in milliseconds with a fraction; only differences mean something. */
  monotonic(): number
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The machine's own clock. Its timers do not keep a process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      const onAbort = (): void => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, ms)
      timer.unref()
      signal?.addEventListener('abort', onAbort, { once: true })
    }),
}
