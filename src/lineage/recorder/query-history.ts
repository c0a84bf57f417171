import type { QueryStatus } from '../../model/query.js'
import type { Statements } from '../database.js'
import type { QueryRow } from './recorder-messages.js'

const unfinished = ['queued', 'planning', 'waiting', 'running']

/** Keeps the latest status of a query. An older status never replaces a final one. */
export function saveQueryRow(sql: Statements, row: QueryRow): void {
  sql.run(
    `INSERT INTO queries VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET state = excluded.state,
       fingerprint = excluded.fingerprint, template = excluded.template, body = excluded.body
     WHERE state NOT IN ('finished', 'failed', 'cancelled') OR excluded.state IN ('finished', 'failed', 'cancelled')`,
    ...row,
  )
}

/** Queries that ran when the server ended have failed; says how many. */
export function failInterrupted(sql: Statements, now: number): number {
  const marks = unfinished.map(() => '?').join(', ')
  const rows = sql.all<[string]>(`SELECT body FROM queries WHERE state IN (${marks})`, ...unfinished)
  for (const [body] of rows) {
    const { waitingFor: _, ...status } = JSON.parse(body) as QueryStatus
    const failed: QueryStatus = {
      ...status,
      state: 'failed',
      finishedAt: now,
      error: { code: 'UNAVAILABLE', message: 'the server ended while the query ran', queryId: status.queryId },
    }
    const { queryId, submittedAt, state, fingerprint = null, template = null } = failed
    saveQueryRow(sql, [queryId, submittedAt, state, fingerprint, template, JSON.stringify(failed)])
  }
  return rows.length
}

/** Forgets the oldest queries beyond a number. */
export function trimHistory(sql: Statements, queriesMax: number): void {
  const [count = 0] = sql.first<[number]>('SELECT count(*) FROM queries') ?? []
  if (count <= queriesMax) return
  sql.run(
    'DELETE FROM queries WHERE id IN (SELECT id FROM queries ORDER BY submitted_at, id LIMIT ?)',
    count - Math.floor(queriesMax * 0.9),
  )
}
