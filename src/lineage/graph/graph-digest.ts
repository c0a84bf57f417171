import { createHash } from 'node:crypto'
import type { LineageEdge, Vertex } from '../lineage-store.js'

/** Adds up a hash over vertices and edges in any order: equal graphs give equal digests in every store. */
export class GraphDigest {
  #vertices = 0
  #edges = 0
  readonly #sum = new Uint32Array(8)

  vertex(vertex: Vertex): void {
    this.#vertices++
    this.#add(
      vertex.type === 'DataSegment'
        ? ['s', vertex.id, vertex.kind, vertex.dataset, vertex.version, vertex.rows, vertex.bytes, vertex.location]
        : ['n', vertex.id, vertex.kind, [...vertex.roles].sort(), vertex.host],
    )
  }

  edge(edge: LineageEdge): void {
    this.#edges++
    const { transformation, totals } = edge
    this.#add([
      [edge.from, edge.to, edge.type, transformation.type, transformation.detail, transformation.shape],
      [edge.sourceNode, edge.destinationNode, edge.firstAt, edge.lastAt, edge.count],
      [totals.rows, totals.bytes, totals.cpuMicros, totals.peakMemoryBytes, totals.queueMicros, totals.transferMicros],
      edge.days,
    ])
  }

  value(): { readonly vertices: number; readonly edges: number; readonly hash: string } {
    const hash = [...this.#sum].map((word) => word.toString(16).padStart(8, '0')).join('')
    return { vertices: this.#vertices, edges: this.#edges, hash }
  }

  #add(parts: readonly unknown[]): void {
    const hash = createHash('sha256').update(JSON.stringify(parts)).digest()
    for (let word = 0; word < 8; word++) this.#sum[word] = (this.#sum[word] ?? 0) + hash.readUInt32LE(word * 4)
  }
}
