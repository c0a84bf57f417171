import { decayedCount, decayHorizonDays, decayWeight } from '../decay.js'
import { isDue } from '../graph/batch-place.js'
import { GraphDigest } from '../graph/graph-digest.js'
import { type LevelEdges, type LevelRequest, type WalkSource, walkGraph } from '../graph/graph-walk.js'
import { KnownVertices } from '../graph/known-vertices.js'
import { withMovedEdges } from '../graph/moved-edges.js'
import type {
  HotSegment,
  LineageBatch,
  LineageEdge,
  LineageGraph,
  LineageStore,
  LogOffset,
  NodeWork,
  TraceOptions,
  Vertex,
} from '../lineage-store.js'
import * as cypher from './cypher.js'
import { Neo4jConnection, type Row } from './neo4j-connection.js'
import { edgeOf, edgeRows, nodeRow, type StoredEdge, segmentRows, vertexOf } from './neo4j-rows.js'

type Run = (statement: string, parameters: object) => PromiseLike<unknown>

/** The graph in Neo4j 5 or later: `DataSegment`, `ProcessingNode`, `PROCESSED_BY`, `TRANSFORMED_INTO`. One writer at a time. */
export class Neo4jLineageStore implements LineageStore {
  readonly #connection: Neo4jConnection
  readonly #known = new KnownVertices()
  #offset: LogOffset | undefined

  private constructor(connection: Neo4jConnection) {
    this.#connection = connection
  }

  /** Connects, makes constraints and indexes, and ends a clearing that was cut off. */
  static async open(url: string, environment: NodeJS.ProcessEnv = process.env): Promise<Neo4jLineageStore> {
    const connection = await Neo4jConnection.open(url, environment)
    const store = new Neo4jLineageStore(connection)
    try {
      for (const statement of cypher.schema) await connection.run(statement)
      const [progress] = await connection.run(cypher.readProgress)
      if (progress?.get('clearing') === true) await store.clear(progress.get('origin') ?? undefined)
      return store
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  async apply(batch: LineageBatch, signal: AbortSignal): Promise<void> {
    const expected = this.#offset
    this.#offset = undefined
    const found = await this.#connection.transaction(async (transaction) => {
      const { records } = await transaction.run(cypher.lockOffset)
      const offset = records[0]?.get('offset') as number
      if (offset !== expected) this.#known.forget()
      if (!isDue(batch, offset)) return { offset, due: false }
      // Statements leave one after the other without waiting for answers; one that fails fails them all.
      const sent: PromiseLike<unknown>[] = []
      const run: Run = (statement, parameters) => {
        const result = transaction.run(statement, parameters)
        sent.push(result)
        return result
      }
      const moved = batch.folds.length === 0 ? [] : await this.#fold(batch, run)
      this.#merge(batch, moved, run)
      if (batch.from !== batch.to) run(cypher.setOffset, { offset: this.#connection.int(batch.to) })
      await Promise.all(sent)
      return { offset: batch.from === batch.to ? offset : batch.to, due: true }
    }, signal)
    if (found.due) this.#known.applied(batch)
    this.#offset = found.offset
  }

  async offset(): Promise<LogOffset> {
    const [progress] = await this.#connection.run(cypher.readProgress)
    return (progress?.get('offset') as number | undefined) ?? 0
  }

  async origin(): Promise<string | undefined> {
    const [progress] = await this.#connection.run(cypher.readProgress)
    return progress?.get('origin') ?? undefined
  }

  trace(from: readonly string[], options: TraceOptions, signal: AbortSignal): Promise<LineageGraph> {
    return walkGraph(this.#source(signal), from, options)
  }

  async hottest(limit: number, at: number): Promise<readonly HotSegment[]> {
    const today = Math.floor(at / 86_400_000_000)
    const weights: Record<string, number> = {}
    for (let day = today - decayHorizonDays; day <= today + 1; day++) weights[day] = decayWeight(day, at)
    const rows = await this.#connection.run(cypher.hottest, { weights, limit: this.#connection.int(limit) })
    return rows.map((row) => row.toObject() as HotSegment)
  }

  async work(segments: readonly string[], at: number): Promise<readonly NodeWork[]> {
    const rows = await this.#connection.run(cypher.work, { segments })
    return rows.map((row) => {
      const { from, to, transformation, days } = edgeIn(row, 'PROCESSED_BY')
      const { type, detail } = transformation
      return { node: to, segment: from, transformation: type, detail, decayedCount: decayedCount(days, at) }
    })
  }

  /** Marked as under way until it is done: what is left of a graph must not be taken for the beginning of one. */
  async clear(origin?: string): Promise<void> {
    this.#offset = undefined
    this.#known.forget()
    await this.#connection.run(cypher.beginClear, { origin: origin ?? null })
    for (const step of [...cypher.clearSteps, cypher.endClear]) await this.#connection.run(step)
  }

  async digest(): Promise<{ readonly vertices: number; readonly edges: number; readonly hash: string }> {
    const digest = new GraphDigest()
    await this.#connection.each(cypher.allSegments, (row) => digest.vertex(vertexOf('DataSegment', row.get('properties'))))
    await this.#connection.each(cypher.allNodes, (row) => digest.vertex(vertexOf('ProcessingNode', row.get('properties'))))
    await this.#connection.each(cypher.allEdges, (row) => digest.edge(edgeIn(row, row.get('type'))))
    return digest.value()
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  /** Takes away the vertices that fold; gives the edges that they had. */
  async #fold({ folds }: LineageBatch, run: Run): Promise<LineageEdge[]> {
    const ids = folds.map((fold) => fold.from)
    const { records } = (await run(cypher.edgesOf, { ids })) as { readonly records: readonly Row[] }
    run(cypher.removeVertices, { ids })
    return records.map((row) => edgeIn(row, row.get('type')))
  }

  #merge(batch: LineageBatch, moved: readonly LineageEdge[], run: Run): void {
    const vertices = this.#known.news(batch)
    const all = withMovedEdges(batch, moved)
    const segments = vertices.filter((vertex) => vertex.type === 'DataSegment')
    const nodes = vertices.filter((vertex) => vertex.type === 'ProcessingNode')
    const used = all.filter((edge) => edge.type === 'PROCESSED_BY')
    const made = all.filter((edge) => edge.type === 'TRANSFORMED_INTO')
    const gone = new Set(batch.folds.map((fold) => fold.from))
    const there = (id: string): boolean => !gone.has(id) && this.#known.has(id)
    const described = new Set(segments.map((segment) => segment.id))
    const ends = new Set([...all.map((edge) => edge.from), ...made.map((edge) => edge.to)])
    const bare = [...ends].filter((id) => !described.has(id) && !there(id))
    const bareNodes = [...new Set(used.map((edge) => edge.to))].filter((id) => !this.#known.has(`node:${id}`))
    if (segments.length > 0) run(cypher.mergeSegments, segmentRows(segments))
    if (bare.length > 0) run(cypher.mergeBareSegments, { ids: bare })
    if (nodes.length > 0) run(cypher.mergeNodes, { rows: nodes.map(nodeRow) })
    if (bareNodes.length > 0) run(cypher.mergeBareNodes, { ids: bareNodes })
    if (used.length > 0) run(cypher.mergeEdges('PROCESSED_BY', 'ProcessingNode'), edgeRows(used))
    if (made.length > 0) run(cypher.mergeEdges('TRANSFORMED_INTO', 'DataSegment'), edgeRows(made))
  }

  #source(signal: AbortSignal): WalkSource {
    const { int } = this.#connection
    const run = (statement: string, parameters: object): Promise<readonly Row[]> =>
      this.#connection.run(statement, parameters, signal)
    return {
      vertices: async (names) => {
        const nodes = names.filter((name) => name.startsWith('node:')).map((name) => name.slice('node:'.length))
        const rows = await run(cypher.findVertices, { nodes, segments: names.filter((name) => !name.startsWith('node:')) })
        return rows.map((row) => vertexOf(row.get('label') as Vertex['type'], row.get('properties')))
      },
      level: async ({ segments, outgoing, incoming, asOf, limit }: LevelRequest): Promise<LevelEdges> => {
        const parameters = { segments, asOf: int(asOf), limit: int(limit) }
        const kinds: LineageEdge[][] = [[], [], []]
        for (const row of await run(cypher.levelOf(outgoing, incoming), parameters)) {
          const kind = row.get('kind') as number
          const type = kind === 0 ? 'PROCESSED_BY' : 'TRANSFORMED_INTO'
          kinds[kind] = (row.get('edges') as StoredEdge[]).map((stored) => edgeOf(stored, type))
        }
        return { processed: kinds[0] ?? [], outgoing: kinds[1] ?? [], incoming: kinds[2] ?? [] }
      },
      processedBy: async (nodes, asOf, limit) => {
        const rows = await run(cypher.processedByNodes, { nodes, asOf: int(asOf), limit: int(limit) })
        return rows.map((row) => edgeIn(row, 'PROCESSED_BY'))
      },
    }
  }
}

function edgeIn(row: Row, type: LineageEdge['type']): LineageEdge {
  return edgeOf(row.get('edge') as StoredEdge, type)
}

/** What a projection opens, by the name of its module: `options.url` says where. @public */
export function openLineageStore(options: Readonly<Record<string, unknown>>): Promise<Neo4jLineageStore> {
  return Neo4jLineageStore.open(String(options['url']))
}
