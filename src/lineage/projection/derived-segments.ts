import type { LineageOutput, TaskEvent } from '../../model/lineage-event.js'
import type { Role } from '../../model/node.js'
import type { SegmentId, SnapshotId } from '../../model/segment.js'
import type { Statements } from '../database.js'
import { foldTarget, isDerived } from '../graph/folding.js'
import type { LogOffset } from '../lineage-store.js'
import type { Renames } from '../log/marked-event.js'

/** Parents are followed at most this far; a tree of tasks is a few levels deep. */
const depthMax = 64

type Origin = [template: string, role: Role, snapshots: string, parents: string]

/**
 * How each derived segment came to be, and what became of it. `seen` is the offset of the event that was taken when it was last made,
 * evicted or answered: so long as that one is in the log, what comes late can still mean the segment.
 */
export class DerivedSegments {
  readonly #sql: Statements

  constructor(sql: Statements) {
    this.#sql = sql
  }

  /** A task made the segment. The first origin in the log stands: a second one made the same content. */
  made(seen: LogOffset, event: TaskEvent, output: LineageOutput, renames: Renames): void {
    const snapshots = new Set(event.baseReads.map((read) => read.snapshot))
    const parents = new Set<SegmentId>()
    for (const { segment } of event.derivedReads) {
      // What folded before may be forgotten before this one folds: its snapshots are taken over at once.
      if (renames[segment] !== undefined) for (const snapshot of this.#snapshotsOf(segment)) snapshots.add(snapshot)
      else if (isDerived(segment)) parents.add(segment)
    }
    this.#sql.run(
      `INSERT INTO derived VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?)
       ON CONFLICT DO UPDATE SET made_at = min(made_at, excluded.made_at), dataset = coalesce(dataset, excluded.dataset), seen = excluded.seen`,
      output.segment,
      event.template ?? event.transformation.shape,
      event.role,
      JSON.stringify([...snapshots].sort()),
      JSON.stringify([...parents].sort()),
      event.at,
      output.dataset ?? null,
      seen,
    )
  }

  /**
   * The folded vertex that stands for the segment in what happened at a time. What happened after the eviction means that the
   * segment is there again.
   */
  resolve(segment: SegmentId, at: number): SegmentId | undefined {
    const row = this.#sql.first<[string | null, number]>('SELECT folded, evicted_at FROM derived WHERE id = ?', segment)
    if (row === undefined || row[0] === null) return undefined
    if (at <= row[1]) return row[0]
    this.#sql.run('UPDATE derived SET folded = NULL WHERE id = ?', segment)
    return undefined
  }

  /** Answers with the segment, which may come from memory long after its bytes went: gives the folded vertex that stands for it now. */
  answered(segment: SegmentId, seen: LogOffset): SegmentId | undefined {
    const update = 'UPDATE derived SET seen = ? WHERE id = ? AND folded IS NOT NULL RETURNING folded'
    return this.#sql.first<[string]>(update, seen, segment)?.[0]
  }

  /** Evicts: the vertex to fold into (absent when there is nothing to fold), or which origin must be known first. */
  evict(segment: SegmentId, at: number, seen: LogOffset): { readonly missing: SegmentId } | { readonly fold?: SegmentId } {
    const row = this.#sql.first<[string | null, string | null, number, number | null]>(
      'SELECT dataset, folded, made_at, evicted_at FROM derived WHERE id = ?',
      segment,
    )
    // A segment that was only ever made after this eviction was there before too, by an event that has not come yet.
    if (row === undefined || (row[3] === null && row[2] > at)) return { missing: segment }
    const [dataset, folded, , evictedAt] = row
    if (dataset !== null) return {}
    if (folded !== null) {
      this.#sql.run('UPDATE derived SET evicted_at = max(evicted_at, ?), seen = ? WHERE id = ?', at, seen, segment)
      return {}
    }
    if (evictedAt !== null && at <= evictedAt) return {}
    const snapshots = new Set<SnapshotId>()
    const missing = this.#closure(segment, snapshots, 0)
    if (missing !== undefined) return { missing }
    const [template, role] = this.#origin(segment) ?? ['', 'leaf' as const]
    const fold = foldTarget(template, role, [...snapshots])
    this.#sql.run(
      'UPDATE derived SET evicted_at = ?, folded = ?, snapshots = ?, parents = ?, seen = ? WHERE id = ?',
      at,
      fold,
      JSON.stringify([...snapshots].sort()),
      '[]',
      seen,
      segment,
    )
    return { fold }
  }

  existing(): SegmentId[] {
    return this.#sql.all<[string]>('SELECT id FROM derived WHERE folded IS NULL AND dataset IS NULL').map(([id]) => id)
  }

  /**
   * Before evicted segments are forgotten whose last events come before an offset: results of queries that they were become the folded
   * vertices, and what was made of them knows their snapshots. Goes through all that is known, so once for a whole truncation: whatever
   * speaks of such a segment later keeps it, or takes its snapshots over.
   */
  bequeath(offset: LogOffset): void {
    this.#sql.run(
      `UPDATE OR IGNORE results SET segment = (SELECT folded FROM derived WHERE derived.id = results.segment)
         WHERE segment IN (SELECT id FROM derived WHERE folded IS NOT NULL AND seen < ?)`,
      offset,
    )
    this.#bequeathSnapshots(offset)
  }

  /** Forgets evicted segments whose last events come before an offset. */
  forget(offset: LogOffset): void {
    this.#sql.run('DELETE FROM derived WHERE folded IS NOT NULL AND seen < ?', offset)
  }

  /** Forgets which segments were results of queries, but for the latest so many queries. */
  keepResults(queries: number): void {
    this.#sql.run(
      `DELETE FROM results WHERE seen <=
         (SELECT max(seen) AS latest FROM results GROUP BY query ORDER BY latest DESC LIMIT 1 OFFSET ?)`,
      queries,
    )
  }

  /** Segments that were made of forgotten ones fold later, and must know their snapshots. */
  #bequeathSnapshots(offset: LogOffset): void {
    const forgotten = this.#sql.all<[SegmentId, string, string, string]>(
      `SELECT child.id, child.snapshots, child.parents, json_group_array(json_array(parent.id, json(parent.snapshots)))
         FROM derived child, json_each(child.parents) named JOIN derived parent ON parent.id = named.value
         WHERE parent.folded IS NOT NULL AND parent.seen < ? GROUP BY child.id`,
      offset,
    )
    for (const [child, snapshots, parents, gone] of forgotten) {
      const left = new Map(JSON.parse(gone) as [SegmentId, SnapshotId[]][])
      const joined = new Set([...(JSON.parse(snapshots) as SnapshotId[]), ...[...left.values()].flat()])
      this.#sql.run(
        'UPDATE derived SET snapshots = ?, parents = ? WHERE id = ?',
        JSON.stringify([...joined].sort()),
        JSON.stringify((JSON.parse(parents) as SegmentId[]).filter((parent) => !left.has(parent))),
        child,
      )
    }
  }

  /** Collects the snapshots behind a segment; gives the first ancestor whose origin is not known. */
  #closure(segment: SegmentId, into: Set<SnapshotId>, depth: number): SegmentId | undefined {
    const origin = this.#origin(segment)
    if (origin === undefined) return segment
    for (const snapshot of JSON.parse(origin[2]) as SnapshotId[]) into.add(snapshot)
    if (depth >= depthMax) return undefined
    for (const parent of JSON.parse(origin[3]) as SegmentId[]) {
      const missing = this.#closure(parent, into, depth + 1)
      if (missing !== undefined) return missing
    }
    return undefined
  }

  #snapshotsOf(segment: SegmentId): readonly SnapshotId[] {
    return JSON.parse(this.#origin(segment)?.[2] ?? '[]') as SnapshotId[]
  }

  #origin(segment: SegmentId): Origin | undefined {
    return this.#sql.first<Origin>('SELECT template, role, snapshots, parents FROM derived WHERE id = ?', segment)
  }
}
