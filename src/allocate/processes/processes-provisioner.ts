import assert from 'node:assert/strict'
import { entryPoint } from '../../model/entry-point.js'
import { ForebayError } from '../../model/errors.js'
import type { NodeConfiguration, ToNode } from '../../model/messages.js'
import type { NodeId, NodeStatus } from '../../model/node.js'
import { untilAborted } from '../../model/until-aborted.js'
import type { FleetListener, NodeFleet } from '../node-fleet.js'
import type { ProvisionedNode } from '../provisioner.js'
import { NodeSlot, type SlotTimes } from './node-slot.js'

export interface ProcessesProvisionerOptions {
  /** Number of slots: `n1` … `nK`. */
  readonly nodes: number
  readonly configure: (id: NodeId, incarnation: number, memoryBytes: number) => NodeConfiguration
  /** Compiled main module of a node. */
  readonly entry?: URL
  readonly times?: Partial<SlotTimes>
  /** Resident memory at which a process with this configured memory is killed. */
  readonly residentBytesMax?: (memoryBytes: number) => number
}

const defaultTimes: SlotTimes = {
  pingEveryMs: 500,
  silenceMsMax: 10_000,
  memoryCheckEveryMs: 250,
  startMsMax: 30_000,
  drainMsMax: 30_000,
}

/** What node itself and DuckDB's bookkeeping take besides the memory that queries get. */
const processBytes = 384e6

/** Nodes as child processes of this one. They end when their channel to us closes, however we end: no orphans. */
export class ProcessesProvisioner implements NodeFleet {
  readonly sizesMemory = true
  readonly #slots: ReadonlyMap<NodeId, NodeSlot>
  readonly #listeners = new Set<FleetListener>()
  #closed = false

  constructor(options: ProcessesProvisionerOptions) {
    assert(options.nodes > 0, 'there must be at least one node')
    const listener: FleetListener = {
      message: (node, incarnation, message) => {
        for (const each of this.#listeners) each.message(node, incarnation, message)
      },
      changed: (status) => {
        for (const each of this.#listeners) each.changed(status)
      },
      lost: (loss) => {
        for (const each of this.#listeners) each.lost(loss)
      },
    }
    const slot = (id: NodeId): NodeSlot =>
      new NodeSlot({
        id,
        entry: options.entry ?? entryPoint('../../node/main.js', import.meta.url),
        times: { ...defaultTimes, ...options.times },
        configure: options.configure,
        residentBytesMax: options.residentBytesMax ?? ((memoryBytes) => memoryBytes * 1.25 + processBytes),
        listener,
      })
    const ids = Array.from({ length: options.nodes }, (_, index) => `n${index + 1}`)
    this.#slots = new Map(ids.map((id) => [id, slot(id)]))
  }

  async start(node: NodeId, options: { readonly memoryBytes: number }, signal: AbortSignal): Promise<void> {
    if (this.#closed) throw new ForebayError('UNAVAILABLE', 'the nodes are being stopped')
    await untilAborted(this.#slot(node).start(options.memoryBytes), signal)
  }

  async stop(node: NodeId, signal: AbortSignal): Promise<void> {
    await untilAborted(this.#slot(node).stop(), signal)
  }

  async observe(): Promise<readonly ProvisionedNode[]> {
    return this.nodes().flatMap(({ id, state, memoryLimitBytes }) =>
      state === 'absent' ? [] : [{ id, state, memoryBytes: memoryLimitBytes }],
    )
  }

  nodes(): readonly NodeStatus[] {
    return [...this.#slots.values()].map((slot) => slot.status())
  }

  send(node: NodeId, message: ToNode): boolean {
    return this.#slots.get(node)?.send(message) ?? false
  }

  kill(node: NodeId, reason: string): void {
    this.#slots.get(node)?.kill(reason)
  }

  subscribe(listener: FleetListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#slots.values()].map((slot) => slot.stop()))
    this.#listeners.clear()
  }

  #slot(node: NodeId): NodeSlot {
    const slot = this.#slots.get(node)
    if (slot === undefined) throw new ForebayError('NOT_FOUND', `there is no node "${node}"`)
    return slot
  }
}
