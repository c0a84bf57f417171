import type { FleetListener, NodeFleet } from '../../../allocate/node-fleet.js'
import type { ProvisionedNode } from '../../../allocate/provisioner.js'
import type { FromNode, ToNode } from '../../../model/messages.js'
import type { NodeId, NodeStatus } from '../../../model/node.js'

/** A fleet whose nodes also speak over a broker: to whoever listens, both ways are one. */
export class ReportingFleet implements NodeFleet {
  readonly sizesMemory: boolean
  readonly #fleet: NodeFleet
  readonly #listeners = new Set<FleetListener>()

  constructor(fleet: NodeFleet) {
    this.#fleet = fleet
    this.sizesMemory = fleet.sizesMemory
  }

  /** Passes a report on, unless another process fills the slot by now. */
  report(node: NodeId, incarnation: number, message: FromNode): void {
    if (!this.nodes().some((status) => status.id === node && status.incarnation === incarnation)) return
    for (const listener of this.#listeners) listener.message(node, incarnation, message)
  }

  start(node: NodeId, options: { readonly memoryBytes: number }, signal: AbortSignal): Promise<void> {
    return this.#fleet.start(node, options, signal)
  }

  stop(node: NodeId, signal: AbortSignal): Promise<void> {
    return this.#fleet.stop(node, signal)
  }

  observe(signal: AbortSignal): Promise<readonly ProvisionedNode[]> {
    return this.#fleet.observe(signal)
  }

  nodes(): readonly NodeStatus[] {
    return this.#fleet.nodes()
  }

  send(node: NodeId, message: ToNode): boolean {
    return this.#fleet.send(node, message)
  }

  kill(node: NodeId, reason: string): void {
    this.#fleet.kill(node, reason)
  }

  subscribe(listener: FleetListener): () => void {
    this.#listeners.add(listener)
    const end = this.#fleet.subscribe(listener)
    return () => {
      this.#listeners.delete(listener)
      end()
    }
  }

  close(): Promise<void> {
    return this.#fleet.close()
  }
}
