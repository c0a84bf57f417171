/**
 * `key=value` folders as DuckDB 1.5 reads them with `hive_partitioning = true`: which parts of a path count, what type the
 * values of a key have, and what a value is. Each rule was taken from DuckDB's behaviour; test/catalog holds them against it.
 *
 * Some are surprising: types are detected on the text as it stands in the path, before percent escapes are resolved (so
 * `%31` is VARCHAR `1`); detection is strict (`007`, `+1` and `1e3` are VARCHAR); a key's type is VARCHAR as soon as two
 * files disagree, dates beside timestamps included; partition columns come in byte order of their names, not of the path.
 */

export type PartitionType = 'BIGINT' | 'DATE' | 'TIMESTAMP' | 'VARCHAR'

/** Key → text as it stands in the path. */
export type Partitions = ReadonlyMap<string, string>

/** The partitions of a file by its path below the table's folder, in byte order of the keys; the file's own name is none. */
export function partitionsOf(relativePath: string): Partitions {
  const found = new Map<string, string>()
  for (const part of relativePath.split(/[/\\]/).slice(0, -1)) {
    const match = /^([^=?\n]+)=([^=?\n]*)$/.exec(part)
    if (match?.[1] !== undefined && match[2] !== undefined && !found.has(match[1])) found.set(match[1], match[2])
  }
  const ordered = new Map<string, string>()
  const seen = new Set<string>()
  for (const key of [...found.keys()].sort(byBytes)) {
    // Of keys that differ only in case DuckDB keeps the first in byte order.
    if (seen.has(key.toLowerCase())) continue
    seen.add(key.toLowerCase())
    ordered.set(key, found.get(key) as string)
  }
  return ordered
}

/** The type that all of a key's values have in common; VARCHAR when there is none. */
export function inferPartitionType(values: Iterable<string>): PartitionType {
  let common: PartitionType | undefined
  for (const text of values) {
    if (isNullValue(text)) continue
    const type = typeOf(text)
    if (common !== undefined && common !== type) return 'VARCHAR'
    common = type
  }
  return common ?? 'VARCHAR'
}

/** A value as DuckDB's VARCHAR cast of the column's type would show it; null for `__HIVE_DEFAULT_PARTITION__` and `null`. */
export function partitionValue(text: string, type: PartitionType): string | null {
  if (isNullValue(text)) return null
  switch (type) {
    case 'BIGINT':
      return String(parseBigint(text) ?? text)
    case 'DATE':
      return parseDate(text) ?? text.trim()
    case 'TIMESTAMP':
      return parseTimestamp(text) ?? text.trim()
    case 'VARCHAR':
      return unescapePercent(text)
  }
}

/** Orders text by its UTF-8 bytes, as DuckDB orders paths and keys. */
export function byBytes(a: string, b: string): number {
  // UTF-16 order differs from UTF-8 order only where surrogates take part.
  if (/[\ud800-\udfff]/.test(a) || /[\ud800-\udfff]/.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}

function typeOf(text: string): PartitionType {
  if (parseDate(text) !== undefined) return 'DATE'
  if (parseTimestamp(text) !== undefined) return 'TIMESTAMP'
  return parseBigint(text) === undefined ? 'VARCHAR' : 'BIGINT'
}

function isNullValue(text: string): boolean {
  return text === '__HIVE_DEFAULT_PARTITION__' || text.toLowerCase() === 'null'
}

/** Percent escapes resolved byte by byte; a malformed one stands for itself. */
function unescapePercent(text: string): string {
  if (!text.includes('%')) return text
  const bytes: number[] = []
  const source = Buffer.from(text)
  for (let index = 0; index < source.length; index++) {
    const hex = source[index] === 0x25 ? /^[0-9a-fA-F]{2}/.exec(source.subarray(index + 1, index + 3).toString('latin1')) : null
    bytes.push(hex ? Number.parseInt(hex[0], 16) : (source[index] as number))
    if (hex) index += 2
  }
  return Buffer.from(bytes).toString('utf8')
}

const smallest = -(2n ** 63n)
const largest = 2n ** 63n - 1n

function parseBigint(text: string): bigint | undefined {
  const match = /^[ \t\n\v\f\r]*(-\d+|0|[1-9]\d*|0[xX][0-9a-fA-F]+|0[bB][01]+)[ \t\n\v\f\r]*$/.exec(text)
  if (match?.[1] === undefined) return undefined
  const value = BigInt(match[1])
  return value >= smallest && value <= largest ? value : undefined
}

interface Day {
  /** Astronomical: 0 is 1 BC. */
  readonly year: number
  readonly month: number
  readonly day: number
  /** What follows it in the text. */
  readonly rest: string
  readonly yearDigits: number
}

const special = /^[ \t\n\v\f\r]*(epoch|-?inf(?:inity)?)[ \t\n\v\f\r]*$/i

function parseDate(text: string): string | undefined {
  const word = special.exec(text)?.[1]?.toLowerCase()
  if (word !== undefined) return word === 'epoch' ? '1970-01-01' : word.startsWith('-') ? '-infinity' : 'infinity'
  const date = parseDay(text)
  // DuckDB's strict date needs two digits of year; its timestamp does not.
  if (!date || date.yearDigits < 2 || !/^[ \t\n\v\f\r]*$/.test(date.rest)) return undefined
  return dayText(date)
}

function parseDay(text: string): Day | undefined {
  const match = /^[ \t\n\v\f\r]*(-?)(\d{1,7})([- /])(\d{1,2})\3(\d{1,2})( \(BC\))?/i.exec(text)
  if (!match) return undefined
  const [number, month, day] = [Number(match[2]), Number(match[4]), Number(match[5])]
  const year = match[6] === undefined ? (match[1] === '-' ? -number : number) : 1 - number
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined
  // The last day is 5881580-07-10.
  if (year > 5_881_580 || (year === 5_881_580 && month * 100 + day > 710)) return undefined
  return { year, month, day, rest: text.slice(match[0].length), yearDigits: (match[2] ?? '').length }
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return [4, 6, 9, 11].includes(month) ? 30 : 31
}

function dayText(date: Pick<Day, 'year' | 'month' | 'day'>): string {
  const year = date.year > 0 ? date.year : 1 - date.year
  return `${pad(year, 4)}-${pad(date.month, 2)}-${pad(date.day, 2)}${date.year > 0 ? '' : ' (BC)'}`
}

const timeOfDay =
  /^(?:T| +)(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?(?:Z| [uU][tT][cC]|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?)?)?[ \t\n\v\f\r]*$/

/** An offset or `Z` is taken and has no effect: DuckDB's cast to a timestamp without zone ignores it. */
function parseTimestamp(text: string): string | undefined {
  const date = parseDay(text)
  if (!date || date.year > 294_246 || date.year < -290_307) return undefined
  if (/^[ \t\n\v\f\r]*$/.test(date.rest)) return `${dayText(date)} 00:00:00`
  const time = timeOfDay.exec(date.rest)
  if (!time) return undefined
  const [hour, minute, second] = [Number(time[1]), Number(time[2]), Number(time[3] ?? 0)]
  const micros = (time[4] ?? '').slice(0, 6).replace(/0+$/, '')
  if (hour === 24 && minute === 0 && second === 0 && micros === '') return `${dayText(dayAfter(date))} 00:00:00`
  if (hour > 23 || minute > 59 || second > 59) return undefined
  return `${dayText(date)} ${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}${micros === '' ? '' : `.${micros}`}`
}

function dayAfter({ year, month, day }: Day): Pick<Day, 'year' | 'month' | 'day'> {
  if (day < daysIn(year, month)) return { year, month, day: day + 1 }
  return month < 12 ? { year, month: month + 1, day: 1 } : { year: year + 1, month: 1, day: 1 }
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0')
}
