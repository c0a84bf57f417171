import { decayedCount, decayHorizonDays, decayWeight } from '../decay.js'
import { isDue } from '../graph/batch-place.js'
import { GraphDigest } from '../graph/graph-digest.js'
import { type LevelEdges, type LevelRequest, type WalkSource, walkGraph } from '../graph/graph-walk.js'
import { KnownVertices } from '../graph/known-vertices.js'
import { withMovedEdges } from '../graph/moved-edges.js'
import { TextPlaces } from '../graph/text-places.js'
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
import * as groovy from './groovy.js'
import { JanusGraphConnection } from './janusgraph-connection.js'
import { type EdgeValues, edgeOf, edgeRow, type VertexValues, vertexOf } from './janusgraph-rows.js'

type Kind = readonly [direction: 'out' | 'in', type: LineageEdge['type']]
const processedBy: Kind = ['out', 'PROCESSED_BY']
const madeInto: Kind = ['out', 'TRANSFORMED_INTO']
const madeOf: Kind = ['in', 'TRANSFORMED_INTO']

/** A writer that met another one asks again so often. */
const attemptsMax = 5

/** The graph in JanusGraph 1.1 behind its Gremlin Server (a graph named `graph`). One writer at a time. */
export class JanusGraphLineageStore implements LineageStore {
  readonly #connection: JanusGraphConnection
  readonly #known = new KnownVertices()
  #offset: LogOffset | undefined

  private constructor(connection: JanusGraphConnection) {
    this.#connection = connection
  }

  /** Connects, makes keys, labels and indexes, and ends a clearing that was cut off. */
  static async open(url: string, environment: NodeJS.ProcessEnv = process.env): Promise<JanusGraphLineageStore> {
    const connection = await JanusGraphConnection.open(url, environment)
    const store = new JanusGraphLineageStore(connection)
    try {
      const cleared = await connection.run<string>(groovy.makeSchema)
      if (cleared !== 'whole') await store.clear(cleared)
      return store
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  async apply(batch: LineageBatch, signal: AbortSignal): Promise<void> {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const expected = (this.#offset ??= await this.offset())
      if (!isDue(batch, expected)) return
      const text = await this.#textOf(batch, expected, signal)
      this.#offset = undefined
      const found = Number(await this.#connection.run<string>(groovy.applyBatch, { text }, signal))
      if (found === expected) {
        this.#known.applied(batch)
        this.#offset = batch.from === batch.to ? expected : batch.to
        return
      }
      this.#known.forget()
    }
    throw new Error('another writer keeps changing the lineage graph in JanusGraph')
  }

  async offset(): Promise<LogOffset> {
    return Number(await this.#connection.run<string>(groovy.readOffset))
  }

  async origin(): Promise<string | undefined> {
    const origin = await this.#connection.run<string>(groovy.readOrigin)
    return origin === '' ? undefined : origin
  }

  trace(from: readonly string[], options: TraceOptions, signal: AbortSignal): Promise<LineageGraph> {
    return walkGraph(this.#source(signal), from, options)
  }

  async hottest(limit: number, at: number): Promise<readonly HotSegment[]> {
    const today = Math.floor(at / 86_400_000_000)
    const weights: Record<string, number> = {}
    for (let day = today - decayHorizonDays; day <= today + 1; day++) weights[day] = decayWeight(day, at)
    const text = await this.#connection.run<string>(groovy.hottest, { text: JSON.stringify(weights), asked: limit })
    const rows = JSON.parse(text) as [string, string | null, number, number][]
    return rows.map(([id, dataset, degree, hotness]) => ({ id, dataset, degree, hotness }))
  }

  async work(segments: readonly string[], at: number): Promise<readonly NodeWork[]> {
    const [edges = []] = await this.#edges('segmentId', segments, [processedBy], Number.MAX_SAFE_INTEGER, 2 ** 31 - 1)
    return edges.map(({ from, to, transformation, days }) => {
      const { type, detail } = transformation
      return { node: to, segment: from, transformation: type, detail, decayedCount: decayedCount(days, at) }
    })
  }

  /** Marked as under way until it is done: what is left of a graph must not be taken for the beginning of one. */
  async clear(origin = ''): Promise<void> {
    this.#offset = undefined
    this.#known.forget()
    await this.#connection.run(groovy.beginClear, { origin })
    while ((await this.#connection.run<number>(groovy.clearStep)) > 0) continue
    await this.#connection.run(groovy.endClear)
  }

  async digest(): Promise<{ readonly vertices: number; readonly edges: number; readonly hash: string }> {
    const digest = new GraphDigest()
    await this.#connection.each(groovy.allVertices, (text) => digest.vertex(vertexOf(JSON.parse(text) as VertexValues)))
    await this.#connection.each(groovy.allEdges, (text) => digest.edge(edgeOf(JSON.parse(text) as EdgeValues)))
    return digest.value()
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  async #textOf(batch: LineageBatch, expected: LogOffset, signal: AbortSignal): Promise<string> {
    const folded = batch.folds.map((fold) => fold.from)
    const moved = folded.length === 0 ? [] : await this.#edgesOfFolding(folded, signal)
    const edges = withMovedEdges(batch, moved)
    const news = this.#known.news(batch)
    const segments = news.filter((vertex) => vertex.type === 'DataSegment')
    const nodes = news.filter((vertex) => vertex.type === 'ProcessingNode')
    const segmentNames = new Set(segments.map((vertex) => vertex.id))
    const nodeNames = new Set<string>(nodes.map((vertex) => vertex.id))
    for (const edge of edges) {
      segmentNames.add(edge.from)
      if (edge.type === 'PROCESSED_BY') nodeNames.add(edge.to)
      else segmentNames.add(edge.to)
    }
    const texts = new TextPlaces()
    return JSON.stringify({
      expected,
      to: batch.from === batch.to ? null : batch.to,
      folded,
      segmentNames: [...segmentNames],
      nodeNames: [...nodeNames],
      segments: segments.map(({ id, kind, dataset, version, rows, bytes, location }) => [
        id,
        kind,
        dataset,
        version,
        rows,
        bytes,
        location,
      ]),
      nodes: nodes.map(({ id, kind, host, roles }) => [id, kind, host, roles]),
      edges: edges.map((edge) => edgeRow(edge, texts)),
      texts: texts.texts,
    })
  }

  async #edgesOfFolding(ids: readonly string[], signal: AbortSignal): Promise<LineageEdge[]> {
    const text = await this.#connection.run<string>(groovy.edgesOfFolding, { text: JSON.stringify(ids) }, signal)
    return (JSON.parse(text) as EdgeValues[]).map(edgeOf)
  }

  #source(signal: AbortSignal): WalkSource {
    return {
      vertices: async (names) => {
        const nodes = names.filter((name) => name.startsWith('node:')).map((name) => name.slice('node:'.length))
        const asked = { nodes, segments: names.filter((name) => !name.startsWith('node:')) }
        const text = await this.#connection.run<string>(groovy.findVertices, { text: JSON.stringify(asked) }, signal)
        return (JSON.parse(text) as VertexValues[]).map((values): Vertex => vertexOf(values))
      },
      level: async ({ segments, outgoing, incoming, asOf, limit }: LevelRequest): Promise<LevelEdges> => {
        const kinds = [processedBy, ...(outgoing ? [madeInto] : []), ...(incoming ? [madeOf] : [])]
        const found = await this.#edges('segmentId', segments, kinds, asOf, limit, signal)
        const of = (kind: Kind): readonly LineageEdge[] => found[kinds.indexOf(kind)] ?? []
        return { processed: of(processedBy), outgoing: of(madeInto), incoming: of(madeOf) }
      },
      processedBy: async (nodes, asOf, limit) => {
        const [edges = []] = await this.#edges('nodeId', nodes, [['in', 'PROCESSED_BY']], asOf, limit, signal)
        return edges
      },
    }
  }

  async #edges(
    name: 'segmentId' | 'nodeId',
    names: readonly string[],
    kinds: readonly Kind[],
    asOf: number,
    limit: number,
    signal?: AbortSignal,
  ): Promise<LineageEdge[][]> {
    const text = JSON.stringify({ name, names, kinds, asOf, limit })
    const found = JSON.parse(await this.#connection.run<string>(groovy.levelEdges, { text }, signal)) as EdgeValues[][]
    return found.map((edges) => edges.map(edgeOf))
  }
}

/** What a projection opens, by the name of its module: `options.url` says where. @public */
export function openLineageStore(options: Readonly<Record<string, unknown>>): Promise<JanusGraphLineageStore> {
  return JanusGraphLineageStore.open(String(options['url']))
}
