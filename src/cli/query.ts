import { randomBytes } from 'node:crypto'
import { open, readFile, stat } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { type ErrorRecord, ForebayError, fromErrorRecord } from '../model/errors.js'
import { type CommandContext, durationMs, text } from './context.js'
import { Interrupted, UsageError, unreadable } from './exit-code.js'
import type { HttpClient } from './http-client.js'
import { durationText, printTable, write } from './output.js'
import { writeOutput } from './output-file.js'
import { type ProgressReading, withProgress } from './progress.js'

const accepts: Readonly<Record<string, string>> = {
  table: 'application/json',
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  arrow: 'application/vnd.apache.arrow.stream',
  parquet: 'application/vnd.apache.parquet',
}
const binary = new Set(['arrow', 'parquet'])
/** Rows that a terminal is shown; a pipe gets all. */
const terminalRowsMax = 1_000

interface JsonAnswer {
  readonly columns: readonly { readonly name: string }[]
  readonly rows: readonly (readonly unknown[])[]
  readonly stats: Readonly<Record<string, unknown>>
  readonly error?: ErrorRecord
}

/** `forebay query`. */
export async function query(context: CommandContext, ...words: readonly string[]): Promise<void> {
  const { options, output, signal } = context
  const sql = await statementOf(context, words[0])
  if (sql.trim() === '') {
    throw new UsageError('there is no statement', 'forebay query "SELECT 1", forebay query -f FILE, or forebay query - < FILE')
  }
  const file = text(options['output'])
  const format = text(options['format']) ?? (output.json ? 'json' : file === undefined ? 'table' : formatOf(file))
  if (binary.has(format) && file === undefined && output.stdout.isTTY === true) {
    throw new UsageError(`${format} is binary and would upset the terminal`, `add --output FILE.${format}`)
  }
  const client = context.client()
  const id = `q-${Date.now().toString(36).padStart(9, '0')}-${randomBytes(6).toString('hex')}`
  const body = bodyOf(options, sql)
  const headers = { accept: accepts[format] ?? '', 'x-forebay-query-id': id }
  const ask = () => client.stream('/v1/query', { method: 'POST', body, headers, signal })
  const deliver = async (): Promise<void> => {
    if (file !== undefined) await writeOutput(file, ask, format === 'json' ? refuseBroken : undefined)
    else if (format === 'table') await toTable(context, await ask())
    else await toStdout(context, await ask(), format)
  }
  try {
    await withProgress(output, () => progressOf(client, id), deliver())
  } catch (error) {
    if (signal.aborted) throw new Interrupted()
    throw isBrokenOff(error) ? await whyBrokenOff(client, id, error) : error
  }
}

async function statementOf(context: CommandContext, argument: string | undefined): Promise<string> {
  const file = text(context.options['file'])
  if (file !== undefined && argument !== undefined)
    throw new UsageError('the statement is given twice, as an argument and with -f')
  if (file !== undefined && file !== '-') {
    return readFile(file, 'utf8').catch((error: Error) => {
      throw unreadable(`-f ${file}`, error)
    })
  }
  if (argument === '-' || file === '-') {
    const parts: Buffer[] = []
    for await (const part of context.stdin) parts.push(part as Buffer)
    return Buffer.concat(parts).toString('utf8')
  }
  return argument ?? ''
}

function bodyOf(options: CommandContext['options'], sql: string): Record<string, unknown> {
  const timeout = text(options['timeout'])
  return {
    sql,
    priority: options['priority'],
    params: Object.fromEntries((options['param'] as readonly string[]).map(parseParameter)),
    ...(timeout === undefined ? {} : { timeoutMs: durationMs(timeout, '--timeout', '60s') }),
    ...(options['timeZone'] === undefined ? {} : { timeZone: options['timeZone'] }),
    ...(options['tenant'] === undefined ? {} : { tenant: options['tenant'] }),
    ...(options['tree'] === undefined ? {} : { tree: options['tree'] }),
    ...(options['reuse'] === false ? { reuse: false } : {}),
  }
}

/** `name=value`: numbers, true, false and null mean themselves, quotes make text of anything, all else is text. */
function parseParameter(given: string): readonly [string, string | number | boolean | null] {
  const at = given.indexOf('=')
  if (at < 1) throw new UsageError(`--param ${given} is not name=value`, '--param low=10')
  const value = given.slice(at + 1)
  const name = given.slice(0, at).replace(/^\$/, '')
  if (/^(-?\d+(\.\d+)?([eE][+-]?\d+)?|true|false|null|".*")$/s.test(value)) {
    try {
      const parsed = JSON.parse(value) as string | number | boolean | null
      // A number that would lose digits stays the text that it was.
      return [name, typeof parsed === 'number' && !Number.isSafeInteger(parsed) && !value.includes('.') ? value : parsed]
    } catch {
      // Quotes within quotes: it is text.
    }
  }
  return [name, value]
}

function formatOf(file: string): string {
  const extension = /\.(json|ndjson|jsonl|csv|arrow|arrows|parquet)$/i.exec(file)?.[1]?.toLowerCase()
  if (extension === 'jsonl') return 'ndjson'
  return extension === 'arrows' ? 'arrow' : (extension ?? 'csv')
}

/** JSON that broke off ends with an error: the file must not appear then. */
async function refuseBroken(file: string): Promise<void> {
  const { size } = await stat(file)
  const handle = await open(file)
  try {
    const length = Math.min(size, 10_000)
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length)
    throwMemberError(buffer.toString('utf8'))
  } finally {
    await handle.close()
  }
}

function throwMemberError(tail: string): void {
  const at = tail.lastIndexOf(',"error":{')
  if (at < 0 || !tail.endsWith('}}')) return
  try {
    throw fromErrorRecord(JSON.parse(tail.slice(at + ',"error":'.length, -1)) as ErrorRecord)
  } catch (error) {
    if (error instanceof ForebayError) throw error
  }
}

async function toStdout(context: CommandContext, response: IncomingMessage, format: string): Promise<void> {
  const { stdout } = context.output
  let tail = ''
  for await (const chunk of response) {
    await write(stdout, chunk as Uint8Array)
    if (format === 'json') tail = (tail + (chunk as Buffer).subarray(-10_000).toString('utf8')).slice(-10_000)
  }
  if (format === 'json') {
    await write(stdout, '\n')
    throwMemberError(tail)
  }
}

async function toTable(context: CommandContext, response: IncomingMessage): Promise<void> {
  const { output, options } = context
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  const answer = JSON.parse(Buffer.concat(parts).toString('utf8')) as JsonAnswer
  const head = answer.columns.map(({ name }) => name)
  const shown = output.stdout.isTTY === true ? answer.rows.slice(0, terminalRowsMax) : answer.rows
  await printTable(output, head, shown)
  const notes: string[] = []
  if (shown.length < answer.rows.length) notes.push(`${answer.rows.length - shown.length} more rows; --format csv gives all`)
  const totalMs = answer.stats['totalMs']
  if (output.stdout.isTTY === true || options['stats'] === true) {
    notes.push(`${answer.rows.length} rows${typeof totalMs === 'number' ? ` in ${durationText(totalMs)}` : ''}`)
  }
  if (options['stats'] === true) notes.push(JSON.stringify(answer.stats))
  if (notes.length > 0) await write(output.stderr, `${notes.join('\n')}\n`)
  if (answer.error !== undefined) throw fromErrorRecord(answer.error)
}

function isBrokenOff(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE'
}

/** CSV, Arrow and Parquet cannot say why they end early; the server does. */
async function whyBrokenOff(client: HttpClient, id: string, cause: unknown): Promise<ForebayError> {
  const asked = client.json<{ readonly error?: ErrorRecord }>(`/v1/queries/${id}`, { signal: AbortSignal.timeout(1_000) })
  const told = await asked.catch(() => undefined)
  if (told?.error !== undefined) return fromErrorRecord(told.error)
  const hint = `forebay status ${id} says why, once a server answers`
  return new ForebayError('QUERY_FAILED', 'the answer broke off before its end', { hint, cause })
}

async function progressOf(client: HttpClient, id: string): Promise<ProgressReading> {
  const status = await client.json<{ state: string; progress: number; waitingFor?: string; tasks: readonly { state: string }[] }>(
    `/v1/queries/${id}`,
    { signal: AbortSignal.timeout(1_000) },
  )
  const finished = status.tasks.filter((task) => task.state === 'finished').length
  const waits = status.waitingFor === undefined ? '' : `, ${status.waitingFor}`
  return { share: status.progress, text: `${status.state}, ${finished} of ${status.tasks.length} tasks${waits}` }
}
