/**
 * Days off: public holidays, a closed office, somebody's leave. No calendar says them; a day is off when those who otherwise ask by
 * then keep silent.
 *
 * Appointments stand for the evidence: what one tenant has the habit of asking at about one time of day, since the tiles of a
 * dashboard come or stay away together. On a working day an appointment is kept as surely as its habits promise, on a day off by one
 * in twenty. A tenant is judged by its own other appointments, and before them by what the other tenants of its time zone do, each
 * with a bounded voice: where most of them are silent its day is probably off too, unless its own say otherwise. What is asked on
 * weekends too is judged apart, since machines work on holidays.
 */
import { weekdayOf } from './local-time.js'

/** What one habit says of days. */
export interface Appointment {
  readonly tenant: string
  /** Not kept on weekends. */
  readonly workdays: boolean
  /** Minutes of the day at which it is usually kept, and at which it is overdue. */
  readonly minute: number
  readonly until: number
  /** Probability that it is kept, by weekday, from Sunday. */
  readonly byWeekday: readonly number[]
  /** First day on which it was kept. */
  readonly since: number
  /** Whether anything of the kind was asked on that day, at about this time. */
  kept(day: number): boolean
}

/** Where an appointment belongs. */
export type Place = Pick<Appointment, 'tenant' | 'workdays' | 'minute'>

/** One day in fifty is off; where it is for most others, four in five. */
const offUsually = 0.02
const offLikeOthers = 0.8
const keptOnDayOff = 0.05
/** However regular it was, an appointment that is not kept proves no more than this. */
const promisedMost = 0.95
/** Less likely ones say nothing of a day. */
const promisedLeast = 0.5
/** Another tenant counts at most as one appointment. */
const voiceMax = Math.log((1 - keptOnDayOff) / (1 - promisedMost))
/** What is at most so many minutes apart comes together. */
const togetherMinutes = 15
/** Who did not come so many times has gone, and says nothing of days any more. */
const absencesMax = 3

/** The appointments of one time zone, and what they say of its days. */
export class DaysOff {
  readonly #groups: ReadonlyMap<string, readonly (readonly Appointment[])[]>

  constructor(appointments: readonly Appointment[]) {
    this.#groups = groupTogether(appointments)
  }

  /** What is known of a day; of today, at `minute`. */
  day(day: number, minute = Number.POSITIVE_INFINITY): DayOff {
    const said = new Map<string, readonly Said[]>()
    for (const [key, groups] of this.#groups) {
      const evidence = groups.map((together) => ({ together, evidence: evidenceOf(together, day, minute) }))
      said.set(key, evidence)
    }
    return new DayOff(said)
  }
}

interface Said {
  readonly together: readonly Appointment[]
  /** Log of how much likelier what was seen is on a day off. */
  readonly evidence: number
}

/** One day, and how probable it is that somebody has it off. */
export class DayOff {
  readonly #said: ReadonlyMap<string, readonly Said[]>
  /** Sum of all tenants' voices, by kind of appointment. */
  readonly #voices = new Map<boolean, number>()

  constructor(said: ReadonlyMap<string, readonly Said[]>) {
    this.#said = said
    for (const all of said.values()) {
      const workdays = all[0]?.together[0]?.workdays ?? false
      this.#voices.set(workdays, (this.#voices.get(workdays) ?? 0) + voice(all))
    }
  }

  /** Probability that a tenant has it off, by what is known besides the appointment at `place` itself. */
  probability(place: Place): number {
    const own = this.#said.get(keyOf(place)) ?? []
    const others = (this.#voices.get(place.workdays) ?? 0) - voice(own)
    const zone = probabilityOf(logOdds(offUsually) + others)
    const prior = zone * offLikeOthers + (1 - zone) * offUsually
    const besides = own.filter(({ together }) => !together.some(({ minute }) => near(minute, place.minute)))
    return probabilityOf(logOdds(prior) + sum(besides))
  }
}

function groupTogether(appointments: readonly Appointment[]): Map<string, Appointment[][]> {
  const groups = new Map<string, Appointment[][]>()
  for (const appointment of [...appointments].sort((a, b) => a.minute - b.minute)) {
    const key = keyOf(appointment)
    const own = groups.get(key) ?? []
    groups.set(key, own)
    const last = own.at(-1)
    if (last !== undefined && near((last.at(-1) as Appointment).minute, appointment.minute)) last.push(appointment)
    else own.push([appointment])
  }
  return groups
}

function evidenceOf(together: readonly Appointment[], day: number, minute: number): number {
  const expected = together.filter((appointment) => isExpected(appointment, day))
  const promised = Math.min(promisedMost, Math.max(0, ...expected.map(({ byWeekday }) => byWeekday[weekdayOf(day)] as number)))
  if (promised < promisedLeast) return 0
  if (expected.some((appointment) => appointment.kept(day))) return Math.log(keptOnDayOff / promised)
  return expected.some(({ until }) => until < minute) ? Math.log((1 - keptOnDayOff) / (1 - promised)) : 0
}

function isExpected({ since, byWeekday, kept }: Appointment, day: number): boolean {
  if (day <= since || (byWeekday[weekdayOf(day)] as number) < promisedLeast) return false
  let absences = 0
  for (let before = day - 1; before > since && absences < absencesMax && !kept(before); before--) {
    if ((byWeekday[weekdayOf(before)] as number) >= promisedLeast) absences++
  }
  return absences < absencesMax
}

function voice(said: readonly Said[]): number {
  return Math.max(-voiceMax, Math.min(voiceMax, sum(said)))
}

function sum(said: readonly Said[]): number {
  return said.reduce((total, { evidence }) => total + evidence, 0)
}

function near(a: number, b: number): boolean {
  return Math.abs(a - b) <= togetherMinutes
}

function keyOf({ tenant, workdays }: Pick<Place, 'tenant' | 'workdays'>): string {
  return `${workdays ? 'w' : 'd'} ${tenant}`
}

function logOdds(probability: number): number {
  return Math.log(probability / (1 - probability))
}

function probabilityOf(odds: number): number {
  return 1 / (1 + Math.exp(-odds))
}
