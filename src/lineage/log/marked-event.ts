import type { LineageEvent } from '../../model/lineage-event.js'
import type { SegmentId } from '../../model/segment.js'
import type { LogOffset } from '../lineage-store.js'
import type { ExternalChange } from '../openlineage/external-contribution.js'

/** Derived segments by the folded vertex that stands for them at the time of an event. */
export type Renames = Readonly<Record<SegmentId, SegmentId>>

/**
 * What the order of the log decides about an event, worked out once when the event is first projected and kept beside it in
 * the log. With its marks an event's contribution to the graph is a function of the event alone.
 */
export interface EventMarks {
  /** Could not be taken, now or later: contributes nothing. */
  readonly setAside?: true
  /** Names a snapshot that was not known yet: contributes where a later event releases it. */
  readonly deferred?: true
  readonly renames?: Renames
  /** Vertices that fold here, after this event's contribution. */
  readonly folds?: readonly { readonly from: SegmentId; readonly into: SegmentId }[]
  /** Earlier events that contribute here. */
  readonly releases?: readonly { readonly offset: LogOffset; readonly renames?: Renames }[]
  /** Write tasks and the commits that turned their files into segments. */
  readonly links?: readonly { readonly write: LogOffset; readonly written: LogOffset; readonly renames?: Renames }[]
  /** What an event of a run of another program adds, when earlier events told of the run; else it adds all that it says. */
  readonly external?: ExternalChange
}

/** One event of the log, ready to be projected. */
export interface MarkedEvent {
  readonly offset: LogOffset
  readonly event: LineageEvent
  readonly marks: EventMarks
}

/** Marks that say nothing. */
export const noMarks: EventMarks = {}
