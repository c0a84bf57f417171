import { type Database, Statements } from '../database.js'
import { parseDays } from '../graph/days.js'
import { GraphDigest } from '../graph/graph-digest.js'
import type { LineageBatch } from '../lineage-store.js'
import { type EdgeRow, edgeColumns, edgeOf, type VertexRow, vertexColumns, vertexOf } from './graph-rows.js'

/** Reads a whole graph, for checkpoints and comparisons. */
export class SqliteExport {
  readonly #sql: Statements

  constructor(database: Database) {
    this.#sql = new Statements(database)
  }

  /** The graph as batches that make the same graph of an empty store. */
  *batches(size: number): IterableIterator<LineageBatch> {
    for (const rows of this.#sql.pages<VertexRow>(vertexColumns, 'vertices v', ['v.id'], size)) {
      yield { ...part, vertices: rows.filter((row) => row[1] !== null).map(vertexOf) }
    }
    for (const rows of this.#sql.pages<EdgeRow>(edgeColumns, edgesWithNames, edgeKey, size)) {
      yield { ...part, edges: rows.map((row) => edgeOf(row, parseDays(row[17] as string))) }
    }
  }

  digest(): { readonly vertices: number; readonly edges: number; readonly hash: string } {
    const digest = new GraphDigest()
    for (const batch of this.batches(1000)) {
      for (const vertex of batch.vertices) digest.vertex(vertex)
      for (const edge of batch.edges) digest.edge(edge)
    }
    return digest.value()
  }
}

const part: LineageBatch = { from: 0, to: 0, vertices: [], edges: [], folds: [] }

const edgeKey = ['e.source', 'e.kind', 'e.target', 'e.shape', 'e.from_node', 'e.to_node']

/** CROSS JOIN keeps the edges outermost, so that a page is one range of their key. */
const edgesWithNames = `edges e
  CROSS JOIN vertices s ON s.id = e.source CROSS JOIN vertices t ON t.id = e.target CROSS JOIN shapes x ON x.id = e.shape
  CROSS JOIN vertices fn ON fn.id = e.from_node CROSS JOIN vertices tn ON tn.id = e.to_node`
