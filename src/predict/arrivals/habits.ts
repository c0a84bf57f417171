import type { Forecast } from '../../model/forecast.js'
import { stableHash } from '../../model/segment.js'
import { BoundedMap } from '../bounded-map.js'
import type { Arrival } from '../prediction.js'
import { type Appointment, type DayOff, DaysOff, type Place } from './days-off.js'
import { expectedText, type SeenText } from './expected-text.js'
import { findHabits, type Habit, minutesPerDay } from './habit.js'
import { dayMs, type LocalMoment, type LocalTime, weekdayOf } from './local-time.js'
import { isApart, promisesWhenLastMet, type Standing, speaksFrom, stand } from './standing.js'

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

export interface HabitsSnapshot {
  readonly streams: readonly (readonly [string, Stream])[]
}

/** A habit that stands, and the forecasts that were made of it, by local day. */
interface Promised {
  readonly standing: Standing
  readonly forecasts: Map<number, Forecast>
}

/** A habit as it was found, and as it stands. */
interface Stood {
  readonly habit: Habit
  readonly standing: Standing
}

/** A stream, its habits and those that stand, which hold until its next event or the next day. */
interface Known {
  readonly stream: Stream
  habits?: { readonly day: number; readonly all: readonly Habit[] }
  appointments?: { readonly day: number; readonly all: readonly Appointment[] }
  found?: { readonly day: number; readonly promised: readonly Promised[] } | undefined
}

/** The days off of one time zone, as its past says on the local day `today`. */
interface ZoneDays {
  readonly today: number
  readonly daysOff: DaysOff
  readonly past: Map<number, DayOff>
}

const streamsMax = 2000
/** All of it is saved as one text, on the event loop. What is longer is not kept, and then not expected. */
const textsLengthMax = 8_000_000
const textLengthMax = 65_536
const zonesMax = 64
const eventsMax = 192
const burstMs = 600_000
/** So much earlier or later than ever before an arrival still meets its habit. */
const earlierMinutes = 2
const laterMinutes = 5
/** Who asks so much earlier or later than usual is not away. */
const aboutMinutes = 180

/** Habits of templates × tenants: by time of day and weekday, on the local clock, with decay. */
export class Habits {
  readonly #time: LocalTime
  readonly #streams = new BoundedMap<Known>(streamsMax, { of: ({ stream }) => textsLength(stream), max: textsLengthMax })
  readonly #zones = new Map<string, ZoneDays>()

  constructor(time: LocalTime) {
    this.#time = time
  }

  observe(arrival: Arrival): void {
    const key = `${arrival.tenant} ${arrival.fingerprint}`
    const { day } = this.#time.local(arrival.at, arrival.timeZone)
    const text: SeenText = { sql: arrival.sql, params: arrival.params, day }
    const kept = textLength(text) <= textLengthMax ? text : { sql: '', params: {}, day }
    const known = this.#streams.peek(key)
    const stream = grown(known?.stream, arrival, kept)
    if (known === undefined || !hasSameEvents(known.stream, stream)) this.#streams.set(key, { stream })
    else this.#streams.set(key, { ...known, stream, found: undefined })
  }

  /** The text of a stream as it would come at `at`, and its zone; undefined for an unknown one. */
  text(tenant: string, template: string, at: number): Pick<Forecast, 'sql' | 'params' | 'timeZone'> | undefined {
    const stream = this.#streams.peek(`${tenant} ${template}`)?.stream
    if (stream === undefined) return undefined
    const { day } = this.#time.local(at, stream.timeZone)
    return { ...expectedText(stream.last, stream.before, day), timeZone: stream.timeZone }
  }

  /** Finds what stands on the local day of `now`, a stream with each step: when a day begins there is much to find, for `forecast` too. */
  *find(now: number): Generator<void> {
    for (const [key, known] of this.#streams.entries()) {
      this.#appointments(key, known, this.#time.day(now, known.stream.timeZone))
      yield
    }
    for (const known of this.#streams.values()) {
      this.#promised(known, now)
      yield
    }
  }

  forecast(now: number, horizonMs: number): readonly Forecast[] {
    const forecasts: Forecast[] = []
    const todays = new Map<string, DayOff>()
    for (const known of this.#streams.values()) {
      for (const promised of this.#promised(known, now)) {
        forecasts.push(...this.#occurrences(known.stream, promised, now, horizonMs, todays))
      }
    }
    return forecasts
  }

  /** Width of the narrowest window in which a stream has the habit of coming, in milliseconds; Infinity when it has none. */
  narrowestMs(tenant: string, template: string, now: number): number {
    const known = this.#streams.peek(`${tenant} ${template}`)
    if (known === undefined) return Number.POSITIVE_INFINITY
    const widths = this.#promised(known, now).map(
      ({ standing: { habit } }) => (habit.until - habit.from + earlierMinutes + laterMinutes) * 60_000,
    )
    return Math.min(...widths, Number.POSITIVE_INFINITY)
  }

  #occurrences(
    stream: Stream,
    promised: Promised,
    now: number,
    horizonMs: number,
    todays: Map<string, DayOff>,
  ): readonly Forecast[] {
    const { habit, byWeekday, missed } = promised.standing
    const today = this.#time.day(now, stream.timeZone)
    const found: Forecast[] = []
    for (let day = today - 1; day <= today + 1 + Math.floor(horizonMs / dayMs); day++) {
      const usually = (byWeekday[weekdayOf(day)] as number) * 0.7 ** missed
      if (usually < speaksFrom || habit.days.includes(day)) continue
      const usual = promised.forecasts.get(day) ?? this.#occurrence(stream, promised.standing, day, usually)
      promised.forecasts.set(day, usual)
      if (usual.until < now || usual.at > now + horizonMs) continue
      found.push(day === today ? this.#asOfToday(usual, promised.standing, now, todays) : usual)
    }
    return found.filter(({ probability }) => probability >= speaksFrom)
  }

  #occurrence(stream: Stream, standing: Standing, day: number, probability: number): Forecast {
    const { habit, name, byWeekday } = standing
    const { tenant, template, timeZone } = stream
    const { first, last } = this.#time.moments(day, habit.minute, timeZone)
    return {
      id: `f-${stableHash([tenant, template, name, String(day)], 16)}`,
      tenant,
      template,
      ...expectedText(stream.last, stream.before, day),
      timeZone,
      at: Math.round(first),
      from: Math.round(first - (habit.minute - habit.from + earlierMinutes) * 60_000),
      until: Math.round(last + (habit.until - habit.minute + laterMinutes) * 60_000),
      probability,
      source: evenWeek(byWeekday) ? 'hour-of-day' : 'hour-of-week',
      why: sentence(standing, probability, timeZone, day),
    }
  }

  /** What is usual, less where today seems to be off, by who of the others has come until now. */
  #asOfToday(usual: Forecast, standing: Standing, now: number, todays: Map<string, DayOff>): Forecast {
    const { tenant, timeZone } = usual
    const { day, minute } = this.#time.local(now, timeZone)
    const today = todays.get(timeZone) ?? this.#zoneDays(timeZone, now).daysOff.day(day, minute)
    todays.set(timeZone, today)
    const off = today.probability({ tenant, minute: standing.habit.minute, workdays: onWorkdays(standing.byWeekday) })
    const probability = usual.probability * (1 - off)
    return { ...usual, probability, why: sentence(standing, probability, timeZone, day) }
  }

  #promised(known: Known, now: number): readonly Promised[] {
    const { stream } = known
    const { timeZone } = stream
    const today = this.#time.day(now, timeZone)
    if (known.found?.day === today) return known.found.promised
    const events = stream.events.map((at) => this.#time.local(at, timeZone))
    const habits = this.#habits(known, events, today)
    const standings = habits
      .map((habit) => {
        const place = { tenant: stream.tenant, minute: habit.minute, workdays: onWorkdays(promisesWhenLastMet(habit)) }
        return { habit, standing: stand(habit, events, habits, today, (day) => this.#excuses(place, timeZone, day, now)) }
      })
      .filter((stood): stood is Stood => stood.standing !== undefined)
      .filter((stood, i, all) => !all.slice(0, i).some((other) => isSame(other, stood)))
    const promised = standings.map(({ standing }) => ({ standing, forecasts: new Map<number, Forecast>() }))
    known.found = { day: today, promised }
    return promised
  }

  /** The habits of all its events. Finding them is what takes long when a day begins, and both promises and days off ask for them. */
  #habits(known: Known, events: readonly LocalMoment[], today: number): readonly Habit[] {
    if (known.habits?.day !== today) known.habits = { day: today, all: findHabits(events, today) }
    return known.habits.all
  }

  /** Whether a past day on which a habit was not met says nothing of it: it was off, or the clock left that time out. */
  #excuses(place: Place, timeZone: string, day: number, now: number): boolean {
    const { daysOff, past } = this.#zoneDays(timeZone, now)
    const dayOff = past.get(day) ?? daysOff.day(day)
    past.set(day, dayOff)
    return dayOff.probability(place) > 0.5 || !this.#time.moments(day, place.minute, timeZone).shown
  }

  #zoneDays(timeZone: string, now: number): ZoneDays {
    const { day: today } = this.#time.local(now, timeZone)
    const zone = this.#zones.get(timeZone)
    if (zone?.today === today) return zone
    const appointments = [...this.#streams.entries()]
      .filter(([, { stream }]) => stream.timeZone === timeZone)
      .flatMap(([key, known]) => this.#appointments(key, known, today))
    const found = { today, daysOff: new DaysOff(appointments), past: new Map<number, DayOff>() }
    if (this.#zones.size >= zonesMax) this.#zones.clear()
    this.#zones.set(timeZone, found)
    return found
  }

  #appointments(key: string, known: Known, today: number): readonly Appointment[] {
    if (known.appointments?.day !== today) known.appointments = { day: today, all: this.#appointmentsOf(key, known, today) }
    return known.appointments.all
  }

  /** What a stream's habits say of days, as they were when `today` began. */
  #appointmentsOf(key: string, known: Known, today: number): readonly Appointment[] {
    const { tenant, timeZone } = known.stream
    const events = known.stream.events.map((at) => this.#time.local(at, timeZone))
    const past = events.filter(({ day }) => day < today)
    const habits = past.length === events.length ? this.#habits(known, events, today) : findHabits(past, today)
    return habits.map((habit) => {
      const { minute, until, since, days } = habit
      const about = past.filter((event) => Math.abs(event.minute - minute) <= aboutMinutes).map(({ day }) => day)
      const kept = new Set([...days, ...about])
      const byWeekday = promisesWhenLastMet(habit)
      return {
        tenant,
        workdays: onWorkdays(byWeekday),
        minute,
        until: until + laterMinutes,
        byWeekday,
        since,
        kept: (day) => (day === today ? this.#cameToday(key, today, minute) : kept.has(day)),
      }
    })
  }

  #cameToday(key: string, today: number, minute: number): boolean {
    const { events, timeZone } = this.#streams.peek(key)?.stream ?? { events: [], timeZone: 'UTC' }
    for (let i = events.length - 1; i >= 0; i--) {
      const event = this.#time.local(events[i] as number, timeZone)
      if (event.day < today) return false
      if (Math.abs(event.minute - minute) <= aboutMinutes) return true
    }
    return false
  }

  snapshot(): HabitsSnapshot {
    return { streams: this.#streams.snapshot(({ stream }) => stream) }
  }

  restore(snapshot: HabitsSnapshot): void {
    this.#streams.restore(snapshot.streams, (stream) => ({ stream: { ...stream, before: stream.before } }))
    this.#zones.clear()
  }
}

function textsLength({ last, before }: Stream): number {
  return textLength(last) + (before === undefined ? 0 : textLength(before))
}

function textLength({ sql, params }: SeenText): number {
  return Object.entries(params).reduce((sum, [name, value]) => sum + name.length + String(value).length, sql.length)
}

function grown(stream: Stream | undefined, arrival: Arrival, text: SeenText): Stream {
  const { at, tenant, fingerprint, timeZone } = arrival
  if (stream === undefined) {
    return { tenant, template: fingerprint, timeZone, events: [at], last: text, before: undefined, burstMs }
  }
  const events = withEvent(stream.events, at, stream.burstMs)
  const room = events.length <= eventsMax ? { events, burstMs: stream.burstMs } : thinned(events, stream.burstMs)
  // An old log that is learned tells of more days, not what will be asked.
  if (at < (stream.events.at(-1) as number)) return { ...stream, ...room }
  const before = stream.last.day === text.day ? stream.before : stream.last
  return { ...stream, ...room, timeZone, last: text, before }
}

/** An arrival within a burst is no event: the habits are the same, and finding them anew takes long once there are many events. */
function hasSameEvents(before: Stream, after: Stream): boolean {
  return before.events === after.events && before.timeZone === after.timeZone
}

/** The events and one more in its place, unless its burst has begun; where it begins one that is known, it stands for that. */
function withEvent(events: readonly number[], at: number, gapMs: number): readonly number[] {
  const place = events.findLastIndex((event) => event <= at) + 1
  if (place > 0 && at - (events[place - 1] as number) < gapMs) return events
  const begins = place < events.length && (events[place] as number) - at < gapMs
  return [...events.slice(0, place), at, ...events.slice(begins ? place + 1 : place)]
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

/** Whether a less certain habit is another at the same time, or what of that fell out of the window in which it was found. */
function isSame(surer: Stood, { habit, standing }: Stood): boolean {
  const { minute, from, until } = surer.standing.habit
  if (Math.abs(minute - standing.habit.minute) < 10) return true
  return standing.habit.minute >= from && standing.habit.minute <= until && !isApart(habit, surer.habit)
}

function evenWeek(byWeekday: readonly number[]): boolean {
  return Math.max(...byWeekday) - Math.min(...byWeekday) < 0.25
}

/** People's: not on weekends, as far as one can see. */
function onWorkdays(byWeekday: readonly number[]): boolean {
  return Math.max(byWeekday[0] as number, byWeekday[6] as number) < 0.5 * Math.max(...byWeekday)
}

const weekdays = ['Sundays', 'Mondays', 'Tuesdays', 'Wednesdays', 'Thursdays', 'Fridays', 'Saturdays'] as const

function sentence({ habit, missed }: Standing, probability: number, timeZone: string, day: number): string {
  // A habit near midnight may come on the day before or after the one that it is counted for.
  const days = Math.floor(habit.minute / minutesPerDay)
  const minute = Math.floor(habit.minute - days * minutesPerDay)
  const clock = `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
  const misses = missed === 0 ? '' : `, missed the last ${missed === 1 ? 'time' : `${missed} times`}`
  const chance = Math.round(probability * 100)
  return `came near ${clock} ${timeZone} on ${habit.days.length} days${misses}: ${chance} % likely on ${weekdays[weekdayOf(day + days)]}`
}
