/**
 * Finding habits in the arrivals of one template: windows of the day in which it keeps coming, on all days or on some weekdays.
 *
 * The difficulty is to say nothing about chance. A window counts only if so many of its days were met that arrivals at random
 * times, as often as this template comes, would not do that (Chernoff's bound on the binomial tail, times the number of windows
 * that were looked at). Fixed bins of an hour were rejected: a dashboard that opens at 08:58 to 09:03 falls apart in them, and
 * "at some time after eight" is too late for what opens at 08:30.
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
const minutesPerDay = 1440

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
  const perDay = dailyRate(events, today)
  let left = [...events].sort((a, b) => a.minute - b.minute)
  while (habits.length < habitsMax && left.length > 1) {
    const best = bestWindow(left, today, perDay)
    if (best === undefined || best.chance > chanceMax) return habits
    const inside = left.filter((event) => within(event.minute, best.from, best.width))
    habits.push(habitOf(best, inside))
    left = left.filter((event) => !inside.includes(event))
  }
  return habits
}

function dailyRate(events: readonly LocalEvent[], today: number): number {
  const first = events.reduce((least, event) => Math.min(least, event.day), today)
  return events.length / (today - first + 1)
}

function bestWindow(sorted: readonly LocalEvent[], today: number, perDay: number): Window | undefined {
  let best: Window | undefined
  for (const width of widths) {
    const atRandom = 1 - Math.exp((-perDay * width) / minutesPerDay)
    const windows = minutesPerDay / width
    for (const { from, days } of slide(sorted, width)) {
      // No window of so few days can be less likely than this, so most need no closer look.
      if (windows * atRandom ** (days.size - 1) > Math.min(chanceMax, best?.chance ?? 1)) continue
      const window = judge(from, width, [...days.keys()].sort(ascending), today, atRandom)
      if (best === undefined || window.chance < best.chance) best = window
    }
  }
  return best
}

/** Each window that begins with an event, around midnight too, with its distinct days; the map is reused from step to step. */
function* slide(sorted: readonly LocalEvent[], width: number): Generator<{ from: number; days: ReadonlyMap<number, number> }> {
  const days = new Map<number, number>()
  let end = 0
  for (let start = 0; start < sorted.length; start++) {
    const first = sorted[start] as LocalEvent
    while (end < start + sorted.length && within((sorted[end % sorted.length] as LocalEvent).minute, first.minute, width)) {
      // What comes after midnight belongs to the evening before.
      const day = (sorted[end % sorted.length] as LocalEvent).day - (end >= sorted.length ? 1 : 0)
      days.set(day, (days.get(day) ?? 0) + 1)
      end++
    }
    if (days.size > 1) yield { from: first.minute, days }
    const left = (days.get(first.day) as number) - 1
    if (left === 0) days.delete(first.day)
    else days.set(first.day, left)
  }
}

function ascending(a: number, b: number): number {
  return a - b
}

function within(minute: number, from: number, width: number): boolean {
  return (minute - from + minutesPerDay) % minutesPerDay < width
}

/**
 * How likely the window is chance. Days count from its first meeting, which is therefore no evidence itself; a run that was
 * broken for long starts anew, so that an old habit does not weigh on what replaced it. Days of one weekday are judged apart:
 * three Mondays in a row are a habit though they are three of fifteen days.
 */
function judge(from: number, width: number, days: readonly number[], today: number, atRandom: number): Window {
  const since = runStart(days)
  const run = days.filter((day) => day >= since)
  const last = Math.max(today, run.at(-1) as number)
  const windows = minutesPerDay / width
  let chance = tail(last - since, run.length - 1, atRandom)
  for (const met of groupByWeekday(run).values()) {
    const weeks = Math.floor((last - (met[0] as number)) / 7)
    chance = Math.min(chance, 7 * tail(weeks, met.length - 1, atRandom))
  }
  return { from, width, days: run, since, chance: chance * windows }
}

function groupByWeekday(days: readonly number[]): Map<number, number[]> {
  const groups = new Map<number, number[]>()
  for (const day of days) groups.set(weekdayOf(day), [...(groups.get(weekdayOf(day)) ?? []), day])
  return groups
}

/** First day after the last gap of more than 15 days. */
function runStart(days: readonly number[]): number {
  for (let i = days.length - 1; i > 0; i--) if ((days[i] as number) - (days[i - 1] as number) > 15) return days[i] as number
  return days[0] as number
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
