/** A moment as an event names it, without loss of digits. */
export interface EventTime {
  /** Epoch microseconds, rounded down. */
  readonly micros: number
  /** `2026-01-31T10:00:00.123456789Z`, always UTC and of one length, so that texts sort by time. */
  readonly text: string
  /** False where the zone was missing and UTC was taken. */
  readonly zoned: boolean
}

/** RFC 3339 with what clients make of it: a blank for the T, no seconds, any number of digits, no zone, a zone's name behind it. */
const pattern =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?: ?(Z|z|[+-]\d\d(?::?\d\d)?))?(?:\[[\w/+-]+\])?$/

/** Reads a moment; undefined when the text is none, or names no year between 1 and 9999. */
export function parseEventTime(given: string): EventTime | undefined {
  const match = given.length <= 80 ? pattern.exec(given) : null
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second = '0', fraction = '', zone] = match
  const offset = zone === undefined ? 0 : offsetMinutes(zone)
  if (offset === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined
  const nanos = fraction.slice(0, 9).padEnd(9, '0')
  const zoned = zone !== undefined
  const seconds = `${year}-${month}-${day}T${hour}:${minute}:${second.padStart(2, '0')}`
  const plain = Date.parse(`${seconds}Z`)
  // Date.parse rolls 31 February over to March; only days that every month has need no second look.
  if (offset === 0 && Number(day) <= 28 && year !== '0000' && !Number.isNaN(plain)) {
    return { micros: countable(plain * 1000 + Number(nanos.slice(0, 6))), text: `${seconds}.${nanos}Z`, zoned }
  }
  const date = new Date(0)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return undefined
  date.setUTCHours(Number(hour), Number(minute) - offset, Number(second))
  const years = date.getUTCFullYear()
  if (years < 1 || years > 9999) return undefined
  const text = `${date.toISOString().slice(0, 20)}${nanos}Z`
  return { micros: countable(date.getTime() * 1000 + Number(nanos.slice(0, 6))), text, zoned }
}

/** Microseconds before 1684 or after 2255 are no exact numbers: the first or last that is stands for them. */
function countable(micros: number): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, micros))
}

function offsetMinutes(zone: string): number | undefined {
  if (zone === 'Z' || zone === 'z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(3).replace(':', '') || '0')
  if (hours > 23 || minutes > 59) return undefined
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}
