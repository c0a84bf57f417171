import { dayMs } from './local-time.js'

type Parameters = Readonly<Record<string, string | number | boolean | null>>

/** A statement as it came, on the local day on which it came. */
export interface SeenText {
  readonly sql: string
  readonly params: Parameters
  readonly day: number
}

const datePattern = /\b(\d{4})-(\d{2})-(\d{2})\b/g

/**
 * The text that is expected on local day `day`: the last one, with each date that kept its distance from the day of the query
 * on the last two different days moved along. `WHERE d >= DATE '2026-01-31'` of a daily report becomes the next day's.
 */
export function expectedText(last: SeenText, before: SeenText | undefined, day: number): { sql: string; params: Parameters } {
  const move = (text: string, older: string | undefined): string => moveDates(text, last.day, older, before?.day, day)
  const params = Object.fromEntries(
    Object.entries(last.params).map(([name, value]) => {
      const older = before?.params[name]
      return [name, typeof value === 'string' ? move(value, typeof older === 'string' ? older : undefined) : value]
    }),
  )
  return { sql: move(last.sql, before?.sql), params }
}

function moveDates(text: string, textDay: number, older: string | undefined, olderDay: number | undefined, day: number): string {
  if (older === undefined || olderDay === undefined || olderDay === textDay) return text
  const olderDates = [...older.matchAll(datePattern)].map(dayOf)
  let i = 0
  return text.replace(datePattern, (date, ...groups) => {
    const value = dayOf([date, ...(groups as string[])])
    const past = olderDates[i++]
    if (past === undefined || value - textDay !== past - olderDay) return date
    return new Date((value + day - textDay) * dayMs).toISOString().slice(0, 10)
  })
}

function dayOf(match: readonly (string | undefined)[]): number {
  return Math.round(Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3])) / dayMs)
}
