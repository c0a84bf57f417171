import { text, time } from './fields.js'
import type { Importer } from './importer.js'
import { sqlShape } from './sql-shape.js'

const message = /^duration: (\d+(?:\.\d+)?) ms\s+(?:statement|execute [^:]*): ([\s\S]+)$/
const parameter = /\$\d+ = (NULL|'(?:[^']|'')*')/g

/**
 * PostgreSQL's csvlog with `log_min_duration_statement = 0`. A line is written when its statement ends, so it began its duration
 * before. Lines without a duration and a statement are passed over. Times are in the log's zone; names of zones other than UTC
 * cannot be read, so set `log_timezone = 'UTC'`.
 */
export const postgresCsvlog: Importer = {
  layout: 'csv',
  columns: [
    'log_time',
    'user_name',
    'database_name',
    'process_id',
    'connection_from',
    'session_id',
    'session_line_num',
    'command_tag',
    'session_start_time',
    'virtual_transaction_id',
    'transaction_id',
    'error_severity',
    'sql_state_code',
    'message',
    'detail',
  ],
  query(row) {
    const end = time(row.log_time)
    if (end === undefined) return { reason: 'has no log_time in UTC' }
    const match = message.exec(text(row.message) ?? '')
    if (match === null) return 'ignored'
    const [, duration, sql = ''] = match
    const shape = sqlShape(sql)
    const bound = [...(text(row.detail) ?? '').matchAll(parameter)].map(([, value = '']) => value.replace(/^'|'$/g, ''))
    const tenant = text(row.database_name) ?? 'unknown'
    const durationMs = Number(duration)
    return {
      at: end - durationMs,
      tenant,
      template: shape.template,
      args: JSON.stringify([...shape.args, ...bound]),
      sql,
      kind: shape.kind,
      reads: shape.tables.map((table) => ({ segment: `${tenant}.${table}`, bytes: 0 })),
      queuedMs: 0,
      durationMs,
    }
  },
}
