import type { NodeId } from '../model/node.js'
import type { SegmentId } from '../model/segment.js'
import { complexityOfText } from './complexity.js'
import type { NodeWork } from './prediction.js'

/** A segment is hot from this decayed weighted degree on: at least one use that time has not worn off. */
const hotFrom = 0.5
const answersKept = 8
const segmentsNumbered = 20_000

/** What one answer of the lineage graph says about the work that was done. */
export interface Heat {
  isHot(segment: SegmentId): boolean
  /** Load score of each node: Σ over its PROCESSED_BY edges from hot segments of decayed count × complexity of the transformation. */
  readonly scores: ReadonlyMap<NodeId, number>
  /** How many of the hot segments each node worked on. */
  readonly worked: ReadonlyMap<NodeId, number>
}

/**
 * Adds up answers of the lineage graph. An answer may have thousands of rows, and is used for all queries of some seconds: the last
 * ones are kept. Segments keep their numbers from one answer to the next, and sums are made in arrays that stay: maps and sets
 * of an answer's segments were most of the garbage of a prediction, and collecting it took longer than the prediction.
 */
export class HeatBook {
  #known: readonly { readonly work: readonly NodeWork[]; readonly heat: Heat }[] = []
  #numbers = new Map<SegmentId, number>()
  /** By number of the segment; 0 between answers. */
  #degrees: number[] = []
  /** For each node, by number of the segment: the last answer in which the node worked on it. */
  #seen = new Map<NodeId, number[]>()
  #answers = 0

  of(work: readonly NodeWork[]): Heat {
    const known = this.#known.find((each) => each.work === work)
    if (known !== undefined) return known.heat
    if (this.#numbers.size > segmentsNumbered) this.#beginAgain()
    this.#answers++
    const heat = this.#addUp(work)
    this.#known = [{ work, heat }, ...this.#known.slice(0, answersKept - 1)]
    return heat
  }

  #addUp(work: readonly NodeWork[]): Heat {
    const numbers = this.#numbers
    const hot = this.#hot(work)
    const isHot = (segment: SegmentId): boolean => hot[numbers.get(segment) ?? hot.length] === 1
    const complexities = new Complexities()
    const scores = new Map<NodeId, number>()
    const worked = new Map<NodeId, number>()
    for (const { node, segment, transformation, detail, decayedCount } of work) {
      if (!isHot(segment)) continue
      scores.set(node, (scores.get(node) ?? 0) + decayedCount * complexities.of(transformation, detail))
      if (this.#isFirst(node, numbers.get(segment) as number)) worked.set(node, (worked.get(node) ?? 0) + 1)
    }
    return { isHot, scores, worked }
  }

  /** 1 for each hot segment, by its number. */
  #hot(work: readonly NodeWork[]): Uint8Array {
    const degrees = this.#degrees
    for (const { segment, decayedCount } of work) {
      const number = this.#numbers.get(segment) ?? this.#number(segment)
      degrees[number] = (degrees[number] as number) + decayedCount
    }
    const hot = new Uint8Array(degrees.length)
    for (const { segment } of work) {
      const number = this.#numbers.get(segment) as number
      if ((degrees[number] as number) >= hotFrom) hot[number] = 1
    }
    for (const { segment } of work) degrees[this.#numbers.get(segment) as number] = 0
    return hot
  }

  #number(segment: SegmentId): number {
    this.#numbers.set(segment, this.#degrees.length)
    return this.#degrees.push(0) - 1
  }

  #isFirst(node: NodeId, number: number): boolean {
    const seen = this.#seen.get(node) ?? []
    if (seen.length === 0) this.#seen.set(node, seen)
    while (seen.length <= number) seen.push(0)
    if (seen[number] === this.#answers) return false
    seen[number] = this.#answers
    return true
  }

  #beginAgain(): void {
    this.#numbers = new Map()
    this.#degrees = []
    this.#seen = new Map()
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
