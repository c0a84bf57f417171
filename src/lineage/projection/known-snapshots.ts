import type { SnapshotEvent } from '../../model/lineage-event.js'
import type { SnapshotId } from '../../model/segment.js'
import type { Statements } from '../database.js'
import type { KnownSegment } from '../graph/contribution.js'

/** Snapshots whose expanded form is kept in memory. */
const cachedMax = 32
const microsPerDay = 86_400_000_000

/** Snapshots that the log has named. A segment's facts are kept once, however many snapshots it belongs to. */
export class KnownSnapshots {
  readonly #sql: Statements
  readonly #cache = new Map<SnapshotId, readonly KnownSegment[]>()

  constructor(sql: Statements) {
    this.#sql = sql
  }

  add(event: SnapshotEvent): void {
    for (const { id, rows, bytes, columnBytes } of event.segments) {
      this.#sql.run(
        'INSERT OR IGNORE INTO segments VALUES (?, ?, ?, ?, ?)',
        id,
        event.dataset,
        rows,
        bytes,
        JSON.stringify(columnBytes),
      )
    }
    const isNew = this.#sql.run(
      'INSERT OR IGNORE INTO snapshots VALUES (?, ?, ?, ?)',
      event.snapshot,
      event.dataset,
      event.at,
      JSON.stringify(event.segments.map((segment) => segment.id)),
    )
    if (isNew === 1) return
    // Its id is by its content: a table whose new file goes away again comes back to it.
    this.#sql.run(
      'INSERT OR IGNORE INTO snapshot_returns SELECT dataset, ?1, id FROM snapshots WHERE id = ?2 AND at <> ?1',
      event.at,
      event.snapshot,
    )
  }

  /**
   * Forgets snapshots that were replaced before a time (epoch microseconds), but for the last one of each day and those that their
   * tables came back to: each names all segments of its table, so those of a table that gets a file every minute would grow with its
   * square.
   */
  thin(before: number): void {
    this.#sql.run(
      `DELETE FROM snapshots WHERE rowid IN (SELECT rowid FROM (SELECT rowid, at,
           lead(at) OVER (PARTITION BY dataset COLLATE NOCASE ORDER BY at, rowid) AS until FROM snapshots)
         WHERE until < ? AND at / ${microsPerDay} = until / ${microsPerDay}) AND id NOT IN (SELECT snapshot FROM snapshot_returns)`,
      before,
    )
    this.forget()
  }

  has(id: SnapshotId): boolean {
    return this.#cache.has(id) || this.#sql.first('SELECT 1 FROM snapshots WHERE id = ?', id) !== undefined
  }

  /** The snapshot's segments by ordinal. */
  segments(id: SnapshotId): readonly KnownSegment[] | undefined {
    const cached = this.#cache.get(id)
    if (cached !== undefined) return cached
    const rows = this.#sql.all<[string, string, number, number, string]>(
      `SELECT s.id, s.dataset, s.rows, s.bytes, s.columns FROM snapshots p, json_each(p.segments) e
         CROSS JOIN segments s ON s.id = e.value WHERE p.id = ? ORDER BY e.key`,
      id,
    )
    if (rows.length === 0 && !this.has(id)) return undefined
    const segments = rows.map(([segment, dataset, count, bytes, columns]) => ({
      id: segment,
      dataset,
      rows: count,
      bytes,
      columnBytes: JSON.parse(columns) as Record<string, number>,
    }))
    if (this.#cache.size >= cachedMax) for (const oldest of this.#cache.keys()) if (this.#cache.delete(oldest)) break
    this.#cache.set(id, segments)
    return segments
  }

  forget(): void {
    this.#cache.clear()
  }
}
