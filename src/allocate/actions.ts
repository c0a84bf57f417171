import type { ActionKind, HeldResources } from '../model/forecast.js'
import type { NodeId, NodeStatus } from '../model/node.js'
import type { ParameterValue } from '../model/query.js'
import type { PackId, SegmentId } from '../model/segment.js'

/** A query that may come: what is needed to make it ready. */
export interface ExpectedQuery {
  readonly sql: string
  readonly params: Readonly<Record<string, ParameterValue>>
  readonly tenant: string
  readonly timeZone: string
}

/** How ready the engine is for a query, asked before it comes. */
export interface Readiness {
  readonly fingerprint: string
  /** Changes when any segment that the query reads changes: work prepared under another version is stale. */
  readonly version: string
  /** True when its answer over the present segments is stored, so that nothing would have to be computed. */
  readonly answerStored: boolean
  /** False for queries whose answer cannot be kept, e.g. with random(). */
  readonly repeatable: boolean
  readonly datasets: readonly string[]
  readonly segments: readonly SegmentId[]
  readonly bytes: number
  /** Nodes that the lineage graph names for these segments, with their load scores. */
  readonly nodes: readonly { readonly node: NodeId; readonly loadScore: number }[]
  /** Nodes that would run it and are not ready, with the memory to give them. */
  readonly absentNodes: readonly { readonly node: NodeId; readonly memoryBytes: number }[]
  readonly missingPacks: readonly MissingPack[]
  /** Packs that exist and whose blocks are not in the memory of the node that would read them. */
  readonly coldPacks: readonly {
    readonly pack: PackId
    readonly node: NodeId
    readonly columns: readonly string[]
    readonly bytes: number
  }[]
  /** Predicted wall time from Parquet, from warm packs, and of a stored answer; without any node's start. */
  readonly coldMs: number
  readonly warmMs: number
  readonly storedMs: number
  readonly cpuMs: number
  readonly memoryBytes: number
}

/** A pack that is worth building for a query. */
export interface MissingPack {
  readonly dataset: string
  readonly columns: readonly string[]
  readonly segments: readonly SegmentId[]
  readonly bytes: number
}

/** What an action took, measured. */
export interface ActionCost {
  readonly cpuMs: number
  readonly wallMs: number
  /** Memory or disk that it holds from now on. */
  readonly heldBytes: number
}

/** What the proactive loop may do to an engine. Every call is pre-empted by waiting queries and ends with its signal. */
export interface Actuator {
  nodes(): readonly NodeStatus[]
  /** True while any query waits or runs. */
  busy(): boolean
  readiness(query: ExpectedQuery, signal: AbortSignal): Promise<Readiness>
  startNode(node: NodeId, memoryBytes: number, signal: AbortSignal): Promise<ActionCost>
  /** Drains first. */
  stopNode(node: NodeId, signal: AbortSignal): Promise<void>
  buildPack(pack: MissingPack, signal: AbortSignal): Promise<ActionCost>
  warmPack(pack: PackId, node: NodeId, columns: readonly string[], signal: AbortSignal): Promise<ActionCost>
  /** Runs the query as background work and keeps its answer as a derived segment. */
  precompute(query: ExpectedQuery, signal: AbortSignal): Promise<ActionCost>
}

/** One thing that could be done for a forecast, with what it should bring and cost. */
export interface Action {
  readonly kind: ActionKind
  readonly subject: string
  /** Milliseconds of waiting that it should save, times the forecast's probability. */
  readonly expectedBenefitMs: number
  readonly expectedCost: HeldResources
  /** Milliseconds that it should take, so that it is begun in time. */
  readonly leadMs: number
  readonly run: (actuator: Actuator, signal: AbortSignal) => Promise<ActionCost>
}
