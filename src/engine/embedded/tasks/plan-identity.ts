import { ForebayError } from '../../../model/errors.js'
import type { DatasetRead, Plan } from '../../../model/query.js'
import type { SegmentId } from '../../../model/segment.js'
import type { EngineParts } from '../engine-parts.js'
import { type Identity, keptSegments } from './derived-ids.js'

/** Where the ids of a plan's segments come from. */
export function identityOf(parts: EngineParts, timeZone: string, plan: Plan): Identity {
  const snapshots = new Map(plan.reads.map((read) => [read.snapshot, parts.catalog.snapshot(read.snapshot)]))
  return {
    plan,
    timeZone,
    engineVersion: parts.engineVersion,
    snapshot: (read) => snapshots.get(read.snapshot) ?? forgotten(read),
  }
}

/** Ids of all segments that a plan keeps, in order. */
export function keptIds(plan: Plan, identity: Identity): readonly SegmentId[] {
  return plan.reads.flatMap((read) => keptSegments(read, identity.snapshot(read)))
}

/** The catalogue has forgotten the snapshot: its files may be gone, so the query is planned again. */
function forgotten(read: DatasetRead): never {
  throw new ForebayError('SEGMENT_CHANGED', `snapshot "${read.snapshot}" of table "${read.dataset}" is not known any more`)
}
