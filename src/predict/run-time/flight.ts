import { BoundedMap } from '../bounded-map.js'
import { type TenantQueue, type Turn, turnOf } from './fluid-queue.js'
import { Recent, type RecentSnapshot } from './recent.js'
import type { RunTimeQuery } from './run-time-query.js'

/** A query in flight. */
export interface Airborne {
  readonly query: RunTimeQuery
  /** Expected log duration without load, as it was known at arrival. */
  readonly baseLog: number
  /** The same in milliseconds. */
  readonly baseMs: number
  startedAt: number | undefined
}

/** What is in flight at a moment, one query left out. */
export interface FlightFacts {
  readonly running: number
  readonly runningOfTenant: number
  readonly waiting: number
  readonly waitingOfTenant: number
  /** Expected work of the running ones without load, in ms: all of it, and what their ages leave. */
  readonly work: number
  readonly workLeft: number
  readonly workWaiting: number
  readonly bytesRunning: number
  readonly ageOldest: number
  readonly ageMean: number
  /** Mean of how far the running ones are over their expected time, in logs, 0 for those within it. */
  readonly overdue: number
}

export interface FlightSnapshot {
  readonly arrivals: RecentSnapshot
  readonly finishes: RecentSnapshot
  readonly tenants: readonly (readonly [string, { readonly slots: number; readonly last: number }])[]
}

/** One tenant's part of the flight. */
interface TenantFlight {
  waiting: number
  running: number
  slots: number
  last: number
  readonly arrivals: Recent
}

/** Queries in flight, waiting and running, and how fast they come and go. */
export class Flight {
  readonly #airborne = new Map<string, Airborne>()
  readonly #running = new Map<string, Airborne>()
  readonly #tenants = new BoundedMap<TenantFlight>(2000)
  readonly arrivals = new Recent()
  /** Each with its expected work without load, in ms. */
  readonly finishes = new Recent()
  #workWaiting = 0

  arrive(query: RunTimeQuery, baseLog: number): void {
    const baseMs = Math.exp(baseLog)
    this.#airborne.set(query.id, { query, baseLog, baseMs, startedAt: undefined })
    const tenant = this.#tenants.touch(query.tenant, newTenant)
    tenant.waiting++
    tenant.last = query.at
    tenant.arrivals.add(query.at)
    this.#workWaiting += baseMs
    this.arrivals.add(query.at)
  }

  start(id: string, at: number): void {
    const airborne = this.#airborne.get(id)
    if (airborne === undefined || airborne.startedAt !== undefined) return
    airborne.startedAt = at
    this.#leaveQueue(airborne)
    this.#running.set(id, airborne)
    const tenant = this.#tenants.touch(airborne.query.tenant, newTenant)
    tenant.running++
    tenant.slots = Math.max(tenant.slots, tenant.running)
  }

  #leaveQueue({ query, baseMs }: Airborne): void {
    const tenant = this.#tenants.touch(query.tenant, newTenant)
    tenant.waiting = Math.max(0, tenant.waiting - 1)
    this.#workWaiting = Math.max(0, this.#workWaiting - baseMs)
  }

  /** It ended, or went away before it began. */
  finish(id: string, at: number): Airborne | undefined {
    const airborne = this.#airborne.get(id)
    if (airborne === undefined) return undefined
    if (airborne.startedAt === undefined) this.#leaveQueue(airborne)
    else {
      const tenant = this.#tenants.touch(airborne.query.tenant, newTenant)
      tenant.running = Math.max(0, tenant.running - 1)
      this.finishes.add(at, airborne.baseMs)
    }
    this.#running.delete(id)
    this.#airborne.delete(id)
    return airborne
  }

  running(): IterableIterator<Airborne> {
    return this.#running.values()
  }

  get runningCount(): number {
    return this.#running.size
  }

  get waitingCount(): number {
    return this.#airborne.size - this.#running.size
  }

  /** Milliseconds since the tenant's last arrival before `at`. */
  idleMs(tenant: string, at: number): number {
    const last = this.#tenants.peek(tenant)?.last
    return last === undefined ? 3_600_000 : Math.max(0, at - last)
  }

  /** When the query's turn would come, and what runs then; `waitMs` 0 where its tenant has a slot free. */
  turn(query: RunTimeQuery, at: number): Turn {
    const own = this.#tenants.peek(query.tenant)
    const running = this.#running.size
    const waiting = this.waitingCount
    if (own === undefined || own.waiting === 0) return { waitMs: 0, running, waiting }
    const others: TenantQueue[] = []
    for (const tenant of this.#tenants.values()) {
      const recent = tenant.last < at - 300_000 ? 0 : tenant.arrivals.since(at - 300_000)
      const inSystem = tenant.waiting + tenant.running
      if (tenant !== own && inSystem + recent > 0) others.push({ inSystem, slots: tenant.slots, arrivalRate: recent / 300 })
    }
    const first = { inSystem: own.waiting + own.running, slots: own.slots, arrivalRate: own.arrivals.since(at - 300_000) / 300 }
    return turnOf([first, ...others], Math.max(1, this.finishes.since(at - 300_000)) / 300)
  }

  facts(except: RunTimeQuery, at: number): FlightFacts {
    const own = this.#airborne.get(except.id)
    const ownWaits = own !== undefined && own.startedAt === undefined
    const sums = { running: 0, ofTenant: 0, work: 0, left: 0, bytes: 0, oldest: 0, ages: 0, overdue: 0 }
    for (const airborne of this.#running.values()) {
      if (airborne === own) continue
      // Clocks step back now and then.
      const age = Math.max(0, at - (airborne.startedAt as number))
      const expected = airborne.baseMs
      sums.running++
      if (airborne.query.tenant === except.tenant) sums.ofTenant++
      sums.work += expected
      sums.left += Math.max(0, expected - age)
      sums.bytes += airborne.query.bytes
      sums.oldest = Math.max(sums.oldest, age)
      sums.ages += age
      if (age > expected) sums.overdue += Math.log(age / expected)
    }
    const count = Math.max(1, sums.running)
    return {
      running: sums.running,
      runningOfTenant: sums.ofTenant,
      waiting: this.waitingCount - (ownWaits ? 1 : 0),
      waitingOfTenant: (this.#tenants.peek(except.tenant)?.waiting ?? 0) - (ownWaits ? 1 : 0),
      work: sums.work,
      workLeft: sums.left,
      workWaiting: Math.max(0, this.#workWaiting - (ownWaits ? own.baseMs : 0)),
      bytesRunning: sums.bytes,
      ageOldest: sums.oldest,
      ageMean: sums.ages / count,
      overdue: sums.overdue / count,
    }
  }

  /** How fast queries came and went; those in flight are lost with the process. */
  snapshot(): FlightSnapshot {
    return {
      arrivals: this.arrivals.snapshot(),
      finishes: this.finishes.snapshot(),
      tenants: this.#tenants.snapshot(({ slots, last }) => ({ slots, last })),
    }
  }

  restore(snapshot: FlightSnapshot): void {
    this.#airborne.clear()
    this.#running.clear()
    this.#workWaiting = 0
    this.arrivals.restore(snapshot.arrivals)
    this.finishes.restore(snapshot.finishes)
    this.#tenants.restore(snapshot.tenants, (kept) => ({ ...newTenant(), ...kept }))
  }
}

function newTenant(): TenantFlight {
  return { waiting: 0, running: 0, slots: 1, last: 0, arrivals: new Recent(200) }
}
