const tickMs = 50

/**
 * Begins to count milliseconds by ticks of this process; the function that it gives ends the count and says how many there were.
 * A stall of the machine, or of this process, counts as one tick: what was promised of a machine that runs can be held against it.
 */
export function startStopwatch(): () => number {
  let ticks = 0
  const ticking = setInterval(() => ticks++, tickMs)
  return () => {
    clearInterval(ticking)
    return ticks * tickMs
  }
}
