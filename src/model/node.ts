/** `n1`, `n2`, …: a slot that survives replacement. `storage` is where base segments and packs come from, `client` who gets answers. */
export type NodeId = string
export const storageNode: NodeId = 'storage'
export const clientNode: NodeId = 'client'

export type NodeKind = 'duckdb' | 'trino' | 'storage' | 'client' | 'job'

/** What a node does in one task: `leaf` reads base segments, `aggregator` merges partials, `root` finishes the answer. */
export type Role = 'leaf' | 'aggregator' | 'root'

export type NodeState = 'absent' | 'starting' | 'ready' | 'draining' | 'stopping' | 'lost'

/** One node as the scheduler, the allocator and the API see it. */
export interface NodeStatus {
  readonly id: NodeId
  readonly kind: NodeKind
  readonly state: NodeState
  /** Counts the processes that have filled the slot; an answer of an older one is fenced off. */
  readonly incarnation: number
  /** All that it has played since the server started. */
  readonly roles: readonly Role[]
  readonly pid?: number
  /** `http://127.0.0.1:PORT` of its segment server. */
  readonly url?: string
  /** CPU-seconds of the process so far. */
  readonly cpuSeconds: number
  readonly memoryBytes: number
  readonly memoryLimitBytes: number
  readonly warmBytes: number
  readonly runningTasks: number
}
