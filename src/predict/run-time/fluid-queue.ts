/**
 * A fluid queue for overload. A query that arrives behind a long queue will run in a world that has changed by then; its
 * features of now say little. So the queues of all tenants flow on in steps, each with its own share of the service and its own
 * arrivals, until the query's turn comes: that gives its wait and how many run beside it. The step grows with the horizon, so
 * that the cost is bounded.
 */
export interface TenantQueue {
  readonly waiting: number
  readonly running: number
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

const stepsMax = 400
const stepSeconds = 10
/** Bursts pass: the rate of arrivals is taken to fade with this time constant (rates that last gave errors a quarter larger). */
const lullSeconds = 300

/** When the turn of `tenant`'s next query comes if `finishRate` queries a second are served from now on. */
export function turnOf(tenant: string, queues: ReadonlyMap<string, TenantQueue>, finishRate: number): Turn {
  const names = [...queues.keys()]
  const inSystem = names.map((name) => sizeOf(queues.get(name) as TenantQueue))
  const slots = names.map((name) => Math.max(1, (queues.get(name) as TenantQueue).slots))
  const rates = names.map((name) => (queues.get(name) as TenantQueue).arrivalRate)
  const own = names.indexOf(tenant)
  if (own < 0) return { waitMs: 0, ...load(inSystem, slots) }
  // It starts when so many of its tenant's queries before it have been served that a slot is free.
  let ahead = (inSystem[own] as number) + 1 - (slots[own] as number)
  let seconds = 0
  const perRunning = finishRate / Math.max(1, load(inSystem, slots).running)
  for (let step = 0; step < stepsMax && ahead > 0; step++) {
    const now = load(inSystem, slots).running
    const perSlot = Math.min(perRunning, finishRate / Math.max(1, now))
    for (let i = 0; i < names.length; i++) {
      const served = Math.min(slots[i] as number, inSystem[i] as number) * perSlot * stepSeconds
      if (i === own) {
        const share = Math.min(1, ahead / Math.max(1e-9, served))
        seconds += share * stepSeconds
        ahead -= served
      }
      inSystem[i] = Math.max(
        0,
        (inSystem[i] as number) - served + (rates[i] as number) * Math.exp(-seconds / lullSeconds) * stepSeconds,
      )
    }
  }
  return { waitMs: seconds * 1000, ...load(inSystem, slots) }
}

function sizeOf(queue: TenantQueue): number {
  return queue.waiting + queue.running
}

function load(inSystem: readonly number[], slots: readonly number[]): Pick<Turn, 'running' | 'waiting'> {
  let running = 0
  let waiting = 0
  for (let i = 0; i < inSystem.length; i++) {
    const runs = Math.min(slots[i] as number, inSystem[i] as number)
    running += runs
    waiting += (inSystem[i] as number) - runs
  }
  return { running, waiting }
}
