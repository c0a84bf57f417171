import type { NodeId, Role } from './node.js'
import type { BaseSegment, Column, SegmentId, SnapshotId } from './segment.js'
import type { Transformation } from './transformation.js'

/** One segment moved from a source node to a destination node. Source and destination are equal where nothing moved. */
export interface Transfer {
  readonly segment: SegmentId
  readonly source: NodeId
  readonly destination: NodeId
  readonly via: 'file' | 'network'
  readonly bytes: number
  readonly rows: number
  readonly micros: number
  /** Epoch microseconds at the end of the move. */
  readonly at: number
}

/** The base segments of one snapshot that a task read: costs are totals over them and are apportioned by bytes. */
export interface BaseRead {
  readonly dataset: string
  readonly snapshot: SnapshotId
  /** Bitmap over the snapshot's ordinals, base64, least significant bit of byte 0 is ordinal 0. */
  readonly segments: string
  readonly columns: readonly string[]
  /** A pack read is a read with `tier: 'pack'`. */
  readonly tier: 'parquet' | 'pack'
  /** `storage`, or the node itself when the blocks were in its own buffers. */
  readonly source: NodeId
  readonly bytes: number
  readonly rows: number
  readonly micros: number
}

/** A derived segment that a task read. */
export interface DerivedRead {
  readonly segment: SegmentId
  readonly tier: 'remote' | 'reused'
  readonly source: NodeId
  readonly bytes: number
  readonly rows: number
}

/** What a task cost; integers only, so that any order of the same events gives the same graph. */
export interface TaskCost {
  readonly cpuMicros: number
  readonly peakMemoryBytes: number
  readonly queueMicros: number
  readonly wallMicros: number
}

export interface LineageOutput {
  readonly segment: SegmentId
  /** Dataset the segment belongs to, for a written table's file; absent for partials and answers. */
  readonly dataset?: string
  readonly version?: string
  readonly rows: number
  readonly bytes: number
  /** Where the bytes stand; empty when they were not kept, so that the vertex is folded at once. */
  readonly location: string
}

/** The record of one task (or pack build, import or write), with its reads and transfers, as captured by the node. */
export interface TaskEvent {
  readonly kind: 'task' | 'pack' | 'write' | 'import'
  /** Unique: task id and attempt. Recording the same id twice changes nothing. */
  readonly id: string
  /** Epoch microseconds at the end of the task. */
  readonly at: number
  readonly queryId?: string
  readonly tenant?: string
  /** Fingerprint of the query's template. */
  readonly template?: string
  readonly node: NodeId
  readonly incarnation: number
  readonly role: Role
  readonly transformation: Transformation
  readonly baseReads: readonly BaseRead[]
  readonly derivedReads: readonly DerivedRead[]
  readonly transfers: readonly Transfer[]
  readonly output?: LineageOutput
  readonly cost: TaskCost
}

/** A snapshot became known: lets the projector expand bitmaps into segments. Logged before any event that names it. */
export interface SnapshotEvent {
  readonly kind: 'snapshot'
  readonly id: string
  readonly at: number
  readonly snapshot: SnapshotId
  readonly dataset: string
  readonly segments: readonly Pick<BaseSegment, 'id' | 'rows' | 'bytes' | 'columnBytes'>[]
  /** Path and version of each segment's file, in the same order. */
  readonly locations: readonly { readonly path: string; readonly version: string }[]
}

/** Column lineage of an answer or a written table, from the unoptimised bound plan. */
export interface ColumnEvent {
  readonly kind: 'columns'
  readonly id: string
  readonly at: number
  readonly queryId: string
  /** Written table, or absent for an answer. */
  readonly table?: string
  readonly columns: readonly ColumnLineage[]
}

/** How an output column depends on an input column, in OpenLineage's words. */
export interface ColumnDependency {
  readonly dataset: string
  readonly column: string
  readonly kind: 'DIRECT' | 'INDIRECT'
  readonly subtype:
    | 'IDENTITY'
    | 'TRANSFORMATION'
    | 'AGGREGATION'
    | 'JOIN'
    | 'GROUP_BY'
    | 'FILTER'
    | 'SORT'
    | 'WINDOW'
    | 'CONDITIONAL'
}

export interface ColumnLineage {
  readonly column: string
  readonly inputs: readonly ColumnDependency[]
}

/** The bytes of derived segments went away; the projector folds their vertices. */
export interface EvictionEvent {
  readonly kind: 'eviction'
  readonly id: string
  readonly at: number
  readonly segments: readonly SegmentId[]
}

/** The answer of a query: which segment it was and who got it. Lets `from=query:ID` work after the bytes are gone. */
export interface AnswerEvent {
  readonly kind: 'answer'
  readonly id: string
  readonly at: number
  readonly queryId: string
  readonly tenant: string
  readonly template: string
  readonly segment: SegmentId
  readonly columns: readonly Column[]
  /** The move of the answer from the root (or from the spool, when reused) to the client. */
  readonly transfer: Transfer
  readonly reused: boolean
}

/**
 * A write was committed: the files that the tasks of this query wrote (events of kind `write` or `import` without an output of
 * their own) became these base segments. Recorded by the coordinator; order does not matter.
 */
export interface WrittenEvent {
  readonly kind: 'written'
  readonly id: string
  readonly at: number
  readonly queryId: string
  readonly table: string
  readonly snapshot: SnapshotId
  /** The new segments only, not those that the table had before. */
  readonly segments: readonly { readonly id: SegmentId; readonly rows: number; readonly bytes: number }[]
}

/** What another program reported of its own work, in OpenLineage's words. */
export interface ExternalEvent {
  readonly kind: 'openlineage'
  /** Made of the text, so that an event that is sent twice is the same event. Letters, digits and dashes. */
  readonly id: string
  /** The event's own time, epoch microseconds. */
  readonly at: number
  /** The event as it was sent: JSON, byte for byte. */
  readonly text: string
}

export type LineageEvent = TaskEvent | SnapshotEvent | ColumnEvent | EvictionEvent | AnswerEvent | WrittenEvent | ExternalEvent
