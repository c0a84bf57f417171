/**
 * Walks the graph breadth first, one statement for each hop and kind of edge. The frontier comes in as a JSON array and CROSS JOIN
 * forces SQLite to start from it: left alone the planner scans every edge (2.7 s instead of 3 ms on a million edges). Names of
 * vertices, nodes and shapes are looked up once each after the walk, not joined for every edge.
 */
import type { Database } from '../database.js'
import { Statements } from '../database.js'
import { parseDays } from '../graph/days.js'
import { AnswerText, edgeHead, edgeNodes, edgeText, quoter, transformationText, vertexText } from '../lineage-answer.js'
import type { LineageEdge, LineageGraph, TraceOptions, Vertex } from '../lineage-store.js'
import { type VertexRow, vertexColumns, vertexOf } from './graph-rows.js'
import { processedBy, transformedInto } from './graph-schema.js'

type RawEdge = readonly [
  source: number,
  kind: number,
  target: number,
  shape: number,
  fromNode: number,
  toNode: number,
  firstAt: number,
  lastAt: number,
  count: number,
  rows: number,
  bytes: number,
  cpu: number,
  peak: number,
  queue: number,
  transfer: number,
  days: string,
]

/** All edges come as one JSON text: a thousand rows of sixteen values each cost ten times as much to hand over one by one. */
const asText = `SELECT json_group_array(json_array(source, kind, target, shape, from_node, to_node, first_at, last_at, count,
  rows, bytes, cpu, peak, queue, transfer, days)) FROM`
const outgoing = `${asText} (SELECT e.* FROM json_each(?) f CROSS JOIN edges e ON e.source = f.value AND e.kind = ?
  WHERE e.first_at <= ? LIMIT ?)`
const incoming = `${asText} (SELECT e.* FROM json_each(?) f CROSS JOIN edges e INDEXED BY edges_by_target
  ON e.target = f.value AND e.kind = ? WHERE e.first_at <= ? LIMIT ?)`

/** Reads traces from a graph's database. */
export class SqliteTracer {
  readonly #sql: Statements

  constructor(database: Database) {
    this.#sql = new Statements(database)
  }

  trace(from: readonly string[], options: TraceOptions): LineageGraph {
    const walk = this.#walk(from, options)
    const { vertices, names, transformations } = this.#meanings(walk)
    const edges = walk.edges.map(
      (edge): LineageEdge => ({
        from: names.get(edge[0]) ?? '',
        to: names.get(edge[2]) ?? '',
        type: typeOf(edge),
        transformation: transformations.get(edge[3]) ?? { type: '', detail: '', shape: '' },
        sourceNode: names.get(edge[4]) ?? '',
        destinationNode: names.get(edge[5]) ?? '',
        ...measuresOf(edge),
        days: parseDays(edge[15]),
      }),
    )
    return { vertices, edges, truncated: walk.truncated }
  }

  /** The same graph as the API shows it: `lineageAnswer` of the trace, without the objects between. */
  answer(from: readonly string[], options: TraceOptions): string {
    const walk = this.#walk(from, options)
    const { vertices, names, transformations } = this.#meanings(walk)
    const quote = quoter()
    const quoted = new Map<number, string>()
    for (const [id, name] of names) quoted.set(id, quote(name))
    const texts = new Map<number, string>()
    for (const [id, transformation] of transformations) texts.set(id, transformationText(transformation, quote))
    const name = (id: number): string => quoted.get(id) ?? '""'
    const answer = new AnswerText()
    for (const vertex of vertices) answer.vertex(vertexText(vertex, quote))
    for (const edge of walk.edges) {
      const head = edgeHead(name(edge[0]), name(edge[2]), typeOf(edge), texts.get(edge[3]) ?? '')
      answer.edge(edgeText(head, measuresOf(edge), edgeNodes(name(edge[4]), name(edge[5]))))
    }
    return answer.text(walk.truncated)
  }

  #walk(from: readonly string[], options: TraceOptions): Walk {
    const starts = this.#sql.all<[number, string]>(
      'SELECT v.id, v.name FROM json_each(?) f CROSS JOIN vertices v ON v.name = f.value WHERE v.kind IS NOT NULL',
      JSON.stringify(from),
    )
    const walk = new Walk(this.#sql, options)
    const nodes = starts.filter(([, name]) => name.startsWith('node:')).map(([id]) => id)
    walk.start(
      starts.filter(([, name]) => !name.startsWith('node:')).map(([id]) => id),
      nodes,
    )
    while (walk.hop()) continue
    return walk
  }

  /** What the numbers of a walk stand for. */
  #meanings(walk: Walk): {
    readonly vertices: readonly Vertex[]
    readonly names: ReadonlyMap<number, string>
    readonly transformations: ReadonlyMap<number, LineageEdge['transformation']>
  } {
    const names = new Map<number, string>()
    const vertices: Vertex[] = []
    const [text = '[]'] =
      this.#sql.first<[string]>(
        `SELECT json_group_array(json_array(v.id, ${vertexColumns})) FROM json_each(?) f CROSS JOIN vertices v ON v.id = f.value`,
        JSON.stringify([...walk.vertices]),
      ) ?? []
    for (const [id, ...row] of JSON.parse(text) as [number, ...VertexRow][]) {
      const vertex = vertexOf(row)
      names.set(id, vertex.id)
      vertices.push(vertex)
    }
    const others = new Set<number>()
    const shapes = new Set<number>()
    for (const edge of walk.edges) {
      shapes.add(edge[3])
      for (const node of [edge[4], edge[5]]) if (!names.has(node)) others.add(node)
    }
    for (const [id, name] of this.#named('vertices', 'name', others)) names.set(id, name.replace(/^node:/, ''))
    const transformations = new Map<number, LineageEdge['transformation']>()
    for (const [id, type, detail, shape] of this.#sql.all<[number, string, string, string]>(
      'SELECT x.id, x.type, x.detail, x.shape FROM json_each(?) f CROSS JOIN shapes x ON x.id = f.value',
      JSON.stringify([...shapes]),
    )) {
      transformations.set(id, { type, detail, shape })
    }
    return { vertices, names, transformations }
  }

  #named(table: string, column: string, ids: ReadonlySet<number>): [number, string][] {
    if (ids.size === 0) return []
    return this.#sql.all<[number, string]>(
      `SELECT v.id, v.${column} FROM json_each(?) f CROSS JOIN ${table} v ON v.id = f.value`,
      JSON.stringify([...ids]),
    )
  }
}

class Walk {
  readonly vertices = new Set<number>()
  readonly edges: RawEdge[] = []
  truncated = false
  readonly #sql: Statements
  readonly #options: TraceOptions
  readonly #asOf: number
  /** Where all edges that end there, and all that begin there, were taken. */
  readonly #entered = new Set<number>()
  readonly #left = new Set<number>()
  #frontier: number[] = []
  #startEdges = 0
  #hopEdges = 0
  #depth = 0

  constructor(sql: Statements, options: TraceOptions) {
    this.#sql = sql
    this.#options = options
    this.#asOf = options.asOf ?? Number.MAX_SAFE_INTEGER
  }

  /** Takes the first segments, and those that the first nodes processed. */
  start(segments: readonly number[], nodes: readonly number[]): void {
    for (const id of [...segments, ...nodes]) this.vertices.add(id)
    const frontier = new Set(segments)
    for (const edge of this.#take(incoming, nodes, processedBy)) frontier.add(edge[0])
    for (const node of nodes) this.#entered.add(node)
    this.#startEdges = this.edges.length
    this.#arrive([...frontier])
  }

  /** One hop over TRANSFORMED_INTO; false when there is nothing more to reach. */
  hop(): boolean {
    if (this.#depth++ >= this.#options.depth || this.#frontier.length === 0 || this.truncated) return false
    const { direction } = this.#options
    const found = new Set<number>()
    if (direction !== 'upstream') {
      for (const edge of this.#take(outgoing, this.#frontier, transformedInto)) found.add(edge[2])
      for (const id of this.#frontier) this.#left.add(id)
    }
    if (direction !== 'downstream') {
      for (const edge of this.#take(incoming, this.#frontier, transformedInto)) found.add(edge[0])
      for (const id of this.#frontier) this.#entered.add(id)
    }
    this.#arrive([...found].filter((id) => !this.vertices.has(id)))
    return true
  }

  #arrive(segments: readonly number[]): void {
    for (const id of segments) this.vertices.add(id)
    for (const edge of this.#take(outgoing, segments, processedBy)) this.vertices.add(edge[2])
    this.#frontier = [...segments]
  }

  /** Edges of some vertices that were not met before, up to what the limit leaves; one more is asked for, to know of it. */
  #take(statement: string, ids: readonly number[], kind: number): RawEdge[] {
    if (ids.length === 0 || this.truncated) return []
    const left = this.#options.limit - this.edges.length
    // Edges met before come again when both directions are walked or a node was the start: as many more are asked for.
    const again = kind === processedBy ? this.#startEdges : this.#options.direction === 'both' ? this.#hopEdges : 0
    const asked = left + again + 1
    const [text = '[]'] = this.#sql.first<[string]>(statement, JSON.stringify(ids), kind, this.#asOf, asked) ?? []
    const met = statement === outgoing ? this.#entered : this.#left
    const end = statement === outgoing ? 2 : 0
    const fresh = (JSON.parse(text) as RawEdge[]).filter((edge) => !met.has(edge[end]))
    if (fresh.length > left) {
      this.truncated = true
      fresh.length = left
    }
    this.edges.push(...fresh)
    if (kind === transformedInto) this.#hopEdges += fresh.length
    return fresh
  }
}

function typeOf(edge: RawEdge): LineageEdge['type'] {
  return edge[1] === processedBy ? 'PROCESSED_BY' : 'TRANSFORMED_INTO'
}

function measuresOf(edge: RawEdge): Pick<LineageEdge, 'firstAt' | 'lastAt' | 'count' | 'totals'> {
  const [, , , , , , firstAt, lastAt, count, rows, bytes, cpuMicros, peakMemoryBytes, queueMicros, transferMicros] = edge
  return {
    firstAt,
    lastAt,
    count,
    totals: { rows, bytes, cpuMicros, peakMemoryBytes, queueMicros, transferMicros },
  }
}
