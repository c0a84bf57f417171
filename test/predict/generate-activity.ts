import { LocalTime } from '../../src/predict/arrivals/local-time.js'
import type { LoggedActivity } from '../../src/predict/log-line.js'
import { seeded } from './seeded.js'

/** What a fleet is made of. `random` has nothing that a rule could learn. */
export type Fleet = 'regular' | 'bursty' | 'random'

export interface FleetOptions {
  readonly fleet: Fleet
  readonly tenants: number
  readonly weeks: number
  readonly seed: number
}

/** Probability of a query in an hour; `day` and `clock` (0–23) are local, `hour` counts from the beginning. */
type Cluster = (moment: {
  readonly day: number
  readonly weekday: number
  readonly clock: number
  readonly hour: number
}) => number
type Random = () => number

const hourMs = 3_600_000
/** Monday, 9 February 2026: daylight saving begins within the first eight weeks in America and in Europe. */
const beginning = Date.UTC(2026, 1, 9)
const zones = ['UTC', 'America/New_York', 'America/Los_Angeles', 'Europe/Berlin', 'Europe/London', 'Asia/Kolkata']
const shares: Readonly<Record<Fleet, readonly (readonly [number, (random: Random) => Cluster])[]>> = {
  regular: [
    [0.45, office],
    [0.27, nightly],
    [0.1, everySoManyHours],
    [0.06, weekly],
    [0.07, awake],
    [0.05, rare],
  ],
  bursty: [
    [0.4, burstsInOfficeHours],
    [0.15, office],
    [0.25, nightly],
    [0.1, everySoManyHours],
    [0.1, rare],
  ],
  random: [[1, rare]],
}

/** Hourly activity of a fleet of clusters, in the order of a log, silent hours left out. The same seed gives the same log. */
export function* generateActivity({ fleet, tenants, weeks, seed }: FleetOptions): Generator<LoggedActivity> {
  const random = seeded(seed)
  const time = new LocalTime()
  const holidays = new Set([1, 2, 3].map(() => Math.floor(beginning / (24 * hourMs) + 7 * weeks * random())))
  const clusters = Array.from({ length: tenants }, () => ({ zone: of(zones, random), active: kindOf(fleet, random)(random) }))
  for (let hour = 0; hour < weeks * 168; hour++) {
    const at = beginning + hour * hourMs
    for (const [i, { zone, active }] of clusters.entries()) {
      const { day, minute, weekday } = time.local(at, zone)
      // A holiday is like a Sunday.
      const moment = { day, weekday: holidays.has(day) ? 0 : weekday, clock: Math.floor(minute / 60), hour }
      const count = random() < active(moment) ? 1 + Math.floor(40 * random() ** 2) : 0
      if (count > 0) yield { line: 'activity', at, periodMs: hourMs, tenant: `c${i}`, count }
    }
  }
}

function kindOf(fleet: Fleet, random: Random): (random: Random) => Cluster {
  let left = random()
  for (const [share, kind] of shares[fleet]) {
    left -= share
    if (left < 0) return kind
  }
  return rare
}

/** People at work: now and then an hour later or earlier, a day off or an evening; every fourth moves by an hour for good. */
function office(random: Random): Cluster {
  const begins = between(6, 10, random)
  const ends = begins + between(6, 11, random)
  const busy = 0.7 + 0.29 * random()
  const stray = 0.03 * random() ** 2
  const weekend = random() < 0.1 ? 0.5 : 0
  const dayOff = 0.12 * random()
  const unpunctual = 0.5 * random() ** 2
  const moves = driftOf(random)
  let today = { day: -1, off: false, late: 0 }
  return ({ day, weekday, clock, hour }) => {
    if (today.day !== day) today = { day, off: random() < dayOff, late: random() < unpunctual ? of([-1, 1, 2], random) : 0 }
    const moved = moves(hour)
    const within = clock >= begins + moved + today.late && clock < ends + moved
    if (!within || today.off) return stray
    return weekday === 0 || weekday === 6 ? weekend * busy + stray : busy
  }
}

/** Jobs at one to three fixed hours, every day or on working days. */
function nightly(random: Random): Cluster {
  const hours = Array.from({ length: between(1, 4, random) }, () => between(0, 24, random))
  const daily = random() < 0.7
  const runs = 1 - 0.25 * random() ** 2
  const stray = 0.02 * random() ** 2
  const moves = driftOf(random)
  return ({ weekday, clock, hour }) => {
    const on = daily || (weekday !== 0 && weekday !== 6)
    return on && hours.includes((clock - moves(hour) + 24) % 24) ? runs : stray
  }
}

function everySoManyHours(random: Random): Cluster {
  const period = of([3, 4, 6, 8, 12], random)
  const offset = between(0, period, random)
  return ({ hour }) => (hour % period === offset ? 0.95 : 0.005)
}

function weekly(random: Random): Cluster {
  const day = between(0, 7, random)
  const begins = between(0, 21, random)
  return ({ weekday, clock }) => (weekday === day && clock >= begins && clock < begins + 3 ? 0.95 : 0.002)
}

function awake(): Cluster {
  return () => 0.97
}

function rare(random: Random): Cluster {
  const rate = 0.005 + 0.03 * random()
  return () => rate
}

/** A burst of some hours, sometimes two or three on a working day, most often in the morning, some days none. */
function burstsInOfficeHours(random: Random): Cluster {
  const usual = [between(7, 10, random), between(12, 15, random)]
  const onUsual = [0.5 + 0.45 * random(), 0.3 + 0.6 * random()]
  const stray = 0.04 * random() ** 2
  let until = 0
  return ({ weekday, clock, hour }) => {
    const day = weekday === 0 || weekday === 6 ? 0.05 : 1
    const place = usual.indexOf(clock)
    const starts = place >= 0 ? (onUsual[place] as number) * day : stray
    if (hour >= until && random() < starts) until = hour + between(1, 4, random)
    return hour < until ? 1 : 0
  }
}

function driftOf(random: Random): (hour: number) => number {
  const at = random() < 0.25 ? 168 * (3 + 8 * random()) : Number.POSITIVE_INFINITY
  const by = random() < 0.5 ? 1 : -1
  return (hour) => (hour < at ? 0 : by)
}

/** A whole number, `from` ≤ n < `until`. */
function between(from: number, until: number, random: Random): number {
  return from + Math.floor((until - from) * random())
}

function of<T>(choices: readonly T[], random: Random): T {
  return choices[between(0, choices.length, random)] as T
}
