import type { NodeId } from '../model/node.js'
import type { SegmentId } from '../model/segment.js'

/** Which node read a segment last: it has the file's metadata and perhaps its blocks, so it is the first choice again. */
export class SegmentHomes {
  readonly #homes = new Map<SegmentId, NodeId>()
  readonly #entriesMax: number

  constructor(entriesMax = 200_000) {
    this.#entriesMax = entriesMax
  }

  home(segment: SegmentId): NodeId | undefined {
    return this.#homes.get(segment)
  }

  read(segments: Iterable<SegmentId>, node: NodeId): void {
    for (const segment of segments) {
      this.#homes.delete(segment)
      this.#homes.set(segment, node)
    }
    for (const oldest of this.#homes.keys()) {
      if (this.#homes.size <= this.#entriesMax) return
      this.#homes.delete(oldest)
    }
  }

  /** The node's process ended: nothing is warm there any more. */
  forget(node: NodeId): void {
    for (const [segment, home] of this.#homes) if (home === node) this.#homes.delete(segment)
  }
}
