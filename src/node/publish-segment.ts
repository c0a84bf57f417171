import { rm } from 'node:fs/promises'
import { ForebayError } from '../model/errors.js'
import { quoteName, quoteText } from '../model/quote.js'
import type { Column, SegmentId, StoredSegment } from '../model/segment.js'
import { segmentCrc32 } from '../transfer/crc32.js'
import { boundedWrite } from './bounded-write.js'
import { carrierOf, holdsFloat, storeSql } from './carrier.js'
import type { Session } from './session.js'
import type { Spool } from './spool.js'
import { parseType } from './type-tree.js'

/** Runs a SELECT and publishes its rows in the spool as a derived segment. */
export async function publishSegment(
  session: Session,
  spool: Spool,
  node: string,
  segment: SegmentId,
  sql: string,
  columns: readonly Column[],
): Promise<StoredSegment> {
  const carrier = carrierOf(columns)
  const temporary = spool.passingPath(carrier)
  try {
    const write = carrier === 'parquet' ? writeParquet : writeDuckDBFile
    const tooLarge = (): ForebayError =>
      new ForebayError(
        'DISK_EXCEEDED',
        `segment "${segment}" is larger than ${spool.segmentBytesMax} bytes, which is all it may be`,
      )
    const rows = await boundedWrite(session, temporary, spool.segmentBytesMax, tooLarge, () =>
      write(session, storeSql(sql, columns, carrier), temporary, columns),
    )
    const { crc32, bytes } = await segmentCrc32(temporary)
    const path = spool.publish(segment, temporary, carrier)
    return { id: segment, node, path, carrier, columns, rows, bytes, crc32 }
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function writeParquet(session: Session, sql: string, path: string, columns: readonly Column[]): Promise<number> {
  const options = ['FORMAT parquet', 'COMPRESSION snappy']
  // A dictionary has one zero for both signs.
  if (columns.some(({ type }) => holdsFloat(parseType(type)))) options.push('DICTIONARY_SIZE_LIMIT 0')
  const [row] = await session.rows(`COPY (${sql}) TO ${quoteText(path)} (${options.join(', ')})`)
  return Number(row?.[0] ?? 0)
}

async function writeDuckDBFile(session: Session, sql: string, path: string): Promise<number> {
  const alias = quoteName(`w_${path.slice(path.lastIndexOf('/') + 1)}`)
  await session.run(`ATTACH ${quoteText(path)} AS ${alias}`)
  try {
    const [row] = await session.rows(`CREATE TABLE ${alias}.main.t AS ${sql}`)
    return Number(row?.[0] ?? 0)
  } finally {
    // Detaching writes the checkpoint, so the file is whole afterwards.
    await session.detach(alias)
    await rm(`${path}.wal`, { force: true })
  }
}
