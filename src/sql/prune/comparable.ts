/**
 * Values of statistics and constants in a few ordered domains, so that comparing them means what DuckDB's comparison means.
 * A text that a domain cannot hold (infinite dates, odd formats) gives undefined, and what is undefined never prunes.
 */
export type Comparable =
  | { readonly domain: 'exact'; readonly digits: bigint; readonly scale: number }
  | { readonly domain: 'float'; readonly value: number }
  /** Nanoseconds of local time since 1970. */
  | { readonly domain: 'time'; readonly nanos: bigint }
  /** Nanoseconds since the epoch. */
  | { readonly domain: 'instant'; readonly nanos: bigint }
  | { readonly domain: 'text'; readonly text: string }
  | { readonly domain: 'boolean'; readonly value: boolean }

export type Domain = Comparable['domain']

const exactType = /^(?:U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL\(\d+,\d+\))$/
const timePattern = /^(\d{4,6})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?(?::\d\d)?)?$/

/** The domain in which values of a DuckDB type are ordered, or undefined where we do not follow it. */
export function domainOf(type: string): Domain | undefined {
  if (exactType.test(type)) return 'exact'
  if (type === 'DOUBLE' || type === 'FLOAT') return 'float'
  if (type === 'DATE' || type === 'TIMESTAMP') return 'time'
  if (type === 'TIMESTAMP WITH TIME ZONE') return 'instant'
  if (type === 'VARCHAR') return 'text'
  return type === 'BOOLEAN' ? 'boolean' : undefined
}

/** A value of a type from DuckDB's VARCHAR cast of it. */
export function parseComparable(text: string, type: string): Comparable | undefined {
  switch (domainOf(type)) {
    case 'exact':
      return exact(text)
    case 'float':
      return float(text)
    case 'time':
      return moment(text, false)
    case 'instant':
      return moment(text, true)
    case 'text':
      return { domain: 'text', text }
    case 'boolean':
      return text === 'true' || text === 'false' ? { domain: 'boolean', value: text === 'true' } : undefined
    default:
      return undefined
  }
}

function exact(text: string): Comparable | undefined {
  const parts = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text)
  if (parts === null) return undefined
  const [, sign = '', whole = '', fraction = ''] = parts
  return { domain: 'exact', digits: BigInt(`${sign}${whole}${fraction}`), scale: fraction.length }
}

function float(text: string): Comparable | undefined {
  const value = text === 'inf' ? Number.POSITIVE_INFINITY : text === '-inf' ? Number.NEGATIVE_INFINITY : Number(text)
  return Number.isNaN(value) || text.trim() === '' ? undefined : { domain: 'float', value }
}

function moment(text: string, withZone: boolean): Comparable | undefined {
  const parts = timePattern.exec(text)
  if (parts === null || (parts[8] !== undefined) !== withZone) return undefined
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone] = parts
  const millis = Date.UTC(2000, Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second))
  const date = new Date(millis)
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  if (Number.isNaN(date.getTime())) return undefined
  const nanos = BigInt(date.getTime()) * 1_000_000n + BigInt(fraction.padEnd(9, '0') || '0')
  return withZone ? { domain: 'instant', nanos: nanos - zoneNanos(zone ?? '') } : { domain: 'time', nanos }
}

function zoneNanos(zone: string): bigint {
  const parts = /^([+-])(\d\d)(?::?(\d\d))?(?::(\d\d))?$/.exec(zone)
  if (parts === null) return 0n
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = parts
  const total = BigInt(hours) * 3600n + BigInt(minutes) * 60n + BigInt(seconds)
  return (sign === '-' ? -total : total) * 1_000_000_000n
}

/** Negative, zero or positive; undefined between domains. */
export function compare(a: Comparable, b: Comparable): number | undefined {
  if (a.domain === 'exact' && b.domain === 'exact') {
    const scale = Math.max(a.scale, b.scale)
    return order(a.digits * 10n ** BigInt(scale - a.scale), b.digits * 10n ** BigInt(scale - b.scale))
  }
  if (a.domain === 'float' && b.domain === 'float') return order(a.value, b.value)
  if ((a.domain === 'time' || a.domain === 'instant') && a.domain === b.domain) return order(a.nanos, b.nanos)
  if (a.domain === 'text' && b.domain === 'text') return compareText(a.text, b.text)
  if (a.domain === 'boolean' && b.domain === 'boolean') return order(a.value, b.value)
  return undefined
}

function order<T extends bigint | number | boolean | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** By UTF-8 bytes, as DuckDB and Parquet compare; JavaScript's own order differs from it beyond the basic plane only. */
export function compareText(a: string, b: string): number {
  const surrogates = /[\ud800-\udfff]/
  if (surrogates.test(a) || surrogates.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return order(a, b)
}

/** A value as a DOUBLE; undefined where it has none. */
export function asFloat(value: Comparable): number | undefined {
  if (value.domain === 'float') return value.value
  if (value.domain !== 'exact') return undefined
  return Number(value.digits) / 10 ** value.scale
}
