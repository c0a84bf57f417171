import { type ForebayError, importUnreadable } from '../model/errors.js'

/** What DuckDB says of a CSV or JSON file that it cannot read, with the line; undefined where the message is about something else. */
export function textFileError(message: string, cause: unknown): ForebayError | undefined {
  const text = csvReason(message) ?? jsonReason(message)
  return text === undefined ? undefined : importUnreadable(text, cause)
}

function csvReason(message: string): string | undefined {
  if (message.includes('Error when sniffing file')) {
    return 'the file cannot be read as CSV: no delimiter, quotes and line ends fit all its lines'
  }
  const [, line, rest = ''] = /CSV Error on Line: (\d+)\n(.*)/s.exec(message) ?? []
  if (line === undefined) return undefined
  // The line itself comes first, then the reason, then advice about options.
  const reason =
    rest
      .split(/\n(?:\n|Possible )/, 1)[0]
      ?.split('\n')
      .at(-1) ?? ''
  const [, expected, found] = /^Expected Number of Columns: (\d+) Found: (\d+)/.exec(reason) ?? []
  return `line ${line} of the file cannot be read: ${found === undefined ? reason : `its fields number ${found}, not ${expected}`}`
}

function jsonReason(message: string): string | undefined {
  const [, size] = /"maximum_object_size" of (\d+) bytes exceeded/.exec(message) ?? []
  if (size !== undefined) return `the file cannot be read: its first line is not JSON, or a value is larger than ${size} bytes`
  const [, byte, unit, number, reason] =
    /^Invalid Input Error: Malformed JSON in file ".*", at byte (\d+) in (line|record\/value) (\d+): (.*?)\.?\s*$/m.exec(
      message,
    ) ?? []
  // DuckDB counts the broken one twice.
  const place = `${unit === 'line' ? 'line' : 'value'} ${Number(number) - 1}`
  return number === undefined ? undefined : `${place} of the file cannot be read: ${reason} at byte ${byte} of it`
}
