import type { Forecast } from '../../model/forecast.js'
import { stableHash } from '../../model/segment.js'
import { BoundedMap } from '../bounded-map.js'
import type { Arrival } from '../prediction.js'
import { expectedText, type SeenText } from './expected-text.js'
import { findHabits, type Habit, type LocalEvent } from './habit.js'
import { dayMs, type LocalTime, weekdayOf } from './local-time.js'

/** Arrivals of one template by one tenant. */
interface Stream {
  readonly tenant: string
  readonly template: string
  readonly timeZone: string
  /** Epoch milliseconds of the first arrival of each burst, ascending. */
  readonly events: readonly number[]
  readonly last: SeenText
  /** The last text of an earlier local day, to see which dates move with the day. */
  readonly before: SeenText | undefined
  /** Bursts closer than this are one event; it grows where a template comes so often that the days would not fit. */
  readonly burstMs: number
}

/** A habit as it stands on one day, with what each weekday promises. */
interface Standing {
  readonly habit: Habit
  readonly name: string
  readonly byWeekday: readonly number[]
  /** Expected days in a row on which it was not met. */
  readonly missed: number
}

export interface HabitsSnapshot {
  readonly streams: readonly (readonly [string, Stream])[]
}

const streamsMax = 2000
const eventsMax = 192
const burstMs = 600_000
/** Nothing less likely is said. */
export const speaksFrom = 0.3
/** A habit that was expected and not met this often in a row has stopped. */
const missesMax = 2
const halfLifeDays = 7
/** So much earlier or later than ever before an arrival still meets its habit. */
const earlierMinutes = 2
const laterMinutes = 5

/** Habits of templates × tenants: by time of day and weekday, on the local clock, with decay. */
export class Habits {
  readonly #time: LocalTime
  readonly #streams = new BoundedMap<Stream>(streamsMax)
  /** Standing habits by stream, until the next event or the next day. */
  readonly #found = new Map<string, { readonly day: number; readonly standings: readonly Standing[] }>()

  constructor(time: LocalTime) {
    this.#time = time
  }

  observe(arrival: Arrival): void {
    const key = `${arrival.tenant} ${arrival.fingerprint}`
    const stream = this.#streams.peek(key)
    const { day } = this.#time.local(arrival.at, arrival.timeZone)
    const text: SeenText = { sql: arrival.sql, params: arrival.params, day }
    this.#streams.set(key, grown(stream, arrival, text))
    this.#found.delete(key)
  }

  /** The text of a stream as it would come at `at`, and its zone; undefined for an unknown one. */
  text(tenant: string, template: string, at: number): Pick<Forecast, 'sql' | 'params' | 'timeZone'> | undefined {
    const stream = this.#streams.peek(`${tenant} ${template}`)
    if (stream === undefined) return undefined
    const { day } = this.#time.local(at, stream.timeZone)
    return { ...expectedText(stream.last, stream.before, day), timeZone: stream.timeZone }
  }

  forecast(now: number, horizonMs: number): readonly Forecast[] {
    const forecasts: Forecast[] = []
    for (const [key, stream] of this.#streams.entries()) {
      for (const standing of this.#standings(key, stream, now)) {
        forecasts.push(...this.#occurrences(stream, standing, now, horizonMs))
      }
    }
    return forecasts
  }

  /** Width of the narrowest window in which a stream has the habit of coming, in milliseconds; Infinity when it has none. */
  narrowestMs(tenant: string, template: string, now: number): number {
    const key = `${tenant} ${template}`
    const stream = this.#streams.peek(key)
    if (stream === undefined) return Number.POSITIVE_INFINITY
    const widths = this.#standings(key, stream, now).map(
      ({ habit }) => (habit.until - habit.from + earlierMinutes + laterMinutes) * 60_000,
    )
    return Math.min(...widths, Number.POSITIVE_INFINITY)
  }

  #occurrences(stream: Stream, standing: Standing, now: number, horizonMs: number): readonly Forecast[] {
    const { habit, name, byWeekday, missed } = standing
    const today = this.#time.local(now, stream.timeZone).day
    const found: Forecast[] = []
    for (let day = today - 1; day <= today + 1 + Math.floor(horizonMs / dayMs); day++) {
      const probability = (byWeekday[weekdayOf(day)] as number) * 0.7 ** missed
      const at = Math.round(this.#time.epoch(day, habit.minute, stream.timeZone))
      const from = at - Math.round((habit.minute - habit.from + earlierMinutes) * 60_000)
      const until = at + Math.round((habit.until - habit.minute + laterMinutes) * 60_000)
      if (probability < speaksFrom || until < now || at > now + horizonMs || habit.days.includes(day)) continue
      found.push({
        id: `f-${stableHash([stream.tenant, stream.template, name, String(day)], 16)}`,
        tenant: stream.tenant,
        template: stream.template,
        ...expectedText(stream.last, stream.before, day),
        timeZone: stream.timeZone,
        at,
        from,
        until,
        probability,
        source: evenWeek(byWeekday) ? 'hour-of-day' : 'hour-of-week',
        why: sentence(standing, probability, stream.timeZone, weekdayOf(day)),
      })
    }
    return found
  }

  #standings(key: string, stream: Stream, now: number): readonly Standing[] {
    const { day: today } = this.#time.local(now, stream.timeZone)
    const cached = this.#found.get(key)
    if (cached !== undefined && cached.day === today) return cached.standings
    const events = stream.events.map((at) => this.#time.local(at, stream.timeZone))
    const habits = findHabits(events, today)
    const standings = habits
      .map((habit) => stand(habit, events, habits, today))
      .filter((standing) => standing !== undefined)
      .filter((standing, i, all) => all.findIndex((other) => close(other.habit, standing.habit)) === i)
    this.#found.set(key, { day: today, standings })
    if (this.#found.size > streamsMax) this.#found.clear()
    return standings
  }

  snapshot(): HabitsSnapshot {
    return { streams: this.#streams.snapshot((stream) => stream) }
  }

  restore(snapshot: HabitsSnapshot): void {
    this.#streams.restore(snapshot.streams, (stream) => ({ ...stream, before: stream.before }))
    this.#found.clear()
  }
}

function grown(stream: Stream | undefined, arrival: Arrival, text: SeenText): Stream {
  const { at, tenant, fingerprint, timeZone } = arrival
  if (stream === undefined) {
    return { tenant, template: fingerprint, timeZone, events: [at], last: text, before: undefined, burstMs }
  }
  const before = stream.last.day === text.day ? stream.before : stream.last
  const inBurst = at - (stream.events.at(-1) as number) < stream.burstMs
  const events = inBurst ? stream.events : [...stream.events, at]
  const room = events.length <= eventsMax ? { events, burstMs: stream.burstMs } : thinned(events, stream.burstMs)
  return { ...stream, ...room, timeZone, last: text, before }
}

/** Where the events of two weeks do not fit, bursts are merged more coarsely, up to an hour; then the oldest go. */
function thinned(events: readonly number[], gapMs: number): Pick<Stream, 'events' | 'burstMs'> {
  const span = (events.at(-1) as number) - (events[0] as number)
  if (span >= 14 * dayMs || gapMs >= 3_600_000) return { events: events.slice(-eventsMax), burstMs: gapMs }
  const wider = Math.min(3_600_000, gapMs * 2)
  const kept: number[] = []
  for (const at of events) if (kept.length === 0 || at - (kept.at(-1) as number) >= wider) kept.push(at)
  return { events: kept.slice(-eventsMax), burstMs: wider }
}

/**
 * What a habit promises, or undefined when it has stopped. Each weekday's share of days met decays with a half-life of 7 days
 * and leans on its kind of day (working day or weekend), which leans on all days: so the first Thursday of a habit that was
 * met on Monday to Wednesday is expected, and the second Sunday of one that was never met on weekends is not.
 */
function stand(habit: Habit, events: readonly LocalEvent[], all: readonly Habit[], today: number): Standing | undefined {
  // What was expected after its last meeting, not what is left of that after the misses themselves.
  const before = promises(habit, (habit.days.at(-1) as number) + 1)
  const lapses = missedDays(habit, before, today)
  if (lapses.length >= missesMax) return moved(habit, before, lapses, events, all)
  return { habit, name: nameOf(habit), byWeekday: promises(habit, today), missed: lapses.length }
}

/** Name for ids: the hour and quarter of its first meetings do not change while the median wanders by minutes. */
function nameOf(habit: Habit): string {
  return `${habit.since} ${Math.round(habit.minute / 30)}`
}

function promises(habit: Habit, today: number): readonly number[] {
  const met = new Set(habit.days)
  const sums = Array.from({ length: 7 }, () => ({ hits: 0, days: 0 }))
  for (let day = habit.since; day < today || met.has(day); day++) {
    const weight = 2 ** ((day - today) / halfLifeDays)
    const sum = sums[weekdayOf(day)] as { hits: number; days: number }
    sum.days += weight
    if (met.has(day)) sum.hits += weight
  }
  const everyDay = lean(sums, 0.5, 0.5)
  const weekend = lean([sums[0], sums[6]], everyDay * 0.5, 0.5)
  const working = lean(sums.slice(1, 6), everyDay, 0.5)
  return sums.map((sum, weekday) => lean([sum], weekday === 0 || weekday === 6 ? weekend : working, 1))
}

function lean(sums: readonly ({ hits: number; days: number } | undefined)[], prior: number, strength: number): number {
  let hits = prior * strength
  let days = strength
  for (const sum of sums) {
    hits += sum?.hits ?? 0
    days += sum?.days ?? 0
  }
  return hits / days
}

/** Days since the last meeting on which it was expected and did not come, today left out since it may yet come. */
function missedDays(habit: Habit, byWeekday: readonly number[], today: number): readonly number[] {
  const missed: number[] = []
  const expected = Math.max(speaksFrom, 0.6 * Math.max(...byWeekday))
  for (let day = (habit.days.at(-1) as number) + 1; day < today; day++) {
    if ((byWeekday[weekdayOf(day)] as number) >= expected) missed.push(day)
  }
  return missed
}

/** A habit that came at another time on the very days on which it was missed has moved: it keeps its standing at its new time. */
function moved(
  habit: Habit,
  byWeekday: readonly number[],
  missed: readonly number[],
  events: readonly LocalEvent[],
  all: readonly Habit[],
): Standing | undefined {
  const strays = missed.slice(-missesMax).map((day) =>
    events.find((event) => {
      const apart = Math.abs(event.minute - habit.minute)
      return event.day === day && apart <= 180 && !all.some((other) => other !== habit && covers(other, event))
    }),
  )
  const minutes = strays.flatMap((event) => (event === undefined ? [] : [event.minute]))
  if (minutes.length < missesMax || Math.max(...minutes) - Math.min(...minutes) > 30) return undefined
  const minute = minutes.at(-1) as number
  const days = [...habit.days, ...missed]
  const after = { ...habit, minute, from: Math.min(...minutes), until: Math.max(...minutes), days }
  return { habit: after, name: nameOf(after), byWeekday, missed: 0 }
}

function covers(habit: Habit, event: LocalEvent): boolean {
  return event.minute >= habit.from - 5 && event.minute <= habit.until + 5 && habit.days.includes(event.day)
}

function close(a: Habit, b: Habit): boolean {
  return Math.abs(a.minute - b.minute) < 10
}

function evenWeek(byWeekday: readonly number[]): boolean {
  return Math.max(...byWeekday) - Math.min(...byWeekday) < 0.25
}

const weekdays = ['Sundays', 'Mondays', 'Tuesdays', 'Wednesdays', 'Thursdays', 'Fridays', 'Saturdays'] as const

function sentence({ habit, missed }: Standing, probability: number, timeZone: string, weekday: number): string {
  const clock = `${String(Math.floor(habit.minute / 60) % 24).padStart(2, '0')}:${String(Math.floor(habit.minute % 60)).padStart(2, '0')}`
  const misses = missed === 0 ? '' : `, missed the last ${missed === 1 ? 'time' : `${missed} times`}`
  const chance = Math.round(probability * 100)
  return `came near ${clock} ${timeZone} on ${habit.days.length} days${misses}: ${chance} % likely on ${weekdays[weekday]}`
}
