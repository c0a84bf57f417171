import type { NodeId, NodeStatus, Role } from './node.js'
import type { ParameterValue, QueryId, QueryStatus } from './query.js'
import type { ResourceName } from './resources.js'

/** Something that happened in the engine. Metrics, server-sent events and the proactive loop feed on these and on nothing else. */
export type Activity =
  /** A query changed its state (its last state included), or starts to wait for something else. */
  | { readonly type: 'query'; readonly status: QueryStatus }
  /** A query that is not background work was planned: what arrivals learn from. */
  | {
      readonly type: 'arrival'
      readonly queryId: QueryId
      readonly at: number
      readonly tenant: string
      readonly fingerprint: string
      readonly sql: string
      readonly params: Readonly<Record<string, ParameterValue>>
      readonly timeZone: string
      /** Hash of the literals. */
      readonly literals: string
      readonly datasets: readonly string[]
    }
  /** A task ended. */
  | {
      readonly type: 'task'
      readonly queryId: QueryId
      readonly node: NodeId
      readonly role: Role
      readonly state: 'finished' | 'failed'
    }
  /** A node changed its state. */
  | { readonly type: 'node'; readonly node: NodeStatus }
  /** A prediction was made. */
  | { readonly type: 'prediction'; readonly micros: number }
  /** How far a finished query's prediction was off. */
  | { readonly type: 'miss'; readonly resource: ResourceName; readonly qError: number; readonly inside: boolean }
  /** Bytes that were prepared ahead were used, or dropped unused. */
  | { readonly type: 'prefetch'; readonly outcome: 'used' | 'wasted'; readonly bytes: number }
