import type { NodeId, NodeKind, Role } from '../model/node.js'
import type { SegmentId } from '../model/segment.js'

/** Place in the lineage log, from 0; the next event to apply. */
export type LogOffset = number

/** `segment:ID` → the id itself; nodes are prefixed `node:`. */
export interface SegmentVertex {
  readonly type: 'DataSegment'
  readonly id: SegmentId
  readonly kind: 'base' | 'derived' | 'external'
  readonly dataset: string | null
  readonly version: string | null
  readonly rows: number
  readonly bytes: number
  readonly location: string | null
}
export interface NodeVertex {
  readonly type: 'ProcessingNode'
  readonly id: NodeId
  readonly kind: NodeKind
  readonly roles: readonly Role[]
  readonly host: string
}
export type Vertex = SegmentVertex | NodeVertex

/** Totals of an aggregated edge: integers only, so that any order of the same events gives the same graph. */
export interface EdgeTotals {
  readonly rows: number
  readonly bytes: number
  readonly cpuMicros: number
  readonly peakMemoryBytes: number
  readonly queueMicros: number
  readonly transferMicros: number
}
export interface LineageEdge {
  readonly from: string
  readonly to: string
  readonly type: 'PROCESSED_BY' | 'TRANSFORMED_INTO'
  readonly transformation: { readonly type: string; readonly detail: string; readonly shape: string }
  readonly sourceNode: NodeId
  readonly destinationNode: NodeId
  /** Epoch microseconds. */
  readonly firstAt: number
  readonly lastAt: number
  readonly count: number
  readonly totals: EdgeTotals
  /** `[epoch day, count]`, ascending. */
  readonly days: readonly (readonly [number, number])[]
}
export interface LineageGraph {
  readonly vertices: readonly Vertex[]
  readonly edges: readonly LineageEdge[]
  /** True when `limit` cut it off. */
  readonly truncated: boolean
  /** True when `asOf` is before the checkpoint, so that only existence is known. */
  readonly existenceOnly?: boolean
}

/** A batch of graph changes that the projector computed from consecutive log events. */
export interface LineageBatch {
  /** First log offset of the batch and the one after its last. */
  readonly from: LogOffset
  readonly to: LogOffset
  readonly vertices: readonly Vertex[]
  /** Increments, to be added to the edge with the same key (from, to, type, shape, sourceNode, destinationNode). */
  readonly edges: readonly LineageEdge[]
  /** Derived vertices whose bytes went away, and the vertex (one per snapshot and template) that they fold into. */
  readonly folds: readonly { readonly from: SegmentId; readonly into: SegmentId }[]
}

export interface TraceOptions {
  readonly direction: 'upstream' | 'downstream' | 'both'
  /** Hops over TRANSFORMED_INTO, 1–50. */
  readonly depth: number
  /** Most edges in the answer. */
  readonly limit: number
  /** Epoch microseconds: the graph as it was then. */
  readonly asOf?: number
}
export interface HotSegment {
  readonly id: SegmentId
  readonly dataset: string | null
  readonly degree: number
  /** Decayed weighted degree. */
  readonly hotness: number
}
/** One node's PROCESSED_BY edge from a segment, with its decayed count: what a load score sums over. */
export interface NodeWork {
  readonly node: NodeId
  readonly segment: SegmentId
  readonly transformation: string
  readonly detail: string
  readonly decayedCount: number
}

/** Where the lineage graph lives. A projection of the log: it may lag, be dropped and be rebuilt. */
export interface LineageStore {
  /** Applies a batch once; a batch seen before changes nothing. Resolves when it survives a restart. */
  apply(batch: LineageBatch, signal: AbortSignal): Promise<void>
  /** The first log offset that was not applied, so that projection goes on where it stopped. */
  offset(): Promise<LogOffset>
  /** Vertices and edges reachable from some vertices, nearest first; every PROCESSED_BY edge of each segment reached is included. */
  trace(from: readonly string[], options: TraceOptions, signal: AbortSignal): Promise<LineageGraph>
  /** Segments by decayed degree, hottest first. `at` is epoch microseconds. */
  hottest(limit: number, at: number): Promise<readonly HotSegment[]>
  /** Decayed PROCESSED_BY counts of these segments by node. */
  work(segments: readonly SegmentId[], at: number): Promise<readonly NodeWork[]>
  /** Drops all, so that a rebuild starts from nothing; what follows is a projection of the log named `origin`. */
  clear(origin?: string): Promise<void>
  /** The log that the graph is a projection of, as the last `clear` named it. */
  origin(): Promise<string | undefined>
  /** Order-independent hash and counts of the whole graph, to compare stores and rebuilds. */
  digest(): Promise<{ readonly vertices: number; readonly edges: number; readonly hash: string }>
  close(): Promise<void>
}
