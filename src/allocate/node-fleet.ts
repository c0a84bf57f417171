import type { FromNode, ToNode } from '../model/messages.js'
import type { NodeId, NodeStatus } from '../model/node.js'
import type { Provisioner } from './provisioner.js'

/** Why a node's process ended without being asked to. `crash` and `memory` may be the fault of a statement that ran on it. */
export type LossCause = 'crash' | 'memory' | 'unresponsive' | 'killed' | 'exit'

export interface NodeLoss {
  readonly node: NodeId
  readonly incarnation: number
  readonly cause: LossCause
  /** A lower-case sentence, e.g. `n1 died of SIGSEGV`. */
  readonly message: string
}

export interface FleetListener {
  /** A message of the process that fills the slot now; late ones of older processes are fenced off before. */
  message(node: NodeId, incarnation: number, message: FromNode): void
  changed(status: NodeStatus): void
  lost(loss: NodeLoss): void
}

/** A provisioner whose nodes speak our messages, so that a scheduler can give them tasks. */
export interface NodeFleet extends Provisioner {
  /** Every slot, also absent ones. */
  nodes(): readonly NodeStatus[]
  /** False when no process fills the slot that could take it. */
  send(node: NodeId, message: ToNode): boolean
  /** Ends the slot's process at once; it is replaced. */
  kill(node: NodeId, reason: string): void
  /** Returns the end of the subscription. */
  subscribe(listener: FleetListener): () => void
}
