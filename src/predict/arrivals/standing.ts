import { type Habit, type LocalEvent, minutesPerDay } from './habit.js'
import { weekdayOf } from './local-time.js'
import { lastStep, type Meeting } from './time-step.js'

/** A habit as it stands on one day, with what each weekday promises. */
export interface Standing {
  readonly habit: Habit
  readonly name: string
  readonly byWeekday: readonly number[]
  /** Expected days in a row on which it was not met. */
  readonly missed: number
}

/** Nothing less likely is said. */
export const speaksFrom = 0.3
/** A habit that was expected and not met this often in a row has stopped; days off among them let it stand for one more. */
const missesMax = 2
const halfLifeDays = 7
/** By so many minutes a habit moves at most. */
const shiftMax = 180
/** What weighs less changes nothing, whether it was off or not. */
const weightMin = 1 / 32

/**
 * What a habit promises, or undefined when it has stopped. Each weekday's share of days met decays with a half-life of 7 days
 * and leans on its kind of day (working day or weekend), which leans on all days: so the first Thursday of a habit that was
 * met on Monday to Wednesday is expected, and the second Sunday of one that was never met on weekends is not. A day that was off,
 * as `excuses` says, is no miss, but three silent days in a row end a habit whatever they were.
 */
export function stand(
  found: Habit,
  events: readonly LocalEvent[],
  all: readonly Habit[],
  today: number,
  excuses: (day: number) => boolean,
): Standing | undefined {
  const others = all.filter((other) => other !== found && isApart(other, found))
  const strays = events.filter((event) => !others.some((other) => covers(other, event)))
  const habit = stepped(found, strays)
  const before = promisesWhenLastMet(habit)
  const silent = missedDays(habit, before, today)
  const missed = silent.filter((day) => !excuses(day))
  if (missed.length >= missesMax) return moved(habit, before, missed, strays, today)
  if (silent.length > missesMax) return undefined
  return { habit, name: nameOf(habit), byWeekday: promises(habit, today, excuses), missed: missed.length }
}

/** What each weekday promised after its last meeting, not what is left of that after misses. */
export function promisesWhenLastMet(habit: Habit): readonly number[] {
  return promises(habit, (habit.days.at(-1) as number) + 1, () => false)
}

/** Name for ids: the hour and quarter of its first meetings do not change while the median wanders by minutes. */
function nameOf(habit: Habit): string {
  return `${habit.since} ${Math.round(habit.minute / 30)}`
}

function promises(habit: Habit, today: number, excuses: (day: number) => boolean): readonly number[] {
  const met = new Set(habit.days)
  const sums = Array.from({ length: 7 }, () => ({ hits: 0, days: 0 }))
  for (let day = habit.since; day < today || met.has(day); day++) {
    const weight = 2 ** ((day - today) / halfLifeDays)
    if (!met.has(day) && weight > weightMin && excuses(day)) continue
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

/** A habit at the time at which it has come since that last stepped. */
function stepped(habit: Habit, strays: readonly LocalEvent[]): Habit {
  const step = lastStep(meetingsOf(habit, strays))
  if (step === undefined) return habit
  const minute = habit.minute + step.shift
  const days = [...new Set([...habit.days, ...step.after.map(({ day }) => day)])].sort((a, b) => a - b)
  return { ...habit, minute, from: minute + step.early, until: minute + step.late, days }
}

/** When it came on the days on which it is expected, were it in its window or not. */
function meetingsOf(habit: Habit, strays: readonly LocalEvent[]): readonly Meeting[] {
  const byWeekday = promisesWhenLastMet(habit)
  const met = new Set(habit.days)
  const offsets = new Map<number, number>()
  for (const event of strays) {
    const day = event.day + Math.round((event.minute - habit.minute) / minutesPerDay)
    const offset = later(habit, day, event)
    if (day < habit.since || Math.abs(offset) > shiftMax || Math.abs(offset) > Math.abs(offsets.get(day) ?? offset)) continue
    if (!met.has(day) && (byWeekday[weekdayOf(day)] as number) < speaksFrom) continue
    offsets.set(day, offset)
  }
  return [...offsets].map(([day, offset]) => ({ day, offset })).sort((a, b) => a.day - b.day)
}

/**
 * A habit that came at another time on the very days on which it was missed has moved: it keeps its standing, and how far its
 * meetings lie apart, at its new time, which may be on the other side of midnight.
 */
function moved(
  habit: Habit,
  byWeekday: readonly number[],
  missed: readonly number[],
  strays: readonly LocalEvent[],
  today: number,
): Standing | undefined {
  const shiftOn = (day: number): number => nearest(strays.map((event) => later(habit, day, event)))
  const shifts = missed.map(shiftOn)
  if (shifts.slice(-missesMax).some((shift) => Math.abs(shift) > shiftMax)) return undefined
  const kept = shifts.filter((shift) => Math.abs(shift) <= shiftMax).sort((a, b) => a - b)
  const [least, most] = [kept[0] as number, kept.at(-1) as number]
  const apart = Math.max(30, habit.until - habit.from)
  if (most - least > apart) return undefined
  const shift = (least + most) / 2
  const metToday = Math.abs(shiftOn(today) - shift) <= apart
  const after = {
    ...habit,
    minute: habit.minute + shift,
    from: Math.min(habit.from + shift, habit.minute + least),
    until: Math.max(habit.until + shift, habit.minute + most),
    days: [...habit.days, ...missed, ...(metToday ? [today] : [])],
  }
  return { habit: after, name: nameOf(after), byWeekday, missed: 0 }
}

/** Whether it mostly comes on the same days. What comes on other days alone may be the same habit at another time. */
export function isApart(other: Habit, { days }: Habit): boolean {
  return 2 * other.days.filter((day) => days.includes(day)).length > other.days.length
}

function nearest(shifts: readonly number[]): number {
  return shifts.reduce((least, shift) => (Math.abs(shift) < Math.abs(least) ? shift : least), Number.POSITIVE_INFINITY)
}

/** By how many minutes an event is later than a day's meeting of a habit. */
function later({ minute }: Habit, day: number, event: LocalEvent): number {
  return (event.day - day) * minutesPerDay + event.minute - minute
}

function covers(habit: Habit, event: LocalEvent): boolean {
  return event.minute >= habit.from - 5 && event.minute <= habit.until + 5 && habit.days.includes(event.day)
}
