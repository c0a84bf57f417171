import type { NodeId } from '../model/node.js'
import type { SegmentId } from '../model/segment.js'
import { complexityOfText } from './complexity.js'
import type { NodeWork, TouchedSegment } from './prediction.js'

/** A segment is hot from this decayed weighted degree on: at least one use that time has not worn off. */
export const hotFrom = 0.5

/** Decayed weighted degree of each segment: what the graph says of it, or the sum over the nodes that worked on it if larger. */
export function hotness(work: readonly NodeWork[], segments: readonly TouchedSegment[] = []): ReadonlyMap<SegmentId, number> {
  const degrees = new Map<SegmentId, number>()
  for (const { segment, decayedCount } of work) degrees.set(segment, (degrees.get(segment) ?? 0) + decayedCount)
  for (const { id, hotness: known } of segments) if (known !== undefined) degrees.set(id, Math.max(known, degrees.get(id) ?? 0))
  return degrees
}

/**
 * Load score of each node: Σ over its PROCESSED_BY edges from hot segments of decayed count × complexity of the transformation.
 */
export function loadScores(
  work: readonly NodeWork[],
  degrees: ReadonlyMap<SegmentId, number> = hotness(work),
): ReadonlyMap<NodeId, number> {
  const scores = new Map<NodeId, number>()
  for (const { node, segment, transformation, detail, decayedCount } of work) {
    if ((degrees.get(segment) ?? 0) < hotFrom) continue
    scores.set(node, (scores.get(node) ?? 0) + decayedCount * complexityOfText(transformation, detail))
  }
  return scores
}
