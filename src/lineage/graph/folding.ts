/**
 * Folding keeps the graph as large as the data and the shapes of queries, not as their number: a derived segment whose bytes went
 * away becomes part of one vertex for its snapshots, its template and its role in the tree, so that the levels of a tree stay
 * visible. The folded vertex has no rows and no bytes; its edges carry the sums.
 */
import type { Role } from '../../model/node.js'
import { type SegmentId, type SnapshotId, stableHash } from '../../model/segment.js'
import type { SegmentVertex } from '../lineage-store.js'

/** The vertex that a derived segment folds into. */
export function foldTarget(template: string, role: Role, snapshots: readonly SnapshotId[]): SegmentId {
  return `d-folded-${stableHash([template, role, ...[...snapshots].sort()], 16)}`
}

/** Whether an id names derived bytes that may be evicted. */
export function isDerived(id: SegmentId): boolean {
  return id.startsWith('d-') && !isFolded(id)
}

/** Whether an id names a folded vertex. */
export function isFolded(id: SegmentId): boolean {
  return id.startsWith('d-folded-')
}

/** A folded vertex as every store keeps it. */
export function foldedVertex(id: SegmentId): SegmentVertex {
  return { type: 'DataSegment', id, kind: 'derived', dataset: null, version: null, rows: 0, bytes: 0, location: null }
}
