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

/** The first line of a log, and one that is so much later than the one before it, wait for the next: it tells whether they leap ahead. */
const leapMs = 86_400_000

interface Numbered {
  readonly line: number
  readonly parsed: LoggedQuery | LoggedActivity
}

/**
 * The usable lines of a query log, plain or gzip, in its order. Lines out of order are bad too; of one that leaps ahead of all others,
 * it alone. Progress by bytes read.
 */
export async function* readLog(
  path: string,
  bad: BadLines,
  onProgress: (share: number) => void = () => undefined,
): AsyncGenerator<LoggedQuery | LoggedActivity> {
  let last: number | undefined
  let waiting: Numbered | undefined
  for await (const next of numbered(path, bad, onProgress)) {
    const { at } = next.parsed
    const earlierMs = (waiting?.parsed.at ?? at) - at
    if (at < (last ?? at) || (last === undefined && earlierMs > 0 && earlierMs <= leapMs)) {
      note(bad, next.line, '`at` is before that of the line above')
      continue
    }
    if (waiting !== undefined && earlierMs > 0) note(bad, waiting.line, '`at` is after that of the line below')
    else if (waiting !== undefined) {
      last = waiting.parsed.at
      yield waiting.parsed
    }
    waiting = last === undefined || at - last > leapMs ? next : undefined
    if (waiting !== undefined) continue
    last = at
    yield next.parsed
  }
  if (waiting !== undefined) yield waiting.parsed
}

async function* numbered(path: string, bad: BadLines, onProgress: (share: number) => void): AsyncGenerator<Numbered> {
  const input = await openText(path, onProgress)
  let line = 0
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line++
      if (text.trim() === '') continue
      const parsed = parseLogLine(text)
      if (parsed.line === 'bad') note(bad, line, parsed.reason)
      else yield { line, parsed }
    }
  } catch (cause) {
    throw new ForebayError('FILE_UNREADABLE', `query log "${path}" breaks off after line ${line}: ${(cause as Error).message}`, {
      hint: 'cut the log off after the last whole line, or export it again',
      cause,
    })
  }
}

/** One more bad line. */
export function note(bad: BadLines, line: number, reason: string): void {
  bad.count++
  if (bad.first.length < badShown) bad.first.push({ line, reason })
}

/** A file in which nothing is what `from`, or our own format, says. */
export function notALog(path: string, { count, first }: BadLines, from: string | undefined): ForebayError {
  const why = count === 0 ? 'it is empty' : `line ${first[0]?.line} ${first[0]?.reason}`
  return new ForebayError('REQUEST_INVALID', `"${path}" has no usable line: ${why}`, {
    hint:
      from === undefined
        ? 'each line is a JSON object with at, tenant, template, durationMs…; docs/prediction.md describes them, and --from reads logs of other systems'
        : `docs/evaluate.md says what --from ${from} reads`,
  })
}
