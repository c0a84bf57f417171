import { amount, text, time } from './fields.js'
import type { Importer } from './importer.js'
import { sqlShape } from './sql-shape.js'

const queues = ['queued_provisioning_time', 'queued_repair_time', 'queued_overload_time'] as const
/** Credits an hour, which is what a size buys. */
const sizes: Readonly<Record<string, number>> = {
  'x-small': 1,
  small: 2,
  medium: 4,
  large: 8,
  'x-large': 16,
  '2x-large': 32,
  '3x-large': 64,
  '4x-large': 128,
}

/** Snowflake's ACCOUNT_USAGE.QUERY_HISTORY as CSV with a header or as JSON lines; its times are milliseconds. */
export const snowflakeQueryHistory: Importer = {
  layout: 'csv-or-json-lines',
  query(row) {
    const at = time(row.start_time)
    const totalMs = amount(row.total_elapsed_time)
    const sql = text(row.query_text)
    if (at === undefined) return { reason: 'has no START_TIME' }
    if (totalMs === undefined) return { reason: 'has no TOTAL_ELAPSED_TIME' }
    if (sql === undefined) return { reason: 'has no QUERY_TEXT' }
    const shape = sqlShape(sql, { backslashEscapes: true })
    const queuedMs = queues.reduce((sum, name) => sum + (amount(row[name]) ?? 0), 0)
    const clusterSize = sizes[text(row.warehouse_size)?.toLowerCase() ?? '']
    const bytes = amount(row.bytes_scanned) ?? 0
    const database = text(row.database_name) ?? 'unknown'
    return {
      at,
      tenant: database,
      template: text(row.query_parameterized_hash) ?? shape.template,
      args: JSON.stringify(shape.args),
      sql,
      kind: shape.kind,
      // The history tells what was scanned in all, not of which table: it is shared out evenly.
      reads: shape.tables.map((table) => ({ segment: `${database}.${table}`, bytes: bytes / shape.tables.length })),
      queuedMs,
      durationMs: Math.max(0, totalMs - queuedMs),
      ...(clusterSize === undefined ? {} : { clusterSize }),
    }
  },
}
