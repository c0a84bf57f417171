import type { LineageBatch, LineageEdge } from '../lineage-store.js'
import { edgeKey, joinEdges, renameEdge } from './graph-delta.js'

/**
 * A batch's edges, with those that a store had of vertices that fold as edges of what they fold into. Added up: each key comes
 * once, so that a store may write each without a look at the others.
 */
export function withMovedEdges({ edges, folds }: LineageBatch, moved: readonly LineageEdge[]): readonly LineageEdge[] {
  const into = new Map(folds.map((fold) => [fold.from, fold.into]))
  const byKey = new Map<string, LineageEdge>()
  for (const edge of [...moved.map((entry) => renameEnds(entry, into)), ...edges]) {
    const known = byKey.get(edgeKey(edge))
    byKey.set(edgeKey(edge), known === undefined ? edge : joinEdges(known, edge))
  }
  return [...byKey.values()]
}

function renameEnds(edge: LineageEdge, into: ReadonlyMap<string, string>): LineageEdge {
  const from = into.get(edge.from)
  const once = from === undefined ? edge : renameEdge(edge, edge.from, from)
  const to = edge.type === 'TRANSFORMED_INTO' ? into.get(once.to) : undefined
  return to === undefined ? once : renameEdge(once, once.to, to)
}
