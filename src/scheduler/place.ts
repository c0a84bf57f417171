import type { NodeId } from '../model/node.js'

/** Something to be placed: a segment, by its cost. */
export interface Placeable {
  readonly bytes: number
  /** Nodes where reading it is cheap. */
  readonly warmOn: readonly NodeId[]
}

/** How far a node may be above the even share before its warm segments go elsewhere: waiting for it costs more than reading cold. */
const imbalanceMax = 1.25

/**
 * Shares segments out among nodes: where they are warm if that keeps the shares even, else to the node with the least to do.
 * Every node gets something when there are enough of them. Each share keeps the order of `items`.
 */
export function place<T extends Placeable>(items: readonly T[], nodes: readonly NodeId[]): ReadonlyMap<NodeId, readonly T[]> {
  const even = items.reduce((sum, item) => sum + item.bytes, 0) / Math.max(1, nodes.length)
  const loads = new Map<NodeId, number>(nodes.map((node) => [node, 0]))
  const placed = new Map<T, NodeId>()
  const load = (node: NodeId): number => loads.get(node) ?? 0
  const give = (item: T, node: NodeId): void => {
    placed.set(item, node)
    loads.set(node, load(node) + item.bytes)
  }
  const lightest = (from: readonly NodeId[]): NodeId | undefined =>
    from.reduce<NodeId | undefined>((best, node) => (best === undefined || load(node) < load(best) ? node : best), undefined)

  for (const item of items.toSorted((a, b) => b.bytes - a.bytes)) {
    const warm = lightest(item.warmOn.filter((node) => loads.has(node)))
    const fits = warm !== undefined && load(warm) + item.bytes <= Math.max(even * imbalanceMax, item.bytes)
    const node = fits ? warm : lightest(nodes)
    if (node !== undefined) give(item, node)
  }
  fillIdle(items, nodes, placed)
  const shares = nodes.map((node): [NodeId, readonly T[]] => [node, items.filter((item) => placed.get(item) === node)])
  return new Map(shares.filter(([, share]) => share.length > 0))
}

/** Moves one item to each node that has none from the node that has most. */
function fillIdle<T>(items: readonly T[], nodes: readonly NodeId[], placed: Map<T, NodeId>): void {
  const counts = new Map<NodeId, number>(nodes.map((node) => [node, 0]))
  for (const node of placed.values()) counts.set(node, (counts.get(node) ?? 0) + 1)
  for (const idle of nodes.filter((node) => counts.get(node) === 0)) {
    const [fullest, most] = [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), ['', 0])
    if (most < 2) return
    const moved = items.findLast((item) => placed.get(item) === fullest)
    if (moved === undefined) return
    placed.set(moved, idle)
    counts.set(fullest, most - 1).set(idle, 1)
  }
}
