import type { ResultFormat } from '../../../model/query.js'
import type { Column } from '../../../model/segment.js'

export const contentTypes: Readonly<Record<ResultFormat, string>> = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8',
  arrow: 'application/vnd.apache.arrow.stream',
  parquet: 'application/vnd.apache.parquet',
}

/** Rows that the engine itself has to say (a count, a plan) in one of the text formats; undefined for binary ones. */
export function encodeSmall(
  columns: readonly Column[],
  rows: readonly (readonly (string | number)[])[],
  format: ResultFormat,
): Uint8Array | undefined {
  const names = columns.map((column) => column.name)
  switch (format) {
    case 'json':
      return Buffer.from(rows.map((row) => JSON.stringify(row)).join(',\n'))
    case 'ndjson':
      return Buffer.from(
        rows.map((row) => `${JSON.stringify(Object.fromEntries(names.map((name, index) => [name, row[index]])))}\n`).join(''),
      )
    case 'csv':
      return Buffer.from([names, ...rows].map((row) => `${row.map(csvField).join(',')}\r\n`).join(''))
    default:
      return undefined
  }
}

/** The same rows as a SELECT, for a node to encode. */
export function selectOf(columns: readonly Column[], rows: readonly (readonly (string | number)[])[]): string {
  const literal = (value: string | number, type: string): string =>
    `CAST(${typeof value === 'number' ? value : `'${value.replaceAll("'", "''")}'`} AS ${type})`
  const values = rows.map((row) => `(${row.map((value, index) => literal(value, columns[index]?.type ?? 'VARCHAR')).join(', ')})`)
  return `SELECT * FROM (VALUES ${values.join(', ')}) AS said(${columns.map((column) => `"${column.name}"`).join(', ')})`
}

function csvField(value: string | number): string {
  const text = String(value)
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
