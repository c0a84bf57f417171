import { BoundedMap } from '../bounded-map.js'

/** A moment on the wall clock of a time zone. */
export interface LocalMoment {
  /** Local days since 1970-01-01. */
  readonly day: number
  /** Minutes since local midnight, with a fraction. */
  readonly minute: number
  /** 0 is Sunday. */
  readonly weekday: number
}

export const dayMs = 86_400_000
const minuteMs = 60_000
const quarterMs = 900_000

/**
 * Epoch time to wall-clock time and back. People's habits follow their wall clocks, daylight saving included, so habits are
 * learned in local time. Offsets are cached by quarter of an hour, the grain at which zones change; unknown zones count as UTC.
 */
export class LocalTime {
  readonly #formats = new BoundedMap<Intl.DateTimeFormat | undefined>(64)
  readonly #offsets = new BoundedMap<number>(10_000)

  local(at: number, timeZone: string): LocalMoment {
    const day = this.day(at, timeZone)
    const minute = (at + this.offsetMs(at, timeZone) - day * dayMs) / minuteMs
    return { day, minute, weekday: weekdayOf(day) }
  }

  /** The day alone, for those who ask for very many. */
  day(at: number, timeZone: string): number {
    return Math.floor((at + this.offsetMs(at, timeZone)) / dayMs)
  }

  /**
   * When a clock on the wall shows a time of a day, epoch milliseconds: the first and the last time. They differ in the hour that
   * a change of the clock doubles. A time that it skips counts as so much after the change, and is `shown` never.
   */
  moments(
    day: number,
    minute: number,
    timeZone: string,
  ): { readonly first: number; readonly last: number; readonly shown: boolean } {
    const wanted = day * dayMs + minute * minuteMs
    // No zone changes twice within two days.
    const before = wanted - this.offsetMs(wanted - dayMs, timeZone)
    const after = wanted - this.offsetMs(wanted + dayMs, timeZone)
    const right = [before, after].filter((at) => at + this.offsetMs(at, timeZone) === wanted)
    if (right.length === 0) return { first: before, last: before, shown: false }
    return { first: Math.min(...right), last: Math.max(...right), shown: true }
  }

  /** Local time minus UTC. */
  offsetMs(at: number, timeZone: string): number {
    if (timeZone === 'UTC' || timeZone === 'Etc/UTC') return 0
    const quarter = Math.floor(at / quarterMs)
    const key = `${timeZone} ${quarter}`
    const cached = this.#offsets.peek(key)
    if (cached !== undefined) return cached
    const offset = this.#ask(quarter * quarterMs, timeZone)
    this.#offsets.set(key, offset)
    return offset
  }

  #ask(at: number, timeZone: string): number {
    const format = this.#formats.touch(timeZone, () => formatOf(timeZone))
    if (format === undefined) return 0
    const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]))
    const { year = 1970, month = 1, day = 1, hour = 0, minute = 0 } = parts
    return Date.UTC(year, month - 1, day, hour, minute) - at
  }
}

/** 0 is Sunday; 1970-01-01 was a Thursday. */
export function weekdayOf(day: number): number {
  return (((day + 4) % 7) + 7) % 7
}

function formatOf(timeZone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    })
  } catch {
    return undefined
  }
}
