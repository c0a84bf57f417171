import type { NodeId, Role } from '../model/node.js'
import type { QueryId } from '../model/query.js'
import type { Estimate, ResourceName, Resources } from '../model/resources.js'
import type { SegmentId } from '../model/segment.js'
import type { Operator } from '../model/transformation.js'

/** A base segment that the query would read, after pruning. */
export interface TouchedSegment {
  readonly id: SegmentId
  readonly dataset: string
  /** Of the columns that the query reads. */
  readonly bytes: number
  readonly rows: number
  /** Nodes that hold it warm now. */
  readonly warmOn: readonly NodeId[]
}

/** One node's decayed PROCESSED_BY count, as the lineage graph gives it (same shape as the lineage store's). */
export interface NodeWork {
  readonly node: NodeId
  readonly segment: SegmentId
  readonly transformation: string
  /** Canonical operators, joined by `; ` or any text: only the words of operators in it are counted. */
  readonly detail: string
  readonly decayedCount: number
}

/** What the scheduler would give one node to do for the query. */
export interface PlacedWork {
  readonly node: NodeId
  readonly role: Role
  /** Bytes that its tasks read, and how many of them are warm on it. */
  readonly bytes: number
  readonly warmBytes: number
  /** Bytes expected to come to it from other nodes (partials, segments of other nodes' disks). */
  readonly networkBytes: number
}

/** Everything that a prediction may look at: plain data, so that the same question can be asked again and gives the same answer. */
export interface PredictionInput {
  /** Epoch milliseconds: now. */
  readonly at: number
  readonly tenant: string
  /** Fingerprint of the template. */
  readonly fingerprint: string
  /** Hash of the literals (and parameters): with fingerprint and segments it names an exact repeat. */
  readonly literals: string
  readonly kind: 'read' | 'write'
  /** Operators of the whole statement (of leaf, merge and root stages together where it is split). */
  readonly operators: readonly Operator[]
  readonly segments: readonly TouchedSegment[]
  /** Of these segments, never changed afterwards; empty where the graph has not answered: then the prior leans on history alone. */
  readonly work: readonly NodeWork[]
  readonly placement: readonly PlacedWork[]
  /** Queries that run and that wait now, this one not counted. */
  readonly running: number
  readonly queued: number
}

/** What one node will need. */
export interface NodeNeed {
  readonly node: NodeId
  readonly role: Role
  readonly loadScore: number
  readonly cpuMs: Estimate
  readonly memoryBytes: Estimate
  readonly networkBytes: Estimate
}

/** What a query will need, where, how sure that is, and the numbers it comes from. */
export interface Prediction {
  readonly fingerprint: string
  readonly segments: readonly TouchedSegment[]
  /** Whether each of the segments is hot, in their order. */
  readonly hot: readonly boolean[]
  readonly nodes: readonly NodeNeed[]
  readonly total: Readonly<Record<ResourceName, Estimate>>
  /** Factor by which the queries in flight stretch the wall time, ≥ 1; apart, since CPU and bytes do not know it. */
  readonly contention: number
  /** Sentences with numbers, most telling first. */
  readonly evidence: readonly string[]
  readonly predictionMs: number
}

/** What one node did for a query. */
export interface NodeActual {
  readonly node: NodeId
  readonly role: Role
  readonly cpuMs: number
  /** Highest peak of its tasks. */
  readonly memoryBytes: number
  readonly networkBytes: number
}

/** How a query ended. `actual.wallMs` counts from the dispatch of its first task to its end. */
export interface QueryOutcome {
  readonly queryId: QueryId
  /** Epoch milliseconds of its end. */
  readonly at: number
  /** False for failed and cancelled queries, which teach nothing, and for answers that were only looked up. */
  readonly finished: boolean
  readonly actual: Resources
  readonly nodes: readonly NodeActual[]
}

/** How far a finished query's prediction was off: for the metrics. */
export interface Miss {
  readonly resource: ResourceName
  readonly qError: number
  readonly inside: boolean
}

/** One query came in: what arrivals learn from. */
export interface Arrival {
  readonly at: number
  readonly tenant: string
  readonly fingerprint: string
  readonly sql: string
  readonly params: Readonly<Record<string, string | number | boolean | null>>
  readonly timeZone: string
  /** Hash of the literals. */
  readonly literals: string
  /** Datasets that it reads, for triggers. */
  readonly datasets: readonly string[]
}
