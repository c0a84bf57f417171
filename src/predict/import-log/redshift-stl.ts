import { amount, text, time } from './fields.js'
import type { Importer } from './importer.js'
import { sqlShape } from './sql-shape.js'

/**
 * Amazon Redshift: STL_QUERY (joined with STL_WLM_QUERY where the queue is wanted) or SYS_QUERY_HISTORY, unloaded as CSV with a
 * header. Times of the system views are microseconds. Neither tells bytes per table, so tables are named with none.
 */
export const redshiftStl: Importer = {
  layout: 'csv',
  query(row) {
    const at = time(row.starttime ?? row.start_time)
    const end = time(row.endtime ?? row.end_time)
    const sql = text(row.querytxt ?? row.query_text)
    if (at === undefined || end === undefined) return { reason: 'has no start and end time (starttime, endtime)' }
    if (sql === undefined) return { reason: 'has no text (querytxt or query_text)' }
    const shape = sqlShape(sql.replaceAll('\\n', '\n'), { backslashEscapes: true })
    const queuedMs = Math.round((amount(row.total_queue_time ?? row.queue_time) ?? 0) / 1000)
    return {
      at,
      tenant: text(row.database ?? row.database_name)?.trim() ?? text(row.userid ?? row.user_id) ?? 'unknown',
      template: shape.template,
      args: JSON.stringify(shape.args),
      sql,
      kind: shape.kind,
      reads: shape.tables.map((segment) => ({ segment, bytes: 0 })),
      queuedMs,
      durationMs: Math.max(0, end - at - queuedMs),
    }
  },
}
