import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TaskOutput, TaskResult } from '../model/messages.js'
import { stableHash } from '../model/segment.js'
import { publishDurably } from './durable-file.js'
import { parquetSql } from './encode/parquet.js'
import { fileBytes } from './file-bytes.js'
import { quoteText } from './quote.js'
import type { Session } from './session.js'

export type TableOutput = Extract<TaskOutput, { to: 'table' }>

/** Writes the rows as a Parquet file of a written table: temporary name, on disk, renamed. The caller's manifest makes it visible. */
export async function publishTable(
  session: Session,
  output: TableOutput,
  sql: string,
  unique: string,
): Promise<Extract<TaskResult, { to: 'table' }>> {
  const name = `part-${stableHash([unique], 16)}.parquet`
  const temporary = join(output.folder, `.${name}.tmp`)
  const path = join(output.folder, name)
  try {
    const described = await session.rows(`DESCRIBE ${sql}`)
    const columns = described.map(([column, type]) => ({ name: String(column), type: String(type) }))
    const [row] = await session.rows(
      `COPY (${parquetSql(sql, columns)}) TO ${quoteText(temporary)} (FORMAT parquet, ROW_GROUP_SIZE ${output.rowGroupRows})`,
    )
    const rows = Number(row?.[0] ?? 0)
    await publishDurably(temporary, path)
    return { to: 'table', files: [{ path, rows, bytes: await fileBytes(path) }], rows }
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
