import { type DuckDBDataChunk, type DuckDBResult, ResultReturnType } from '@duckdb/node-api'
import { ForebayError } from '../model/errors.js'
import { chunksOf, type Session } from './session.js'

/** The rows of an answer, chunk by chunk. */
export interface AnswerChunks {
  /** The next rows; undefined at the end. */
  next(): Promise<DuckDBDataChunk | undefined>
  /** Waits for what is under way: after it nothing uses the session until `next` is called again. */
  settle(): Promise<void>
}

/** The statement under way, and how to run it again. */
interface Reading {
  readonly result: DuckDBResult
  readonly session: Session
  readonly sql: string
  throwIfStopped(): void
}

/** Of a result that was computed whole. */
export function wholeChunks(result: DuckDBResult): AnswerChunks {
  const chunks = chunksOf(result)
  let at = 0
  return { next: async () => chunks[at++], settle: async () => {} }
}

/** Of a streamed statement: while a chunk is encoded the next one is fetched, and no more than that. */
export function streamedChunks(reading: Reading): AnswerChunks {
  let ahead: Promise<DuckDBDataChunk | undefined> | undefined
  return {
    async next() {
      reading.throwIfStopped()
      const chunk = await (ahead ?? fetchChunk(reading))
      ahead = chunk === undefined ? Promise.resolve(undefined) : fetchChunk(reading)
      // Its error is for whoever asks for the rows.
      ahead.catch(() => {})
      return chunk
    },
    async settle() {
      await ahead?.catch(() => {})
    },
  }
}

/**
 * DuckDB's API does not throw when a streamed statement fails after its first chunk: it gives no more chunks, as at the end, and
 * only the result's kind tells that the answer would be cut short.
 */
async function fetchChunk(reading: Reading): Promise<DuckDBDataChunk | undefined> {
  const chunk = await reading.result.fetchChunk()
  if (chunk !== null && chunk.rowCount > 0) return chunk
  if (reading.result.returnType !== ResultReturnType.INVALID) return undefined
  reading.throwIfStopped()
  throw await whyItFailed(reading)
}

/** The error of a streamed statement is not to be had, so it is computed again, without an answer, in a way that does throw. */
async function whyItFailed({ session, sql }: Reading): Promise<unknown> {
  try {
    await session.run(`SELECT bit_xor(hash(__answer)) FROM (${sql}) AS __answer`)
  } catch (error) {
    return error
  }
  return new ForebayError('QUERY_FAILED', 'the statement failed while its rows were being read')
}
