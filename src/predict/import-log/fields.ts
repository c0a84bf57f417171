/** Reading of what other systems write: times, durations, amounts. Each gives undefined where there is none. */

export type Fields = Readonly<Record<string, unknown>>

export function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A number ≥ 0, also as text. */
export function amount(value: unknown): number | undefined {
  const number = typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
  return Number.isFinite(number) && number >= 0 ? number : undefined
}

/** As milliseconds that is in March 1973, before any log. */
const epochSecondsMax = 1e11

/**
 * Epoch milliseconds of ISO-8601 or of `2026-01-31 10:00:00.123 UTC`; without a zone it is UTC. A number is epoch milliseconds, or
 * seconds with a fraction, as Jackson writes times by default.
 */
export function time(value: unknown): number | undefined {
  if (typeof value === 'number') return value < epochSecondsMax ? Math.round(value * 1000) : value
  if (typeof value !== 'string') return undefined
  const match = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(\.\d+)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?$/.exec(value.trim())
  if (match === null) return undefined
  const [, day, clock, fraction = '', zone = 'Z'] = match
  const offset = /^[+-]/.test(zone)
    ? zone.replace(/^([+-]\d{2}):?(\d{2})?$/, (_, hours, minutes) => `${hours}:${minutes ?? '00'}`)
    : 'Z'
  const at = Date.parse(`${day}T${clock}${fraction.slice(0, 4)}${offset}`)
  return Number.isNaN(at) ? undefined : at
}

const unitMs: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1e3, m: 6e4, h: 3.6e6, d: 8.64e7 }

/** Milliseconds of `1.5` seconds, `1.50s`, `230.00ms` or `PT1M2.5S`. */
export function secondsOrDuration(value: unknown): number | undefined {
  const seconds = amount(value)
  if (seconds !== undefined) return seconds * 1000
  if (typeof value !== 'string') return undefined
  const short = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)$/.exec(value)
  if (short !== null) return Number(short[1]) * (unitMs[short[2] as string] as number)
  const long = /^PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?$/.exec(value)
  if (long === null) return undefined
  const [, hours = '0', minutes = '0', rest = '0'] = long
  return (Number(hours) * 3600 + Number(minutes) * 60 + Number(rest)) * 1000
}
