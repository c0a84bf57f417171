/**
 * Logs of other systems in our terms. They are written when a query ends, and we replay by when it came: so a log is read whole
 * and sorted. Bad records are counted and named by line, never fatal.
 */
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { ForebayError } from '../../model/errors.js'
import { type BadLines, note } from '../evaluate/read-log.js'
import { type LoggedQuery, queryFault } from '../log-line.js'
import { csvRows } from './csv-rows.js'
import { asFields, type Fields } from './fields.js'
import type { Importer } from './importer.js'
import { openLineage } from './open-lineage.js'
import { postgresCsvlog } from './postgres-csvlog.js'
import { openText } from './read-text.js'
import { redshiftStl } from './redshift-stl.js'
import { snowflakeQueryHistory } from './snowflake-query-history.js'
import { trinoEvents } from './trino-events.js'

export const importFormats = [
  'trino-events',
  'redshift-stl',
  'snowflake-query-history',
  'postgres-csvlog',
  'openlineage',
] as const
export type ImportFormat = (typeof importFormats)[number]

const importers: Readonly<Record<ImportFormat, () => Importer>> = {
  'trino-events': () => trinoEvents,
  'redshift-stl': () => redshiftStl,
  'snowflake-query-history': () => snowflakeQueryHistory,
  'postgres-csvlog': () => postgresCsvlog,
  openlineage: openLineage,
}

/** A query takes about a kilobyte of memory while it is sorted. */
const queriesMax = 700_000

interface Entry {
  readonly line: number
  readonly fields: Fields | undefined
}

/** The queries of a log of another system, plain or gzip, by the time they came. */
export async function importLog(
  path: string,
  format: ImportFormat,
  bad: BadLines,
  onProgress: (share: number) => void = () => undefined,
): Promise<readonly LoggedQuery[]> {
  const importer = importers[format]()
  const queries: LoggedQuery[] = []
  let line = 0
  try {
    for await (const entry of entries(await openText(path, onProgress), importer)) {
      line = entry.line
      const query = entry.fields === undefined ? { reason: 'is not a JSON object' } : importer.query(entry.fields, line)
      if (query === 'ignored') continue
      if ('reason' in query) {
        note(bad, line, query.reason)
        continue
      }
      const fault = queryFault(query)
      if (fault !== undefined) note(bad, line, fault)
      else if (queries.push({ line: 'query', ...query }) > queriesMax) {
        throw new Error(`it has more than ${queriesMax} queries, the most that can be sorted; split it by time`)
      }
    }
    for (const unmatched of importer.unmatched?.() ?? []) note(bad, unmatched.line, unmatched.reason)
  } catch (cause) {
    if (cause instanceof ForebayError) throw cause
    throw new ForebayError('FILE_UNREADABLE', `query log "${path}" breaks off after line ${line}: ${(cause as Error).message}`, {
      hint: 'cut the log off after the last whole line, or export it again',
      cause,
    })
  }
  return queries.sort((a, b) => a.at - b.at)
}

async function* entries(input: Readable, { layout, columns }: Importer): AsyncGenerator<Entry> {
  const { first, rest } = await headOf(input)
  const json = layout === 'json-lines' || (layout === 'csv-or-json-lines' && first.trimStart().startsWith('{'))
  if (!json) yield* csvEntries(rest, columns, first)
  else for await (const entry of jsonEntries(rest)) yield layout === 'json-lines' ? entry : withLowerNames(entry)
}

function withLowerNames({ line, fields }: Entry): Entry {
  if (fields === undefined) return { line, fields }
  return { line, fields: Object.fromEntries(Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value])) }
}

async function* jsonEntries(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Entry> {
  let line = 0
  for await (const text of createInterface({ input: Readable.from(chunks), crlfDelay: Number.POSITIVE_INFINITY })) {
    line++
    if (text.trim() !== '') yield { line, fields: parsed(text) }
  }
}

function parsed(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? asFields(value) : undefined
  } catch {
    return undefined
  }
}

async function* csvEntries(
  chunks: AsyncIterable<Uint8Array>,
  columns: readonly string[] | undefined,
  first: string,
): AsyncGenerator<Entry> {
  const header = first.split('\n', 1)[0] ?? ''
  const separator = columns === undefined && header.split('|').length > header.split(',').length ? '|' : ','
  let names = columns
  for await (const { line, fields } of csvRows(chunks, separator)) {
    if (names === undefined) {
      names = fields.map((field) => field.trim().toLowerCase())
      continue
    }
    yield { line, fields: Object.fromEntries(names.map((name, i) => [name, fields[i] ?? ''])) }
  }
}

const byteOrderMark = Buffer.from('\ufeff')

/** The beginning of a stream as text, and the whole stream again; both without a byte order mark. */
async function headOf(input: Readable): Promise<{ first: string; rest: AsyncIterable<Uint8Array> }> {
  const iterator = input[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  const head = await iterator.next()
  const bytes = head.done === true ? Buffer.alloc(0) : Buffer.from(head.value)
  const begin = bytes.indexOf(byteOrderMark) === 0 ? bytes.subarray(byteOrderMark.length) : bytes
  const rest = async function* (): AsyncGenerator<Uint8Array> {
    yield begin
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value
  }
  return { first: begin.subarray(0, 65_536).toString('utf8'), rest: rest() }
}
