import { createInterface } from 'node:readline'
import { ForebayError } from '../../model/errors.js'
import { openText } from '../import-log/read-text.js'
import { type LoggedActivity, type LoggedQuery, parseLogLine } from '../log-line.js'

/** Lines that could not be used: the first ones by name, and all of them by count. */
export interface BadLines {
  count: number
  readonly first: { readonly line: number; readonly reason: string }[]
}

const badShown = 20

/** The usable lines of a query log, plain or gzip, in its order; lines out of order are bad too. Progress by bytes read. */
export async function* readLog(
  path: string,
  bad: BadLines,
  onProgress: (share: number) => void = () => undefined,
): AsyncGenerator<LoggedQuery | LoggedActivity> {
  const input = await openText(path, onProgress)
  let line = 0
  let last = Number.NEGATIVE_INFINITY
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line++
      if (text.trim() === '') continue
      const parsed = parseLogLine(text)
      const fault = parsed.line === 'bad' ? parsed.reason : parsed.at < last ? '`at` is before that of the line above' : undefined
      if (fault !== undefined) {
        bad.count++
        if (bad.first.length < badShown) bad.first.push({ line, reason: fault })
      } else if (parsed.line !== 'bad') {
        last = parsed.at
        yield parsed
      }
    }
  } catch (cause) {
    throw new ForebayError('FILE_UNREADABLE', `query log "${path}" breaks off after line ${line}: ${(cause as Error).message}`, {
      hint: 'cut the log off after the last whole line, or export it again',
      cause,
    })
  }
}
