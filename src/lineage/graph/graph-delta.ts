import type { NodeId, Role } from '../../model/node.js'
import { clientNode, storageNode } from '../../model/node.js'
import type { SegmentId } from '../../model/segment.js'
import type { EdgeTotals, LineageBatch, LineageEdge, LogOffset, NodeVertex, SegmentVertex, Vertex } from '../lineage-store.js'
import { jobPrefix } from '../openlineage/external-vertex.js'
import { foldedVertex, isDerived } from './folding.js'

/** Changes to a graph, added up before they are written: one entry for each vertex and each edge key. */
export class GraphDelta {
  readonly #segments = new Map<SegmentId, SegmentVertex>()
  readonly #nodes = new Map<NodeId, NodeVertex>()
  /** The few edges from one end to another: two looks at short names cost less than one at a key that has all of an edge. */
  readonly #edges = new Map<string, Map<string, LineageEdge[]>>()
  #edgeCount = 0
  /** What each segment that may fold was made of. */
  readonly #sourcesOf = new Map<SegmentId, Set<SegmentId>>()
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
    const edges = this.#between(edge.from, edge.to)
    const place = edges.findIndex((known) => isSameEdge(known, edge))
    const known = edges[place]
    if (known !== undefined) edges[place] = joinEdges(known, edge)
    else {
      edges.push(edge)
      this.#edgeCount++
      if (edge.type === 'TRANSFORMED_INTO') this.#remember(edge.from, edge.to)
    }
  }

  /** How many edges change. */
  get edgeCount(): number {
    return this.#edgeCount
  }

  /** What the delta knows of `from` goes to `into`; whatever a store has of it follows when the batch is applied. */
  fold(from: SegmentId, into: SegmentId): void {
    this.#segments.delete(from)
    this.segment(foldedVertex(into))
    this.#folds.push({ from, into })
    const moved = [...(this.#edges.get(from)?.values() ?? [])].flat()
    this.#edges.delete(from)
    for (const source of this.#sourcesOf.get(from) ?? []) {
      const targets = this.#edges.get(source)
      moved.push(...(targets?.get(from) ?? []))
      targets?.delete(from)
    }
    this.#sourcesOf.delete(from)
    this.#edgeCount -= moved.length
    for (const edge of moved) this.edge(renameEdge(edge, from, into))
  }

  batch(from: LogOffset, to: LogOffset): LineageBatch {
    const vertices: Vertex[] = [...this.#segments.values(), ...this.#nodes.values()]
    const edges: LineageEdge[] = []
    for (const targets of this.#edges.values()) for (const between of targets.values()) edges.push(...between)
    return { from, to, vertices, edges, folds: this.#folds }
  }

  #between(from: string, to: string): LineageEdge[] {
    let targets = this.#edges.get(from)
    if (targets === undefined) {
      targets = new Map()
      this.#edges.set(from, targets)
    }
    let edges = targets.get(to)
    if (edges === undefined) {
      edges = []
      targets.set(to, edges)
    }
    return edges
  }

  #remember(source: SegmentId, segment: SegmentId): void {
    if (!isDerived(segment)) return
    const sources = this.#sourcesOf.get(segment)
    if (sources === undefined) this.#sourcesOf.set(segment, new Set([source]))
    else sources.add(source)
  }
}

/** Whether edges between the same two ends have one key. */
function isSameEdge(a: LineageEdge, b: LineageEdge): boolean {
  return (
    a.type === b.type &&
    a.transformation.shape === b.transformation.shape &&
    a.sourceNode === b.sourceNode &&
    a.destinationNode === b.destinationNode
  )
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
    rows: Math.min(Number.MAX_SAFE_INTEGER, a.rows + b.rows),
    bytes: Math.min(Number.MAX_SAFE_INTEGER, a.bytes + b.bytes),
    cpuMicros: a.cpuMicros + b.cpuMicros,
    peakMemoryBytes: Math.max(a.peakMemoryBytes, b.peakMemoryBytes),
    queueMicros: a.queueMicros + b.queueMicros,
    transferMicros: a.transferMicros + b.transferMicros,
  }
}

/** Adds two ascending lists of `[day, count]`. */
export function joinDays(a: LineageEdge['days'], b: LineageEdge['days']): LineageEdge['days'] {
  const [first] = a
  const [second] = b
  // Most often it is one day, and the same.
  if (a.length === 1 && b.length === 1 && first !== undefined && second !== undefined && first[0] === second[0]) {
    return [[first[0], first[1] + second[1]]]
  }
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
