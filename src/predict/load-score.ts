import type { NodeId } from '../model/node.js'
import type { SegmentId } from '../model/segment.js'
import { complexityOfText } from './complexity.js'
import type { NodeWork } from './prediction.js'

/** A segment is hot from this decayed weighted degree on: at least one use that time has not worn off. */
const hotFrom = 0.5

/** What one answer of the lineage graph says about the work that was done. */
export interface Heat {
  readonly hot: ReadonlySet<SegmentId>
  /** Load score of each node: Σ over its PROCESSED_BY edges from hot segments of decayed count × complexity of the transformation. */
  readonly scores: ReadonlyMap<NodeId, number>
}

/** An answer may have thousands of rows, and is used for all queries of some seconds: it is added up once. */
const known = new WeakMap<readonly NodeWork[], Heat>()

export function heatOf(work: readonly NodeWork[]): Heat {
  const heat = known.get(work) ?? addUp(work)
  known.set(work, heat)
  return heat
}

function addUp(work: readonly NodeWork[]): Heat {
  const degrees = new Map<SegmentId, number>()
  for (const { segment, decayedCount } of work) degrees.set(segment, (degrees.get(segment) ?? 0) + decayedCount)
  const hot = new Set([...degrees].filter(([, degree]) => degree >= hotFrom).map(([segment]) => segment))
  const complexities = new Map<string, number>()
  const scores = new Map<NodeId, number>()
  for (const { node, segment, transformation, detail, decayedCount } of work) {
    if (!hot.has(segment)) continue
    const text = `${transformation}\n${detail}`
    const complexity = complexities.get(text) ?? complexityOfText(transformation, detail)
    complexities.set(text, complexity)
    scores.set(node, (scores.get(node) ?? 0) + decayedCount * complexity)
  }
  return { hot, scores }
}
