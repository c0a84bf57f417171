/**
 * Walks a graph that is behind a network, breadth first, in as few questions as there are levels. It takes edges in the same order
 * as the SQLite tracer, so that answers are equal: of each level first who processed its segments, then what they were made into,
 * then what they were made of. Which edges of the level where `limit` is reached are in the answer is the store's choice.
 */

import type { LineageEdge, LineageGraph, TraceOptions, Vertex } from '../lineage-store.js'
import { edgeKey } from './graph-delta.js'

/** Edges of the segments of one level, by what they are to them. */
export interface LevelEdges {
  readonly processed: readonly LineageEdge[]
  readonly outgoing: readonly LineageEdge[]
  readonly incoming: readonly LineageEdge[]
}
export interface LevelRequest {
  readonly segments: readonly string[]
  readonly outgoing: boolean
  readonly incoming: boolean
  /** Edges that began later are left out; epoch microseconds. */
  readonly asOf: number
  /** Most edges of each kind. */
  readonly limit: number
}

/** What a store answers to a walk. Nodes are named `node:ID`. */
export interface WalkSource {
  /** Those of the names that are vertices. */
  vertices(names: readonly string[]): Promise<readonly Vertex[]>
  level(request: LevelRequest): Promise<LevelEdges>
  /** PROCESSED_BY edges that end at some nodes. */
  processedBy(nodes: readonly string[], asOf: number, limit: number): Promise<readonly LineageEdge[]>
}

/** The graph around some vertices. */
export async function walkGraph(source: WalkSource, from: readonly string[], options: TraceOptions): Promise<LineageGraph> {
  const starts = await source.vertices(from)
  const walk = new Walk(options)
  const nodes = starts.filter((vertex) => vertex.type === 'ProcessingNode').map((vertex) => vertex.id)
  const segments = new Set(starts.filter((vertex) => vertex.type === 'DataSegment').map((vertex) => vertex.id))
  for (const vertex of starts) walk.names.add(vertexName(vertex))
  if (nodes.length > 0) {
    const edges = await source.processedBy(nodes, walk.asOf, walk.asked())
    for (const edge of walk.take(edges)) segments.add(edge.from)
    walk.startEdges = walk.edges.length
  }
  await walkLevels(source, walk, [...segments])
  const known = new Map(starts.map((vertex) => [vertexName(vertex), vertex]))
  const missing = [...walk.names].filter((name) => !known.has(name))
  const others = missing.length === 0 ? [] : await source.vertices(missing)
  return { vertices: [...starts, ...others], edges: walk.edges, truncated: walk.truncated }
}

async function walkLevels(source: WalkSource, walk: Walk, segments: readonly string[]): Promise<void> {
  const { direction, depth } = walk.options
  let frontier = segments
  for (let level = 0; frontier.length > 0; level++) {
    for (const id of frontier) walk.names.add(id)
    if (walk.truncated) return
    const further = level < depth
    const outgoing = further && direction !== 'upstream'
    const incoming = further && direction !== 'downstream'
    const found = await source.level({ segments: frontier, outgoing, incoming, asOf: walk.asOf, limit: walk.asked() })
    for (const edge of walk.take(found.processed)) walk.names.add(`node:${edge.to}`)
    const reached = new Set<string>()
    for (const edge of walk.take(found.outgoing)) reached.add(edge.to)
    for (const edge of walk.take(found.incoming)) reached.add(edge.from)
    frontier = [...reached].filter((id) => !walk.names.has(id))
  }
}

class Walk {
  readonly options: TraceOptions
  readonly asOf: number
  readonly names = new Set<string>()
  readonly edges: LineageEdge[] = []
  truncated = false
  startEdges = 0
  readonly #seen = new Set<string>()

  constructor(options: TraceOptions) {
    this.options = options
    this.asOf = options.asOf ?? Number.MAX_SAFE_INTEGER
  }

  /** Edges to ask for: what the limit leaves, those met before, which may come again, and one more, to know that there are more. */
  asked(): number {
    const again = this.options.direction === 'both' ? this.#seen.size : this.startEdges
    return this.options.limit - this.edges.length + again + 1
  }

  /** Adds the edges that were not met before, up to the limit. */
  take(found: readonly LineageEdge[]): readonly LineageEdge[] {
    if (this.truncated) return []
    const left = this.options.limit - this.edges.length
    const fresh = found.filter((edge) => this.#isNew(edge))
    if (fresh.length > left) {
      this.truncated = true
      fresh.length = left
    }
    this.edges.push(...fresh)
    return fresh
  }

  #isNew(edge: LineageEdge): boolean {
    const key = edgeKey(edge)
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    return true
  }
}

function vertexName(vertex: Vertex): string {
  return vertex.type === 'ProcessingNode' ? `node:${vertex.id}` : vertex.id
}
