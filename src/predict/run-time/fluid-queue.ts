/**
 * A fluid queue for overload. A query that arrives behind a long queue will run in a world that has changed by then; its
 * features of now say little. So the queues of all tenants flow on in steps, each with its own share of the service and its own
 * arrivals, until the query's turn comes: that gives its wait and how many run beside it. The steps grow with the horizon, so
 * that the cost is bounded.
 */
export interface TenantQueue {
  /** Its queries that wait and run. */
  readonly inSystem: number
  /** Most of its queries ever seen running at once. */
  readonly slots: number
  /** Arrivals a second. */
  readonly arrivalRate: number
}

export interface Turn {
  readonly waitMs: number
  /** In flight when its turn comes, without it. */
  readonly running: number
  readonly waiting: number
}

const stepsMax = 100
const stepSeconds = 10
/** Each step is longer than the one before, so that a hundred of them reach beyond an hour. */
const stepGrowth = 1.02
/** Bursts pass: the rate of arrivals is taken to fade with this time constant (rates that last gave errors a quarter larger). */
const lullSeconds = 300

/** When the turn of the next query of the first queue comes, if `finishRate` queries a second are served from now on. */
export function turnOf(queues: readonly TenantQueue[], finishRate: number): Turn {
  const inSystem = Float64Array.from(queues, (queue) => queue.inSystem)
  const slots = Float64Array.from(queues, (queue) => Math.max(1, queue.slots))
  const rates = Float64Array.from(queues, (queue) => queue.arrivalRate)
  let running = runningOf(inSystem, slots)
  const perRunning = finishRate / Math.max(1, running)
  // It starts when so many of its tenant's queries before it have been served that a slot is free.
  let ahead = (inSystem[0] ?? 0) + 1 - (slots[0] ?? 1)
  let seconds = 0
  let step = stepSeconds
  for (let i = 0; i < stepsMax && ahead > 0; i++) {
    const served = Math.min(perRunning, finishRate / Math.max(1, running)) * step
    const ownServed = Math.min(slots[0] as number, inSystem[0] as number) * served
    seconds += Math.min(1, ahead / Math.max(1e-9, ownServed)) * step
    ahead -= ownServed
    const coming = Math.exp(-seconds / lullSeconds) * step
    for (let q = 0; q < inSystem.length; q++) {
      const size = inSystem[q] as number
      inSystem[q] = Math.max(0, size - Math.min(slots[q] as number, size) * served + (rates[q] as number) * coming)
    }
    running = runningOf(inSystem, slots)
    step *= stepGrowth
  }
  return { waitMs: seconds * 1000, running, waiting: inSystem.reduce((sum, size) => sum + size, 0) - running }
}

function runningOf(inSystem: Float64Array, slots: Float64Array): number {
  let running = 0
  for (let q = 0; q < inSystem.length; q++) running += Math.min(slots[q] as number, inSystem[q] as number)
  return running
}
