import type { NodeFleet } from '../../../allocate/node-fleet.js'
import type { NodeId } from '../../../model/node.js'
import type { BaseSegment, Pack, PackId, SegmentId } from '../../../model/segment.js'
import type { PackRegistry } from '../../../scheduler/pack-registry.js'
import type { SegmentHomes } from '../../../scheduler/segment-homes.js'

/**
 * Where reading is cheap: the nodes that have a pack's columns in their buffers, as far as one can know from what they read
 * and from what they say is still attached; else the node that read a file last. A node that was replaced has nothing.
 */
export class Warmth {
  readonly #homes: SegmentHomes
  readonly #packs: PackRegistry
  /** Columns by pack and node. */
  readonly #columns = new Map<PackId, Map<NodeId, Set<string>>>()

  constructor(fleet: NodeFleet, homes: SegmentHomes, packs: PackRegistry) {
    this.#homes = homes
    this.#packs = packs
    fleet.subscribe({
      message: (node, _, message) => {
        if (message.type === 'vital-signs') this.#keep(node, new Set(message.attachedPacks))
      },
      changed: (status) => {
        if (status.state !== 'absent' && status.state !== 'starting' && status.state !== 'lost') return
        homes.forget(status.id)
        this.#keep(status.id, new Set())
      },
      lost: () => {},
    })
  }

  /** A node read these columns of a pack. */
  read(pack: PackId, node: NodeId, columns: readonly string[]): void {
    const nodes = this.#columns.get(pack) ?? new Map<NodeId, Set<string>>()
    const known = nodes.get(node) ?? new Set<string>()
    for (const column of columns) known.add(column)
    this.#columns.set(pack, nodes.set(node, known))
  }

  /** Nodes where a pack is warm; with columns, where all of these are. */
  ofPack(pack: PackId, columns: readonly string[] = []): readonly NodeId[] {
    return [...(this.#columns.get(pack) ?? [])]
      .filter(([, known]) => columns.every((column) => known.has(column)))
      .map(([node]) => node)
  }

  /** Nodes to which a segment goes first, read from a pack or from its file. */
  ofSegment(segment: BaseSegment, pack: Pack | undefined): readonly NodeId[] {
    if (pack !== undefined) return this.ofPack(pack.id)
    const home = this.#homes.home(segment.id)
    return home === undefined ? [] : [home]
  }

  /** Nodes that hold a segment warm, i.e. in an attached pack that they have read. */
  warmOn(segment: SegmentId): readonly NodeId[] {
    return [...new Set(this.#packs.holding(segment).flatMap((pack) => this.ofPack(pack)))]
  }

  /** What a node says is attached is what can be warm there; it lists what it has read before it reports. */
  #keep(node: NodeId, attached: ReadonlySet<PackId>): void {
    for (const [pack, nodes] of this.#columns) {
      if (!attached.has(pack)) nodes.delete(node)
      if (nodes.size === 0) this.#columns.delete(pack)
    }
  }
}
