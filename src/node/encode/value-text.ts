/** Values as text, the same in JSON and CSV: docs/http-api.md says what each type looks like. */

const microsPerSecond = 1_000_000n
const secondsPerDay = 86_400n

/** `2026-01-31` from days since 1970; DuckDB's infinities keep their names. */
export function dateText(days: number): string {
  if (days === 2147483647) return 'infinity'
  if (days === -2147483647) return '-infinity'
  const { year, month, day } = civil(days)
  return `${yearText(year)}-${two(month)}-${two(day)}`
}

/** `2026-01-31T10:00:00.123456` from units since 1970, with as many digits as are not zero. */
export function timestampText(value: bigint, unitsPerSecond: bigint): string {
  if (value === 9223372036854775807n) return 'infinity'
  if (value === -9223372036854775807n) return '-infinity'
  const seconds = floorDivide(value, unitsPerSecond)
  const days = floorDivide(seconds, secondsPerDay)
  const fraction = value - seconds * unitsPerSecond
  return `${dateText(Number(days))}T${clock(Number(seconds - days * secondsPerDay))}${fractionText(fraction, unitsPerSecond)}`
}

/** `10:00:00.5` from units since midnight. */
export function timeText(value: bigint, unitsPerSecond: bigint): string {
  const seconds = value / unitsPerSecond
  return `${clock(Number(seconds))}${fractionText(value - seconds * unitsPerSecond, unitsPerSecond)}`
}

/** `+02:00`, with seconds only where there are some. */
export function offsetText(seconds: number): string {
  const size = Math.abs(seconds)
  const rest = size % 60 === 0 ? '' : `:${two(size % 60)}`
  return `${seconds < 0 ? '-' : '+'}${two(Math.floor(size / 3600))}:${two(Math.floor(size / 60) % 60)}${rest}`
}

/** ISO 8601 duration; each part has its own sign, since DuckDB keeps months, days and time apart. */
export function intervalText(months: number, days: number, micros: bigint): string {
  const years = Math.trunc(months / 12)
  const rest = months % 12
  const date = `${years === 0 ? '' : `${years}Y`}${rest === 0 ? '' : `${rest}M`}${days === 0 ? '' : `${days}D`}`
  const negative = micros < 0n
  const size = negative ? -micros : micros
  const sign = negative ? '-' : ''
  const total = size / microsPerSecond
  const hours = total / 3600n
  const minutes = (total / 60n) % 60n
  const seconds = `${total % 60n}${fractionText(size % microsPerSecond, microsPerSecond)}`
  const time = `${hours === 0n ? '' : `${sign}${hours}H`}${minutes === 0n ? '' : `${sign}${minutes}M`}${seconds === '0' ? '' : `${sign}${seconds}S`}`
  if (date === '' && time === '') return 'PT0S'
  return `P${date}${time === '' ? '' : `T${time}`}`
}

/** A decimal from its unscaled value. */
export function decimalText(unscaled: bigint, scale: number): string {
  if (scale === 0) return String(unscaled)
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0')
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** A finite number as JSON writes it, the shortest text that reads back as the same double; minus zero keeps its sign. */
export function doubleText(value: number): string {
  return value === 0 && Object.is(value, -0) ? '-0.0' : String(value)
}

/** The shortest text that reads back as the same 32-bit float. */
export function floatText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 16_777_216) return doubleText(value)
  for (let digits = 6; digits < 9; digits++) {
    const text = value.toPrecision(digits)
    if (Math.fround(Number(text)) === value) return String(Number(text))
  }
  return String(Number(value.toPrecision(9)))
}

/** `NaN`, `Infinity` or `-Infinity`, the strings that stand for what JSON has no number for. */
export function notFiniteText(value: number): string {
  return String(value)
}

/** Days since 1970 → year, month, day (Hinnant's civil_from_days). */
export function civil(days: number): { readonly year: number; readonly month: number; readonly day: number } {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  }
}

/** Four digits at least; years before 1 in ISO 8601's astronomical count with a sign. */
function yearText(year: number): string {
  if (year >= 0) return String(year).padStart(4, '0')
  return `-${String(-year).padStart(4, '0')}`
}

function clock(seconds: number): string {
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}

function fractionText(fraction: bigint, unitsPerSecond: bigint): string {
  if (fraction === 0n) return ''
  return `.${String(fraction)
    .padStart(String(unitsPerSecond).length - 1, '0')
    .replace(/0+$/, '')}`
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value)
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by
  return value < 0n && quotient * by !== value ? quotient - 1n : quotient
}
