import { ForebayError } from '../../model/errors.js'
import type { QueryStatus } from '../../model/query.js'
import { type Database, Statements } from '../database.js'
import type { HistoryRequest } from '../lineage-reader-port.js'

/** Reads the history of queries. */
export class HistoryQueries {
  readonly #sql: Statements

  constructor(database: Database) {
    this.#sql = new Statements(database)
  }

  /** `{"queries":[…],"next"?}`, with times as the API shows them. */
  list(request: HistoryRequest): string {
    const conditions = ['(submitted_at, id) < (?, ?)']
    const values: (string | number)[] = [...decodeCursor(request.cursor)]
    if (request.state !== undefined) {
      conditions.push('state = ?')
      values.push(request.state)
    }
    if (request.template !== undefined) {
      conditions.push(/^[0-9a-f]{16}$/.test(request.template) ? 'fingerprint = ?' : 'template = ?')
      values.push(request.template)
    }
    const rows = this.#sql.all<[string, number, string]>(
      `SELECT id, submitted_at, body FROM queries WHERE ${conditions.join(' AND ')} ORDER BY submitted_at DESC, id DESC LIMIT ?`,
      ...values,
      request.limit + 1,
    )
    const page = rows.slice(0, request.limit)
    const last = page.at(-1)
    const next =
      rows.length > request.limit && last !== undefined ? `,"next":${JSON.stringify(encodeCursor(last[1], last[0]))}` : ''
    return `{"queries":[${page.map(([, , body]) => JSON.stringify(shownQuery(JSON.parse(body) as QueryStatus))).join(',')}]${next}}`
  }

  find(queryId: string): string | undefined {
    return this.#sql.first<[string]>('SELECT body FROM queries WHERE id = ?', queryId)?.[0]
  }
}

/** A status as the API shows it: times in ISO-8601. */
function shownQuery(status: QueryStatus): object {
  const { submittedAt, startedAt, finishedAt, ...rest } = status
  const time = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString())
  return { ...rest, submittedAt: time(submittedAt), startedAt: time(startedAt), finishedAt: time(finishedAt) }
}

function encodeCursor(submittedAt: number, id: string): string {
  return Buffer.from(JSON.stringify([submittedAt, id])).toString('base64url')
}

function decodeCursor(cursor: string | undefined): [number, string] {
  if (cursor === undefined) return [Number.MAX_SAFE_INTEGER, '']
  try {
    const [submittedAt, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as [unknown, unknown]
    if (typeof submittedAt === 'number' && typeof id === 'string') return [submittedAt, id]
  } catch {
    // Told below, as for any other text that is no cursor.
  }
  throw new ForebayError('REQUEST_INVALID', `"${cursor}" is no cursor of a page`)
}
