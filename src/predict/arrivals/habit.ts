/**
 * Finding habits in the arrivals of one template: windows of the day in which it keeps coming, on all days or on some weekdays.
 *
 * The difficulty is to say nothing about chance. A window counts only if so many of its days were met that arrivals at random
 * times, as often as this template comes outside of the windows found before, would not do that (Chernoff's bound on the binomial
 * tail, times the number of windows that were looked at). Fixed bins of an hour were rejected: a dashboard that opens at 08:58 to
 * 09:03 falls apart in them, and "at some time after eight" is too late for what opens at 08:30.
 */
import { weekdayOf } from './local-time.js'

/** One arrival (or burst of arrivals) on the local clock. */
export interface LocalEvent {
  readonly day: number
  readonly minute: number
}

/** A window of the day in which a template keeps coming. */
export interface Habit {
  /** Median minute of day, and where nine of ten fall. */
  readonly minute: number
  readonly from: number
  readonly until: number
  /** Days on which it was met, ascending. */
  readonly days: readonly number[]
  /** Day of the first meeting that counts. */
  readonly since: number
  readonly chance: number
}

/** Widths tried, in minutes, and the largest probability that a habit is chance. */
const widths = [6, 20, 60, 120] as const
const chanceMax = 0.02
const habitsMax = 24
export const minutesPerDay = 1440

interface Window {
  readonly from: number
  readonly width: number
  readonly days: readonly number[]
  readonly since: number
  readonly chance: number
}

/** The habits of one template on local day `today`, most certain first. */
export function findHabits(events: readonly LocalEvent[], today: number): readonly Habit[] {
  const habits: Habit[] = []
  const first = events.reduce((least, event) => Math.min(least, event.day), today)
  const met = new MetDays(events.map(({ day }) => day))
  let left = [...events].sort((a, b) => a.minute - b.minute)
  while (habits.length < habitsMax && left.length > 1) {
    const best = bestWindow(left, met, today, left.length / (today - first + 1))
    if (best === undefined || best.chance > chanceMax) return habits
    const inside = left.filter((event) => within(event.minute, best.from, best.width))
    habits.push(habitOf(best, inside))
    left = left.filter((event) => !within(event.minute, best.from, best.width))
  }
  return habits
}

function bestWindow(sorted: readonly LocalEvent[], met: MetDays, today: number, perDay: number): Window | undefined {
  let best: Window | undefined
  for (const width of widths) {
    const atRandom = 1 - Math.exp((-perDay * width) / minutesPerDay)
    const windows = minutesPerDay / width
    for (const from of slide(sorted, width, met)) {
      // No window of so few days can be less likely than this, so most need no closer look.
      if (windows * atRandom ** (met.size - 1) > Math.min(chanceMax, best?.chance ?? 1)) continue
      const days = met.days()
      const first = runStart(days)
      const chance = windows * chanceOf(days, first, today, atRandom)
      if (best === undefined || chance < best.chance) {
        best = { from, width, days: days.slice(first), since: days[first] as number, chance }
      }
    }
  }
  return best
}

/** Days on which events fell, in the order of time. Windows of two hundred events are many: nothing is sorted for each of them. */
class MetDays {
  size = 0
  readonly #days: readonly number[]
  readonly #places: ReadonlyMap<number, number>
  readonly #counts: Uint32Array

  /** Of events of these days, and of the days before them. */
  constructor(days: readonly number[]) {
    this.#days = [...new Set(days.flatMap((day) => [day - 1, day]))].sort((a, b) => a - b)
    this.#places = new Map(this.#days.map((day, place) => [day, place]))
    this.#counts = new Uint32Array(this.#days.length)
  }

  clear(): void {
    this.#counts.fill(0)
    this.size = 0
  }

  add(day: number): void {
    const place = this.#places.get(day) as number
    if (this.#counts[place] === 0) this.size++
    this.#counts[place] = (this.#counts[place] as number) + 1
  }

  remove(day: number): void {
    const place = this.#places.get(day) as number
    this.#counts[place] = (this.#counts[place] as number) - 1
    if (this.#counts[place] === 0) this.size--
  }

  /** Ascending. */
  days(): readonly number[] {
    return this.#days.filter((_, place) => this.#counts[place] !== 0)
  }
}

/** Where each window begins, with an event, around midnight too; its days are in `met` until the next step. */
function* slide(sorted: readonly LocalEvent[], width: number, met: MetDays): Generator<number> {
  met.clear()
  let end = 0
  for (let start = 0; start < sorted.length; start++) {
    const first = sorted[start] as LocalEvent
    while (end < start + sorted.length && within((sorted[end % sorted.length] as LocalEvent).minute, first.minute, width)) {
      // What comes after midnight belongs to the evening before.
      met.add((sorted[end % sorted.length] as LocalEvent).day - (end >= sorted.length ? 1 : 0))
      end++
    }
    if (met.size > 1) yield first.minute
    met.remove(first.day)
  }
}

function within(minute: number, from: number, width: number): boolean {
  return (minute - from + minutesPerDay) % minutesPerDay < width
}

/**
 * How likely it is chance that one window was met on these days, from the one at `first` on. Days count from that meeting, which is
 * therefore no evidence itself. Days of one weekday are judged apart: three Mondays in a row are a habit though they are three of
 * fifteen days.
 */
function chanceOf(days: readonly number[], first: number, today: number, atRandom: number): number {
  const last = Math.max(today, days.at(-1) as number)
  const met = [0, 0, 0, 0, 0, 0, 0]
  const since = [0, 0, 0, 0, 0, 0, 0]
  for (let i = first; i < days.length; i++) {
    const day = days[i] as number
    const weekday = weekdayOf(day)
    if (met[weekday] === 0) since[weekday] = day
    met[weekday] = (met[weekday] as number) + 1
  }
  let chance = tail(last - (days[first] as number), days.length - first - 1, atRandom)
  for (const [weekday, meetings] of met.entries()) {
    const weeks = Math.floor((last - (since[weekday] as number)) / 7)
    chance = Math.min(chance, 7 * tail(weeks, meetings - 1, atRandom))
  }
  return chance
}

/**
 * Place of the first day after the last gap of more than 15 days. A run that was broken for so long starts anew, so that an old habit
 * does not weigh on what replaced it.
 */
function runStart(days: readonly number[]): number {
  for (let i = days.length - 1; i > 0; i--) if ((days[i] as number) - (days[i - 1] as number) > 15) return i
  return 0
}

/** Chernoff's bound on P(at least `hits` of `trials`) when each succeeds with probability `p`. */
function tail(trials: number, hits: number, p: number): number {
  if (hits <= 0 || trials <= 0) return 1
  const share = Math.min(1, hits / trials)
  if (share <= p) return 1
  const rest = share === 1 ? 0 : (1 - share) * Math.log((1 - share) / (1 - p))
  return Math.exp(-trials * (share * Math.log(share / p) + rest))
}

function habitOf(window: Window, inside: readonly LocalEvent[]): Habit {
  const offsets = inside
    .filter((event) => event.day >= window.since)
    .map((event) => (event.minute - window.from + minutesPerDay) % minutesPerDay)
    .sort((a, b) => a - b)
  const at = (p: number): number =>
    window.from + (offsets[Math.min(offsets.length - 1, Math.floor(p * offsets.length))] as number)
  return {
    minute: at(0.5),
    from: at(0.05),
    until: at(0.95),
    days: window.days,
    since: window.since,
    chance: window.chance,
  }
}
