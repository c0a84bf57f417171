import type { LineageBatch, Vertex } from '../lineage-store.js'
import { joinSegments } from './graph-delta.js'

/** Most vertices kept in memory; beyond it the memory starts anew. */
const rememberedMax = 200_000

/**
 * What a store is known to have of its vertices, so that the same facts are not written with every batch. Must be forgotten
 * whenever the store may have changed otherwise: after a failure, a clearing, another writer.
 */
export class KnownVertices {
  readonly #known = new Map<string, Vertex>()
  readonly #rememberedMax: number

  constructor(max = rememberedMax) {
    this.#rememberedMax = max
  }

  /** The batch's vertices that tell the store something. */
  news({ vertices, folds }: Pick<LineageBatch, 'vertices' | 'folds'>): readonly Vertex[] {
    const gone = new Set(folds.map((fold) => fold.from))
    return vertices.filter((vertex) => {
      const known = gone.has(vertex.id) ? undefined : this.#known.get(nameOf(vertex))
      return known === undefined || !covers(known, vertex)
    })
  }

  has(vertex: string): boolean {
    return this.#known.has(vertex)
  }

  /** The batch was applied. */
  applied({ vertices, folds }: Pick<LineageBatch, 'vertices' | 'folds'>): void {
    if (this.#known.size > this.#rememberedMax) this.#known.clear()
    for (const { from } of folds) this.#known.delete(from)
    for (const vertex of vertices) this.#known.set(nameOf(vertex), joined(this.#known.get(nameOf(vertex)), vertex))
  }

  forget(): void {
    this.#known.clear()
  }
}

function nameOf(vertex: Vertex): string {
  return vertex.type === 'DataSegment' ? vertex.id : `node:${vertex.id}`
}

function joined(known: Vertex | undefined, vertex: Vertex): Vertex {
  if (known?.type === 'DataSegment' && vertex.type === 'DataSegment') return joinSegments(known, vertex)
  if (known?.type === 'ProcessingNode' && vertex.type === 'ProcessingNode') {
    return { ...vertex, roles: [...new Set([...known.roles, ...vertex.roles])] }
  }
  return vertex
}

function covers(known: Vertex, vertex: Vertex): boolean {
  if (known.type === 'DataSegment' && vertex.type === 'DataSegment') {
    const { kind, dataset, version, rows, bytes, location } = joinSegments(known, vertex)
    const isSame = kind === known.kind && dataset === known.dataset && version === known.version && location === known.location
    return isSame && rows === known.rows && bytes === known.bytes
  }
  if (known.type !== 'ProcessingNode' || vertex.type !== 'ProcessingNode') return false
  return known.kind === vertex.kind && known.host === vertex.host && vertex.roles.every((role) => known.roles.includes(role))
}
