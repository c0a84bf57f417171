import type { NodeId } from '../model/node.js'
import type { SegmentId } from '../model/segment.js'
import { complexityOfText } from './complexity.js'
import type { NodeWork } from './prediction.js'

/** A segment is hot from this decayed weighted degree on: at least one use that time has not worn off. */
const hotFrom = 0.5

/** What one answer of the lineage graph says about the work that was done. */
export class Heat {
  readonly #places = new Map<SegmentId, number>()
  /** By place of the segment. */
  readonly #degrees: number[] = []
  readonly #scores = new Map<NodeId, number>()
  readonly #worked = new Map<NodeId, number>()

  constructor(work: readonly NodeWork[]) {
    for (const { segment, decayedCount } of work) {
      const place = this.#places.get(segment) ?? this.#degrees.length
      if (place === this.#degrees.length) this.#places.set(segment, place)
      this.#degrees[place] = (this.#degrees[place] ?? 0) + decayedCount
    }
    const complexities = new Complexities()
    // Flags instead of sets: garbage is what a prediction over many segments would wait for.
    const touched = new Map<NodeId, Uint8Array>()
    for (const { node, segment, transformation, detail, decayedCount } of work) {
      if (!this.isHot(segment)) continue
      this.#scores.set(node, (this.#scores.get(node) ?? 0) + decayedCount * complexities.of(transformation, detail))
      const flags = touched.get(node) ?? new Uint8Array(this.#degrees.length)
      touched.set(node, flags)
      flags[this.#places.get(segment) as number] = 1
    }
    for (const [node, flags] of touched) {
      this.#worked.set(
        node,
        flags.reduce((count, flag) => count + flag, 0),
      )
    }
  }

  isHot(segment: SegmentId): boolean {
    const place = this.#places.get(segment)
    return place !== undefined && (this.#degrees[place] as number) >= hotFrom
  }

  /** Load score of each node: Σ over its PROCESSED_BY edges from hot segments of decayed count × complexity of the transformation. */
  get scores(): ReadonlyMap<NodeId, number> {
    return this.#scores
  }

  /** How many of the hot segments a node worked on. */
  worked(node: NodeId): number {
    return this.#worked.get(node) ?? 0
  }
}

/** An answer has thousands of rows and few transformations. */
class Complexities {
  readonly #known = new Map<string, Map<string, number>>()

  of(transformation: string, detail: string): number {
    let known = this.#known.get(transformation)
    if (known === undefined) {
      known = new Map()
      this.#known.set(transformation, known)
    }
    let complexity = known.get(detail)
    if (complexity === undefined) {
      complexity = complexityOfText(transformation, detail)
      known.set(detail, complexity)
    }
    return complexity
  }
}
