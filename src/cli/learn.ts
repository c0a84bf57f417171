import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { type BadLines, notALog } from '../predict/evaluate/read-log.js'
import { type ImportFormat, importLog } from '../predict/import-log/import-log.js'
import type { LoggedQuery } from '../predict/log-line.js'
import type { CommandContext } from './context.js'
import { unreadable } from './exit-code.js'
import { outline } from './explain.js'
import { bytesText, printJson, printLines } from './output.js'
import { withProgress } from './progress.js'

/** `forebay learn TRACE`. */
export async function learn(context: CommandContext, trace = ''): Promise<void> {
  const { output, signal } = context
  const file = await stat(trace).catch((error: Error) => {
    throw unreadable(`trace ${trace}`, error)
  })
  const from = context.options['from'] as ImportFormat | undefined
  if (from !== undefined) return learnImported(context, trace, from)
  if (file.isDirectory()) throw unreadable(`trace ${trace}`, new Error('it is a folder'))
  const { size } = file
  const stream = createReadStream(trace)
  // What comes through a pipe is as long as it turns out to be.
  const length = file.isFile() ? { 'content-length': String(size) } : {}
  const headers = { 'content-type': 'application/x-ndjson', ...length }
  const answer = context.client().json<Record<string, unknown>>('/v1/learn', { method: 'POST', stream, headers, signal })
  const read = () => ({ share: size === 0 ? 1 : stream.bytesRead / size, text: `${trace}, ${bytesText(size)}` })
  const learned = await withProgress(output, read, answer)
  return output.json ? printJson(output, learned) : printLines(output, outline(learned, ''))
}

/** Another system's log, put into our format here: the server sees no other. */
async function learnImported(context: CommandContext, trace: string, from: ImportFormat): Promise<void> {
  const { output, signal } = context
  const bad: BadLines = { count: 0, first: [] }
  let share = 0
  const work = async (): Promise<Record<string, unknown>> => {
    const queries = await importLog(trace, from, bad, (reached) => {
      share = reached
    })
    if (queries.length === 0) throw notALog(trace, bad, from)
    const stream = Readable.from(logLines(queries))
    const headers = { 'content-type': 'application/x-ndjson' }
    const learned = await context.client().json<Record<string, unknown>>('/v1/learn', { method: 'POST', stream, headers, signal })
    return { ...learned, badRecords: bad.count, badRecordsFirst: bad.first }
  }
  const learned = await withProgress(output, () => ({ share, text: trace }), work())
  return output.json ? printJson(output, learned) : printLines(output, outline(learned, ''))
}

function* logLines(queries: readonly LoggedQuery[]): Generator<string> {
  for (const { line: _, args, ...rest } of queries) yield `${JSON.stringify({ ...rest, args: JSON.parse(args) })}\n`
}
