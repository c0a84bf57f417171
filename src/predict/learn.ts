import { setImmediate } from 'node:timers/promises'
import { type Identity, type LoggedQuery, type LogLine, parseLogLine } from './log-line.js'
import type { Predictor } from './predictor.js'

/** What became of a query log. */
export interface Learned {
  readonly lines: number
  readonly learned: number
  /** Lines that tell of activity only, which teach nothing. */
  readonly activity: number
  /** The first bad lines, by number from 1, and how many there were. */
  readonly bad: readonly { readonly line: number; readonly reason: string }[]
  readonly badLines: number
}

const badShown = 20
const sliceMs = 5
/** Clocks of two machines may differ, and logs may be in local time. */
const aheadMaxMs = 86_400_000

/**
 * Loads an old query log as prior experience. `identify` gives the template that the server would see in a line's SQL; lines
 * without, or that cannot be planned here, keep the log's own names. What has not come yet at `now` is no experience: beside a query of
 * the year 2199 all that comes would be old. Gives way to the event loop every few milliseconds.
 */
export async function learn(
  lines: AsyncIterable<string>,
  predictor: Predictor,
  now: number,
  identify: (line: { readonly sql: string; readonly args: string }) => Promise<Identity | undefined>,
): Promise<Learned> {
  const bad: { line: number; reason: string }[] = []
  let count = 0
  let learned = 0
  let activity = 0
  let badLines = 0
  let sliceEnd = performance.now() + sliceMs
  for await (const text of lines) {
    count++
    if (text.trim() === '') continue
    const line = notAfter(now + aheadMaxMs, parseLogLine(text))
    if (line.line === 'query') {
      predictor.learn(line, await identityOf(line, identify))
      learned++
    } else if (line.line === 'activity') activity++
    else if (++badLines <= badShown) bad.push({ line: count, reason: line.reason })
    if (performance.now() < sliceEnd) continue
    await setImmediate()
    sliceEnd = performance.now() + sliceMs
  }
  return { lines: count, learned, activity, bad, badLines }
}

function notAfter(latest: number, line: LogLine): LogLine {
  return line.line === 'bad' || line.at <= latest ? line : { line: 'bad', reason: '`at` is in the future' }
}

async function identityOf(
  line: LoggedQuery,
  identify: (line: { readonly sql: string; readonly args: string }) => Promise<Identity | undefined>,
): Promise<Identity> {
  const own: Identity = {
    fingerprint: line.template,
    literals: line.args,
    datasets: line.reads.map((read) => read.segment),
    sql: line.sql ?? '',
  }
  if (line.sql === undefined) return own
  return (await identify({ sql: line.sql, args: line.args })) ?? own
}
