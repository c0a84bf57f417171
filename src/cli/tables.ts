import type { CommandContext } from './context.js'
import { bytesText, printJson, printLines, printTable } from './output.js'

interface TableLine {
  readonly name: string
  readonly kind: string
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly partitionColumns: readonly string[]
  readonly segments: number
  readonly rows: number
  readonly bytes: number
  readonly error?: { readonly message: string }
  readonly note?: string
}
interface TableDetail extends Omit<TableLine, 'segments'> {
  readonly segments: readonly { readonly id: string; readonly path: string; readonly rows: number; readonly bytes: number }[]
}

/** `forebay tables [name]`. */
export async function tables(context: CommandContext, name?: string): Promise<void> {
  const { output, signal } = context
  const client = context.client()
  if (name !== undefined) {
    const table = await client.json<TableDetail>(`/v1/tables/${encodeURIComponent(name)}`, { signal })
    if (output.json) return printJson(output, table)
    return printDetail(context, table)
  }
  const answer = await client.json<{ readonly tables: readonly TableLine[]; readonly note?: string }>('/v1/tables', { signal })
  if (output.json) return printJson(output, answer)
  await printTable(
    output,
    ['table', 'kind', 'columns', 'segments', 'rows', 'size'],
    answer.tables.map((table) => [
      table.name,
      table.kind,
      table.columns.length,
      table.segments,
      table.rows,
      bytesText(table.bytes),
    ]),
  )
  const remarks = answer.tables.flatMap(({ name: table, error, note }) =>
    [error?.message, note].filter((remark) => remark !== undefined).map((remark) => `${table}: ${remark}`),
  )
  if (answer.note !== undefined) remarks.push(`note: ${answer.note}`)
  if (remarks.length > 0) await printLines(output, remarks)
}

async function printDetail({ output }: CommandContext, table: TableDetail): Promise<void> {
  await printTable(
    output,
    ['column', 'type', 'partition'],
    table.columns.map((column) => [column.name, column.type, table.partitionColumns.includes(column.name) ? 'yes' : '']),
  )
  await printTable(
    output,
    ['segment', 'rows', 'size', 'file'],
    table.segments.map(({ id, rows, bytes, path }) => [id, rows, bytesText(bytes), path]),
  )
  if (table.error !== undefined) await printLines(output, [`broken: ${table.error.message}`])
  if (table.note !== undefined) await printLines(output, [`note: ${table.note}`])
}
