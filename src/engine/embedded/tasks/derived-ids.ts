/**
 * Ids of what a query makes. They name content up to SQL equality, so they are the keys of reuse: the same statement over
 * the same segments is the same id, whatever made it. What a relation reads is part of the id by its segments and not by its
 * snapshot, so that a snapshot that differs elsewhere changes nothing.
 */
import type { DatasetRead, Plan } from '../../../model/query.js'
import { type DerivationContext, derivedSegmentId, type SegmentId, type Snapshot, stableHash } from '../../../model/segment.js'

/** Raised when the splitter's partials change their meaning, or stored answers may have been wrong, so that older ones are not found. */
const splitterVersion = '5'

export interface Identity {
  readonly plan: Plan
  readonly timeZone: string
  readonly engineVersion: string
  readonly snapshot: (read: DatasetRead) => Snapshot
}

/** Ids of the segments that a read keeps, in the order of its ordinals. */
export function keptSegments(read: DatasetRead, snapshot: Snapshot): readonly SegmentId[] {
  return read.segments.flatMap((ordinal) => snapshot.segments[ordinal]?.id ?? [])
}

/** Id of the answer. `salt` makes it unique where the statement does not repeat (`random()`). */
export function answerId(identity: Identity, salt: string): SegmentId {
  const { plan } = identity
  const parents = plan.reads.flatMap((read) => parentsOf(read, identity))
  return derivedSegmentId([...parents, plan.repeatable ? '' : salt], plan.work.whole.sql, contextOf(identity))
}

/** What all partials of one leaf statement have in common: the statement and all that it reads but the shared-out segments. */
export function leafWork(identity: Identity, leafSql: string, distributed: string): string {
  const parents = identity.plan.reads.flatMap((read) =>
    // A column may have another type with another file beside it, and then its values are others.
    read.relation === distributed ? [typesOf(read)] : parentsOf(read, identity),
  )
  return derivedSegmentId(parents, leafSql, contextOf(identity))
}

/** Id of the partial of some shared-out segments. */
export function partialId(work: string, segments: readonly SegmentId[]): SegmentId {
  return `d-${stableHash([work, 'partial', ...segments])}`
}

/** Id of what a merge makes of partials. */
export function mergedId(mergeSql: string, partials: readonly SegmentId[]): SegmentId {
  return `d-${stableHash([mergeSql, 'merged', ...partials])}`
}

function parentsOf(read: DatasetRead, identity: Identity): readonly string[] {
  return [typesOf(read), ...keptSegments(read, identity.snapshot(read))]
}

function typesOf({ relation, columns }: DatasetRead): string {
  return `${relation}:${columns.map(({ name, type }) => `${name} ${type}`).join()}`
}

function contextOf({ plan, timeZone, engineVersion }: Identity): DerivationContext {
  return { engine: engineVersion, splitter: splitterVersion, timeZone, collation: 'binary', parameterTypes: plan.parameterTypes }
}
