import type { Column, Snapshot } from '../model/segment.js'

export type WriteMode = 'create' | 'replace' | 'insert'

/** One file that a node made for a written table. */
export interface WrittenFile {
  /** Absolute, inside the write's folder. */
  readonly path: string
  readonly rows: number
  readonly bytes: number
}

export interface CommitOptions {
  /** Remembered with `result` in the same commit, so that a repeated write can be answered without being done again. */
  readonly idempotencyKey?: string
  readonly result?: unknown
}

/** A write that nobody sees yet. Ends with exactly one `commit` or `abort`; after a rejected commit nothing is left to do. */
export interface TableWrite {
  /** Exists and is empty: the files go here. */
  readonly folder: string
  /** Columns of the table as it will be; an insert's rows are cast to them by position. */
  readonly columns: readonly Column[]
  /**
   * Makes the files part of the table, durably, in their order. Rejects with WRITE_CONFLICT when another write of the table
   * was committed since `beginWrite`, with FILE_UNREADABLE, DISK_EXCEEDED or UNAVAILABLE; the table is then as it was, unless
   * the message says that the write took effect. `remember` is told the snapshot that the commit makes.
   */
  commit(files: readonly WrittenFile[], remember?: (snapshot: Snapshot) => CommitOptions): Promise<Snapshot>
  /** Gives it up and removes its files. */
  abort(): Promise<void>
}
