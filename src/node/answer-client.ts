/**
 * The answer of a query: the statement is streamed through an encoder. While it is small it gathers; if it ends small it goes back
 * inside the outcome, and its rows may become a derived segment. Once it is large, what has gathered is offered as the start of a
 * stream and the statement goes on only as fast as the reader takes it.
 */
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { DuckDBDataChunk, DuckDBType } from '@duckdb/node-api'
import { ForebayError } from '../model/errors.js'
import type { TaskOutput } from '../model/messages.js'
import { quoteText } from '../model/quote.js'
import { distinctNames } from '../model/segment.js'
import { type AnswerChunks, streamedChunks, wholeChunks } from './answer-chunks.js'
import { boundedWrite } from './bounded-write.js'
import { csvRows, jsonLines, jsonRows, type ResultEncoder } from './encode/encoder.js'
import { parquetSql } from './encode/parquet.js'
import { fileBytes } from './file-bytes.js'
import type { ResultSource } from './result-streams.js'
import type { Session } from './session.js'
import type { EncodedRows } from './store-answer.js'

export type ClientOutput = Extract<TaskOutput, { to: 'client' }>

/** What became of the statement: a whole small answer with its rows, or the start of a large one. */
export type Answer =
  | {
      readonly size: 'small'
      readonly rows: number
      readonly inline: Uint8Array
      /** Absent where the rows were written by DuckDB itself. */
      readonly encoded?: EncodedRows
    }
  | { readonly size: 'large'; readonly source: ResultSource; rows(): number }

export interface AnswerStatement {
  readonly sql: string
  /** Its answer is known to be small. */
  readonly isSmall: boolean
  /** Names its answer, where it gives the same whenever it runs. */
  readonly answer?: string | undefined
}

const contentTypes = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8',
  arrow: 'application/vnd.apache.arrow.stream',
  parquet: 'application/vnd.apache.parquet',
} as const

/**
 * Runs the statement as far as is needed to know whether its answer is small. `temporary` is where a Parquet answer is
 * written; the caller removes it when the answer has been read.
 */
export async function answerClient(
  session: Session,
  { sql, isSmall, answer }: AnswerStatement,
  output: ClientOutput,
  temporary: string,
  throwIfStopped: () => void,
): Promise<Answer> {
  if (output.format === 'parquet') return answerParquet(session, sql, output, temporary)
  const result = await (isSmall ? session.whole(sql, answer) : session.stream(sql, answer))
  const encoder = await encoderFor(output, result.columnTypes())
  const chunks = isSmall ? wholeChunks(result) : streamedChunks({ result, session, sql, throwIfStopped })
  try {
    const { pieces, encoded, ...state } = await encodeStart(chunks, encoder, output)
    if (encoded !== undefined) {
      return { size: 'small', rows: state.rows, inline: Buffer.concat(pieces), encoded: { result, chunks: encoded } }
    }
    const rest = (): AsyncIterable<Uint8Array> => restOf(pieces, chunks, encoder, output, state)
    return { size: 'large', rows: () => state.rows, source: { contentType: contentTypes[output.format], pieces: rest } }
  } finally {
    await chunks.settle()
  }
}

/** As much of an answer as goes back inside of the outcome. */
interface Start {
  readonly pieces: Uint8Array[]
  readonly rows: number
  readonly bytes: number
  /** All of its rows, where this is the whole answer. */
  readonly encoded?: readonly DuckDBDataChunk[]
}

async function encodeStart(chunks: AnswerChunks, encoder: ResultEncoder, output: ClientOutput): Promise<Start> {
  const head = encoder.head()
  const pieces = [head]
  const encoded: DuckDBDataChunk[] = []
  let bytes = head.length
  let rows = 0
  for (;;) {
    const chunk = await chunks.next()
    for (const piece of chunk === undefined ? [encoder.tail()] : encoder.encode(chunk)) {
      pieces.push(piece)
      bytes += piece.length
      refuseTooLarge(bytes, output)
    }
    if (chunk === undefined) return { pieces, rows, bytes, encoded }
    rows += chunk.rowCount
    encoded.push(chunk)
    if (bytes > output.inlineBytesMax) return { pieces, rows, bytes }
  }
}

async function* restOf(
  start: Uint8Array[],
  chunks: AnswerChunks,
  encoder: ResultEncoder,
  output: ClientOutput,
  state: { rows: number; bytes: number },
): AsyncGenerator<Uint8Array> {
  try {
    yield* start.splice(0)
    for (;;) {
      const chunk = await chunks.next()
      state.rows += chunk?.rowCount ?? 0
      for (const piece of chunk === undefined ? [encoder.tail()] : encoder.encode(chunk)) {
        state.bytes += piece.length
        refuseTooLarge(state.bytes, output)
        yield piece
      }
      if (chunk === undefined) return
    }
  } finally {
    await chunks.settle()
  }
}

async function encoderFor(output: ClientOutput, types: readonly DuckDBType[]): Promise<ResultEncoder> {
  const names = output.columns.map((column) => column.name)
  switch (output.format) {
    case 'ndjson':
      return jsonLines(distinctNames(output.columns), types)
    case 'csv':
      return csvRows(names, types)
    case 'arrow': {
      // Loaded at the first such answer: it would be a fifth of a node's start.
      const { arrowStream } = await import('./encode/arrow.js')
      return arrowStream(names, types)
    }
    default:
      return jsonRows(types)
  }
}

/** DuckDB writes Parquet only as a file, so the answer is whole before its first byte goes out. */
async function answerParquet(session: Session, sql: string, output: ClientOutput, temporary: string): Promise<Answer> {
  const copy = `COPY (${parquetSql(sql, output.columns)}) TO ${quoteText(temporary)} (FORMAT parquet)`
  const tooLarge = (): ForebayError => resultTooLarge(output)
  const [row] = await boundedWrite(session, temporary, output.resultBytesMax, tooLarge, () => session.rows(copy))
  const rows = Number(row?.[0] ?? 0)
  const bytes = await fileBytes(temporary)
  if (bytes <= output.inlineBytesMax) return { size: 'small', rows, inline: await readFile(temporary) }
  const pieces = (): AsyncIterable<Uint8Array> => createReadStream(temporary, { highWaterMark: 1 << 18 })
  return { size: 'large', rows: () => rows, source: { contentType: contentTypes.parquet, pieces } }
}

function refuseTooLarge(bytes: number, output: ClientOutput): void {
  if (bytes > output.resultBytesMax) throw resultTooLarge(output)
}

function resultTooLarge(output: ClientOutput): ForebayError {
  return new ForebayError('RESULT_TOO_LARGE', `the result is larger than ${output.resultBytesMax} bytes`, {
    hint: 'add a LIMIT, aggregate, or write the rows to a table with CREATE TABLE … AS',
  })
}
