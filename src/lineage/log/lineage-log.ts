import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { ForebayError } from '../../model/errors.js'
import type { LineageEvent } from '../../model/lineage-event.js'
import { type Database, inTransaction, openDatabase, openReadOnly, Statements } from '../database.js'
import type { LogOffset } from '../lineage-store.js'
import { loggedEvent } from './log-body.js'
import { type EventMarks, type MarkedEvent, noMarks } from './marked-event.js'

/** Version of the folder's tables; a higher one was written by a newer Forebay. */
export const lineageFormat = 1

const logSchema = `
CREATE TABLE IF NOT EXISTS log (
  offset INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, arrived INTEGER NOT NULL, body TEXT NOT NULL, marks TEXT);
CREATE TABLE IF NOT EXISTS documents (key TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queries (
  id TEXT PRIMARY KEY, submitted_at INTEGER NOT NULL, state TEXT NOT NULL, fingerprint TEXT, template TEXT, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS queries_by_time ON queries (submitted_at, id);
CREATE INDEX IF NOT EXISTS queries_by_state ON queries (state, submitted_at, id);
CREATE INDEX IF NOT EXISTS queries_by_fingerprint ON queries (fingerprint, submitted_at, id);
CREATE TABLE IF NOT EXISTS checkpoint (number INTEGER NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (number, part));
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`

/** Events of other programs may have megabytes each: more than this is not read at once. */
const readBytesMax = 32 << 20

/** Who reads events once, in their order, needs few pages again. */
const besideCacheBytes = 8 << 20

/** Paths inside the recorder's folder. */
export function lineageFiles(folder: string): { readonly log: string; readonly graph: string } {
  return { log: join(folder, 'log.sqlite'), graph: join(folder, 'graph.sqlite') }
}

/** The log with the other tables that share its commits: history, documents, checkpoints. */
export class LineageLog {
  readonly database: Database
  readonly sql: Statements
  #next: LogOffset

  private constructor(database: Database) {
    this.database = database
    this.sql = new Statements(database)
    this.#next = this.#readNext()
  }

  /** Opens the log for the one who appends to it, makes it when it is absent. Throws STATE_TOO_NEW. */
  static open(path: string, bytesMax: number): LineageLog {
    const database = openDatabase(path, 'full')
    checkFormat(database, path)
    database.exec(logSchema)
    database.exec(`PRAGMA user_version = ${lineageFormat}`)
    const log = new LineageLog(database)
    if (log.fact('id') === undefined) log.setFact('id', randomInt(2 ** 47))
    log.limitBytes(bytesMax)
    return log
  }

  /** Opens the log for marks, checkpoints and truncation, beside the one who appends. */
  static openBeside(path: string, bytesMax: number): LineageLog {
    const log = new LineageLog(openDatabase(path, 'full', besideCacheBytes))
    log.limitBytes(bytesMax)
    return log
  }

  /** Opens the log to read it beside those who write. */
  static openReadOnly(path: string): LineageLog {
    return new LineageLog(openReadOnly(path))
  }

  /** Bounds the file; writes beyond it fail as on a full disk. Never below what the file already takes. */
  limitBytes(bytesMax: number): void {
    const { page_size } = this.database.prepare('PRAGMA page_size').get() as { page_size: number }
    this.database.exec(`PRAGMA max_page_count = ${Math.max(64, Math.floor(bytesMax / page_size))}`)
  }

  /** Bytes in use, free pages not counted. */
  bytes(): number {
    const [pages = 0] = this.sql.first<[number]>('PRAGMA page_count') ?? []
    const [free = 0] = this.sql.first<[number]>('PRAGMA freelist_count') ?? []
    const [size = 0] = this.sql.first<[number]>('PRAGMA page_size') ?? []
    return (pages - free) * size
  }

  /** The offset that the next event will get. */
  next(): LogOffset {
    return this.#next
  }

  /** The first offset that is still there. */
  from(): LogOffset {
    return this.sql.first<[number]>('SELECT min(offset) FROM log')?.[0] ?? this.#next
  }

  /** Adds events (id and JSON text) inside the caller's transaction and says how many were new. */
  append(ids: readonly string[], bodies: readonly string[], arrived: number): number {
    const insert = this.sql.prepare('INSERT OR IGNORE INTO log (offset, id, arrived, body) VALUES (?, ?, ?, ?)')
    const before = this.#next
    for (const [index, id] of ids.entries()) if (insert.run(this.#next, id, arrived, bodies[index]).changes === 1) this.#next++
    return this.#next - before
  }

  /** Somebody else has appended events, up to an offset. */
  reaches(next: LogOffset): void {
    this.#next = Math.max(this.#next, next)
  }

  /** Reads again where the log ends: after a rollback, or beside a writer. */
  refresh(): void {
    this.#next = this.#readNext()
  }

  /** Events from an offset on, in order; fewer than asked for where they are large, at least one. */
  read(from: LogOffset, count: number): MarkedEvent[] {
    const sizes = this.sql.all<[number]>(
      'SELECT octet_length(body) FROM log WHERE offset >= ? ORDER BY offset LIMIT ?',
      from,
      count,
    )
    let bytes = 0
    const fitting = sizes.findIndex(([size]) => {
      bytes += size
      return bytes > readBytesMax
    })
    const rows = this.sql.all<[number, string, string | null]>(
      'SELECT offset, body, marks FROM log WHERE offset >= ? ORDER BY offset LIMIT ?',
      from,
      fitting === -1 ? count : Math.max(1, fitting),
    )
    return rows.map(([offset, body, marks]) => ({
      offset,
      event: loggedEvent(body),
      marks: marks === null ? noMarks : (JSON.parse(marks) as EventMarks),
    }))
  }

  event(offset: LogOffset): LineageEvent | undefined {
    const row = this.sql.first<[string]>('SELECT body FROM log WHERE offset = ?', offset)
    return row === undefined ? undefined : loggedEvent(row[0])
  }

  /** Keeps the marks of some events, for the other graphs. */
  mark(events: readonly MarkedEvent[]): void {
    if (events.length === 0) return
    inTransaction(this.database, () => {
      for (const { offset, marks } of events) {
        const text = JSON.stringify(marks)
        this.sql.run('UPDATE log SET marks = ? WHERE offset = ? AND marks IS NOT ?', text, offset, text)
      }
    })
  }

  /** Tells this log from every other. */
  id(): string {
    return String(this.fact('id'))
  }

  fact(name: string): number | undefined {
    return this.sql.first<[number]>('SELECT value FROM facts WHERE name = ?', name)?.[0]
  }

  setFact(name: string, value: number): void {
    this.sql.run('INSERT OR REPLACE INTO facts VALUES (?, ?)', name, value)
  }

  close(): void {
    this.database.close()
  }

  #readNext(): LogOffset {
    const [last] = this.sql.first<[number | null]>('SELECT max(offset) FROM log') ?? [null]
    // After everything was truncated the offsets go on from where the log ended.
    return Math.max(last === null ? 0 : last + 1, this.fact('truncatedTo') ?? 0)
  }
}

function checkFormat(database: Database, path: string): void {
  const { user_version: format } = database.prepare('PRAGMA user_version').get() as { user_version: number }
  if (format <= lineageFormat) return
  database.close()
  throw new ForebayError('STATE_TOO_NEW', `"${path}" has format ${format}; this version reads up to ${lineageFormat}`, {
    hint: 'start the newer version of forebay, or use another state folder',
  })
}
