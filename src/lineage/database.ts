import { DatabaseSync, type DatabaseSyncInstance, type StatementSyncInstance } from '@photostructure/sqlite'
import { ForebayError } from '../model/errors.js'

export type Database = DatabaseSyncInstance
export type Statement = StatementSyncInstance

/** How safe a commit is: `full` has reached the disk, `normal` survives the death of the process and is consistent after a power cut. */
export type Durability = 'full' | 'normal'

/** Pages of a write-ahead log at which they are moved into the database. */
const checkpointPages = 4_000

/**
 * What a write-ahead log grows to, about: its pages, and what one large commit adds. What it grew beyond that while somebody read for
 * long, it gives back.
 */
export const writeAheadBytes = 20 << 20

/** How long a transaction waits for that of another connection; theirs are short. */
const lockedMsMax = 10_000

/**
 * A connection that holds nothing once it is closed. The driver leaves one whose statements have not been collected as garbage open, with
 * its transaction and its cache: no checkpoint could pass what a closed reader had seen, and the write-ahead log of the graph grew by
 * 2 MB a second until then.
 */
class Connection extends DatabaseSync {
  override close(): void {
    try {
      if (this.isTransaction) this.exec('ROLLBACK')
      this.exec('PRAGMA shrink_memory')
    } finally {
      super.close()
    }
  }
}

/** Opens a database to write it. More pages in memory saved no CPU with a graph of 33 MB: the system caches the file. */
export function openDatabase(path: string, durability: Durability, cacheBytes = 8 << 20): Database {
  const database = new Connection(path, { timeout: lockedMsMax })
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability};
    PRAGMA cache_size = -${Math.round(cacheBytes / 1024)}; PRAGMA wal_autocheckpoint = ${checkpointPages}; PRAGMA temp_store = MEMORY;
    PRAGMA journal_size_limit = ${writeAheadBytes}`)
  return database
}

/** Opens a database that another connection writes. What it reads once is not worth memory of its own: the system caches the file. */
export function openReadOnly(path: string, cacheBytes = 8 << 20): Database {
  const database = new Connection(path, { readOnly: true, timeout: 2000 })
  database.exec(`PRAGMA cache_size = -${Math.round(cacheBytes / 1024)}; PRAGMA temp_store = MEMORY`)
  return database
}

/** Statements prepared once and kept by their text, rows as arrays. */
export class Statements {
  readonly #database: Database
  readonly #prepared = new Map<string, Statement>()

  constructor(database: Database) {
    this.#database = database
  }

  run(sql: string, ...values: readonly unknown[]): number {
    return this.prepare(sql).run(...values).changes
  }

  first<T extends readonly unknown[]>(sql: string, ...values: readonly unknown[]): T | undefined {
    return this.prepare(sql).get(...values) as T | undefined
  }

  all<T extends readonly unknown[]>(sql: string, ...values: readonly unknown[]): T[] {
    return this.prepare(sql).all(...values) as T[]
  }

  /**
   * All rows of a table in the order of its key, page by page. Not by an iterator of the driver's: one that outlives a garbage
   * collection of its statement is invalid, and may take the process with it.
   */
  *pages<T extends readonly unknown[]>(
    select: string,
    from: string,
    key: readonly string[],
    size: number,
  ): IterableIterator<T[]> {
    const order = key.join(', ')
    const head = `SELECT ${order}, ${select} FROM ${from}`
    let rows = this.all<T>(`${head} ORDER BY ${order} LIMIT ?`, size)
    while (rows.length > 0) {
      const last = rows.at(-1)?.slice(0, key.length) ?? []
      yield rows.map((row) => row.slice(key.length) as unknown as T)
      const places = key.map(() => '?').join(', ')
      rows =
        rows.length < size ? [] : this.all<T>(`${head} WHERE (${order}) > (${places}) ORDER BY ${order} LIMIT ?`, ...last, size)
    }
  }

  prepare(sql: string): Statement {
    let statement = this.#prepared.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      statement.setReturnArrays(true)
      this.#prepared.set(sql, statement)
    }
    return statement
  }
}

/** Runs work in one transaction; nothing of it stays when it throws. */
export function inTransaction<T>(database: Database, work: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const value = work()
    database.exec('COMMIT')
    return value
  } catch (error) {
    // A full disk or a failed COMMIT may have rolled back by itself.
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/** SQLite's codes for a value that a table does not take: too big, against a constraint, of another type. */
const refusals = new Set([18, 19, 20])

/** Whether an error is the fault of what was to be written or of the code that wrote it, not of the disk, a lock or the memory. */
export function isFaultOfValue(error: unknown): boolean {
  const { code, errcode = 0 } = error as { readonly code?: string; readonly errcode?: number }
  return code === 'ERR_SQLITE_ERROR' ? refusals.has(errcode & 0xff) : error instanceof Error
}

/** Names SQLite's operating failures in our words. */
export function fromSqliteError(error: unknown, what: string): ForebayError {
  if (error instanceof ForebayError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (/disk is full|SQLITE_FULL|disk I\/O error/i.test(message)) {
    return new ForebayError('DISK_EXCEEDED', `${what} cannot be written: ${message}`, {
      hint: 'free disk space, or allow the state folder more',
      cause: error,
    })
  }
  return new ForebayError('INTERNAL', `${what}: ${message}`, { cause: error })
}
