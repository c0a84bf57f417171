import type { NodeId } from '../model/node.js'

/** What the outside world says about one machine or process. */
export interface ProvisionedNode {
  readonly id: NodeId
  readonly state: 'starting' | 'ready' | 'draining' | 'stopping' | 'lost'
  readonly memoryBytes: number
  /** Why it is not ready yet, where something is known of it. */
  readonly reason?: string
}

/** Gives and takes nodes. Embedded: child processes; beyond one machine: Kubernetes or a cloud's scaling groups. */
export interface Provisioner {
  /** True when it can give a node a memory limit of its own. */
  readonly sizesMemory: boolean
  /** True when its nodes go on after `close`, for the next start to find them; false without it. */
  readonly outlives?: boolean
  /** Starts the node's slot; resolves when it has answered a probe. Idempotent. */
  start(node: NodeId, options: { readonly memoryBytes: number }, signal: AbortSignal): Promise<void>
  /** Drains, then stops; resolves when it is gone. Idempotent. */
  stop(node: NodeId, signal: AbortSignal): Promise<void>
  /** The true state, asked anew. */
  observe(signal: AbortSignal): Promise<readonly ProvisionedNode[]>
  close(): Promise<void>
}
