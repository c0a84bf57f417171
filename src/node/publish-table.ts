import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ForebayError } from '../model/errors.js'
import type { TaskOutput, TaskResult } from '../model/messages.js'
import { quoteName, quoteText } from '../model/quote.js'
import { type Column, distinctNames, stableHash } from '../model/segment.js'
import { publishDurably } from '../model/whole-file.js'
import { isKeptByParquet, storedType, unkeptHint } from './carrier.js'
import { fileBytes } from './file-bytes.js'
import type { Session } from './session.js'
import { parseType } from './type-tree.js'

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
      `COPY (${tableSql(sql, columns)}) TO ${quoteText(temporary)} (FORMAT parquet, ROW_GROUP_SIZE ${output.rowGroupRows})`,
    )
    const rows = Number(row?.[0] ?? 0)
    await publishDurably(temporary, path)
    return { to: 'table', files: [{ path, rows, bytes: await fileBytes(path) }], rows }
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** Types that Parquet would change go as others; the table's snapshot names the declared type, and readers cast back to it. */
function tableSql(sql: string, columns: readonly Column[]): string {
  const names = distinctNames(columns).map(quoteName)
  const list = columns.map(({ name, type }, index) => {
    const tree = parseType(type)
    const hint = unkeptHint(tree)
    if (hint !== undefined) {
      throw new ForebayError('NOT_SUPPORTED', `column "${name}" has type ${type}, which a written table cannot keep`, { hint })
    }
    const value = isKeptByParquet(tree) ? `c${index}` : `CAST(c${index} AS ${storedType(tree)})`
    return `${value} AS ${names[index] ?? ''}`
  })
  return `SELECT ${list.join(', ')} FROM (${sql}) AS __rows(${columns.map((_, index) => `c${index}`).join(', ')})`
}
