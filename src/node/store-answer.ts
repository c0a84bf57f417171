import type { DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api'
import { quoteName } from '../model/quote.js'
import type { Column, SegmentId, StoredSegment } from '../model/segment.js'
import type { Instance } from './instance.js'
import { publishSegment } from './publish-segment.js'
import type { Session } from './session.js'
import type { Spool } from './spool.js'

/** Rows that were encoded; the result is held with its chunks, since it may own what they point to. */
export interface EncodedRows {
  readonly result: DuckDBResult
  readonly chunks: readonly DuckDBDataChunk[]
}

/**
 * Publishes the rows of an answer that has gone out already as a derived segment, from the chunks that were encoded: the
 * statement does not run a second time, and the client has not waited for this.
 */
export async function storeAnswer(
  instance: Instance,
  spool: Spool,
  node: string,
  segment: SegmentId,
  columns: readonly Column[],
  rows: EncodedRows,
): Promise<StoredSegment> {
  const session = await instance.acquire('UTC')
  let sound = false
  try {
    const stored = await publishRows(session, spool, node, segment, columns, rows)
    sound = true
    return stored
  } finally {
    instance.release(session, sound)
  }
}

async function publishRows(
  session: Session,
  spool: Spool,
  node: string,
  segment: SegmentId,
  columns: readonly Column[],
  { chunks }: EncodedRows,
): Promise<StoredSegment> {
  const table = quoteName('__answer')
  const list = columns.map((column, index) => `c${index} ${column.type}`)
  await session.run(`CREATE OR REPLACE TEMP TABLE ${table} (${list.join(', ')})`)
  try {
    const appender = await session.connection.createAppender('__answer', 'main', 'temp')
    for (const chunk of chunks) appender.appendDataChunk(chunk)
    appender.closeSync()
    return await publishSegment(session, spool, node, segment, `SELECT * FROM ${table}`, columns)
  } finally {
    await session.run(`DROP TABLE ${table}`)
  }
}
