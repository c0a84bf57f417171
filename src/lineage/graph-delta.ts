import type { NodeId, Role } from '../model/node.js'
import { clientNode, storageNode } from '../model/node.js'
import type { SegmentId } from '../model/segment.js'
import { foldedVertex, isDerived } from './folding.js'
import type { EdgeTotals, LineageBatch, LineageEdge, LogOffset, NodeVertex, SegmentVertex, Vertex } from './lineage-store.js'
import { jobPrefix } from './openlineage/external-vertex.js'

/** Changes to a graph, added up before they are written: one entry for each vertex and each edge key. */
export class GraphDelta {
  readonly #segments = new Map<SegmentId, SegmentVertex>()
  readonly #nodes = new Map<NodeId, NodeVertex>()
  readonly #edges = new Map<string, LineageEdge>()
  /** Keys of the edges that each segment which may fold is an end of. */
  readonly #edgesOf = new Map<SegmentId, Set<string>>()
  readonly #folds: { from: SegmentId; into: SegmentId }[] = []

  segment(vertex: SegmentVertex): void {
    const known = this.#segments.get(vertex.id)
    this.#segments.set(vertex.id, known === undefined ? vertex : joinSegments(known, vertex))
  }

  node(id: NodeId, role?: Role): void {
    const known = this.#nodes.get(id)
    if (known !== undefined && (role === undefined || known.roles.includes(role))) return
    const roles = role === undefined ? [] : [...(known?.roles ?? []), role].sort()
    this.#nodes.set(id, { type: 'ProcessingNode', id, kind: nodeKind(id), roles, host: '' })
  }

  edge(edge: LineageEdge): void {
    const key = edgeKey(edge)
    const known = this.#edges.get(key)
    this.#edges.set(key, known === undefined ? edge : joinEdges(known, edge))
    if (known !== undefined) return
    this.#remember(edge.from, key)
    if (edge.type === 'TRANSFORMED_INTO') this.#remember(edge.to, key)
  }

  /** How many edges change. */
  get edgeCount(): number {
    return this.#edges.size
  }

  /** What the delta knows of `from` goes to `into`; whatever a store has of it follows when the batch is applied. */
  fold(from: SegmentId, into: SegmentId): void {
    this.#segments.delete(from)
    this.segment(foldedVertex(into))
    this.#folds.push({ from, into })
    const keys = this.#edgesOf.get(from) ?? []
    this.#edgesOf.delete(from)
    for (const key of keys) {
      const edge = this.#edges.get(key)
      // The fold of its other end may have given it another key.
      if (edge === undefined) continue
      this.#edges.delete(key)
      this.edge(renameEdge(edge, from, into))
    }
  }

  batch(from: LogOffset, to: LogOffset): LineageBatch {
    const vertices: Vertex[] = [...this.#segments.values(), ...this.#nodes.values()]
    return { from, to, vertices, edges: [...this.#edges.values()], folds: this.#folds }
  }

  #remember(segment: SegmentId, key: string): void {
    if (!isDerived(segment)) return
    const keys = this.#edgesOf.get(segment)
    if (keys === undefined) this.#edgesOf.set(segment, new Set([key]))
    else keys.add(key)
  }
}

/** The key that edges are aggregated by. */
export function edgeKey(edge: LineageEdge): string {
  return `${edge.from}\n${edge.to}\n${edge.type}\n${edge.transformation.shape}\n${edge.sourceNode}\n${edge.destinationNode}`
}

/** The same edge with one end renamed. */
export function renameEdge(edge: LineageEdge, from: SegmentId, into: SegmentId): LineageEdge {
  const to = edge.type === 'TRANSFORMED_INTO' && edge.to === from ? into : edge.to
  return { ...edge, from: edge.from === from ? into : edge.from, to }
}

/** Joins what two events say of one segment; commutative, associative and idempotent, so that order does not matter. */
export function joinSegments(a: SegmentVertex, b: SegmentVertex): SegmentVertex {
  return {
    type: 'DataSegment',
    id: a.id,
    kind: a.kind > b.kind ? a.kind : b.kind,
    dataset: larger(a.dataset, b.dataset),
    version: larger(a.version, b.version),
    rows: Math.max(a.rows, b.rows),
    bytes: Math.max(a.bytes, b.bytes),
    location: larger(a.location, b.location),
  }
}

/** Adds two edges of one key. Memory is a peak, so the larger one counts. */
export function joinEdges(a: LineageEdge, b: LineageEdge): LineageEdge {
  const { transformation: x } = a
  const { transformation: y } = b
  return {
    ...a,
    transformation: { shape: x.shape, type: smaller(x.type, y.type), detail: smaller(x.detail, y.detail) },
    firstAt: Math.min(a.firstAt, b.firstAt),
    lastAt: Math.max(a.lastAt, b.lastAt),
    count: a.count + b.count,
    totals: joinTotals(a.totals, b.totals),
    days: joinDays(a.days, b.days),
  }
}

function joinTotals(a: EdgeTotals, b: EdgeTotals): EdgeTotals {
  return {
    rows: a.rows + b.rows,
    bytes: a.bytes + b.bytes,
    cpuMicros: a.cpuMicros + b.cpuMicros,
    peakMemoryBytes: Math.max(a.peakMemoryBytes, b.peakMemoryBytes),
    queueMicros: a.queueMicros + b.queueMicros,
    transferMicros: a.transferMicros + b.transferMicros,
  }
}

/** Adds two ascending lists of `[day, count]`. */
export function joinDays(a: LineageEdge['days'], b: LineageEdge['days']): LineageEdge['days'] {
  const counts = new Map<number, number>(a)
  for (const [day, count] of b) counts.set(day, (counts.get(day) ?? 0) + count)
  return [...counts].sort((x, y) => x[0] - y[0])
}

function nodeKind(id: NodeId): NodeVertex['kind'] {
  if (id.startsWith(jobPrefix)) return 'job'
  return id === storageNode ? 'storage' : id === clientNode ? 'client' : 'duckdb'
}

function larger(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}

function smaller(a: string, b: string): string {
  return a < b ? a : b
}
