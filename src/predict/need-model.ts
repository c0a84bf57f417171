import type { NodeId } from '../model/node.js'
import { BoundedMap } from './bounded-map.js'
import { type LeastSquaresSnapshot, RecursiveLeastSquares } from './least-squares.js'

/** Resources that are needed on one node. */
export const nodeResources = ['cpuMs', 'memoryBytes', 'networkBytes'] as const
export type NodeResource = (typeof nodeResources)[number]

/** Learned line of one resource on one node. */
export interface NeedLine {
  readonly base: number
  readonly factor: number
  /** Outcomes that it was learned from. */
  readonly observed: number
}

export type NeedModelSnapshot = readonly (readonly [string, LeastSquaresSnapshot])[]

/** Nodes whose own line has seen fewer outcomes than this borrow the line of all nodes. */
const ownFrom = 8
const anyNode = '*'

/**
 * need = base + score × factor, where the score is the node's load score over the query's hot segments. Base and factor are
 * learned per resource and node by online regression, never left as constants; a new node starts with what all nodes share.
 */
export class NeedModel {
  readonly #lines: BoundedMap<RecursiveLeastSquares>

  constructor(nodesMax = 1024) {
    this.#lines = new BoundedMap((nodesMax + 1) * nodeResources.length)
  }

  /** The line in use for a node, or undefined before anything was observed. */
  line(resource: NodeResource, node: NodeId): NeedLine | undefined {
    const own = this.#lines.peek(`${resource} ${node}`)
    const model = own !== undefined && own.observed >= ownFrom ? own : this.#lines.peek(`${resource} ${anyNode}`)
    if (model === undefined) return undefined
    return { base: model.weights[0] as number, factor: model.weights[1] as number, observed: model.observed }
  }

  /** Expected need, never negative; undefined before anything was observed. */
  need(resource: NodeResource, node: NodeId, score: number): number | undefined {
    const line = this.line(resource, node)
    return line === undefined ? undefined : Math.max(0, line.base + line.factor * score)
  }

  observe(resource: NodeResource, node: NodeId, score: number, actual: number): void {
    for (const key of [`${resource} ${node}`, `${resource} ${anyNode}`]) {
      this.#lines.touch(key, newLine).update([1, score], actual)
    }
  }

  snapshot(): NeedModelSnapshot {
    return this.#lines.snapshot((line) => line.snapshot())
  }

  restore(snapshot: NeedModelSnapshot): void {
    this.#lines.restore(snapshot, (json) => {
      const line = newLine()
      line.restore(json)
      return line
    })
  }
}

/** A wide prior (needs go up to 1e10 bytes) and forgetting over some hundred queries, since scores drift with the load. */
function newLine(): RecursiveLeastSquares {
  return new RecursiveLeastSquares(2, { forgetting: 0.995, variance: 1e6 })
}
