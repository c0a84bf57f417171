import type { DuckDBDataChunk } from '@duckdb/node-api'
import type { Column, SegmentId, StoredSegment } from '../model/segment.js'
import { publishSegment } from './publish-segment.js'
import { quoteName } from './quote.js'
import type { Session } from './session.js'
import type { Spool } from './spool.js'

/**
 * Publishes the rows of an answer that has gone out already as a derived segment, from the chunks that were encoded: the
 * statement does not run a second time, and the client has not waited for this.
 */
export async function storeAnswer(
  session: Session,
  spool: Spool,
  node: string,
  segment: SegmentId,
  columns: readonly Column[],
  chunks: readonly DuckDBDataChunk[],
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
