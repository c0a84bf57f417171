import { ForebayError } from '../model/errors.js'
import { AsOf } from './as-of.js'
import { type Database, openReadOnly } from './database.js'
import { HistoryQueries } from './history-queries.js'
import { answerVertex, lineageAnswer } from './lineage-answer.js'
import { lineageFiles } from './lineage-log.js'
import { LineageQueries } from './lineage-queries.js'
import type { TraceRequest } from './lineage-reader-port.js'
import type { LineageGraph, TraceOptions } from './lineage-store.js'
import { CatalogueReader } from './openlineage/catalogue-reader.js'
import type { ReaderCallName, ReaderCalls } from './reader-messages.js'
import { SqliteHeat } from './sqlite/sqlite-heat.js'
import { SqliteTracer } from './sqlite/sqlite-trace.js'

type Handlers = {
  readonly [N in ReaderCallName]: (...values: ReaderCalls[N]['arguments']) => ReaderCalls[N]['value']
}

/** What the reader's thread does: every question answered synchronously, on read-only connections. */
export class ReaderCore {
  readonly handlers: Handlers
  readonly #graph: Database
  readonly #tracer: SqliteTracer
  readonly #queries: LineageQueries
  readonly #folder: string
  #asOf: AsOf | undefined

  constructor(folder: string) {
    const files = lineageFiles(folder)
    this.#folder = folder
    this.#graph = openReadOnly(files.graph, 128 << 20)
    const log = openReadOnly(files.log)
    const history = new HistoryQueries(log)
    const heat = new SqliteHeat(this.#graph)
    const catalogue = new CatalogueReader(this.#graph, log)
    this.#tracer = new SqliteTracer(this.#graph)
    this.#queries = new LineageQueries(this.#graph)
    this.handlers = {
      trace: (request) => this.#reading(() => JSON.stringify(lineageAnswer(this.#trace(request)))),
      catalogue: (request) => this.#reading(() => catalogue.answer(request)),
      columns: (request) => this.#reading(() => JSON.stringify(this.#queries.columns(request))),
      transfers: (request) => this.#reading(() => JSON.stringify(this.#queries.transfers(request))),
      segment: (id) => this.#reading(() => this.#segment(id)),
      hottest: (limit, atMs) => this.#reading(() => heat.hottest(limit, atMs * 1000)),
      work: (segments, atMs) => this.#reading(() => heat.work(segments, atMs * 1000)),
      queries: (request) => history.list(request),
      query: (id) => history.find(id),
      close: () => {
        this.#asOf?.close()
        this.#graph.close()
        log.close()
        return undefined
      },
    }
  }

  /** One question sees one moment of the graph, however many statements it takes. */
  #reading<T>(read: () => T): T {
    this.#graph.exec('BEGIN')
    try {
      return read()
    } finally {
      this.#graph.exec('COMMIT')
    }
  }

  #trace(request: TraceRequest): LineageGraph {
    const { direction, depth, limit } = request
    if (!(depth >= 1 && depth <= 50)) throw new ForebayError('REQUEST_INVALID', `depth ${depth} is not between 1 and 50`)
    if (!(limit >= 1 && limit <= 100_000)) throw new ForebayError('REQUEST_INVALID', `limit ${limit} is not between 1 and 100000`)
    const options: TraceOptions = { direction, depth, limit }
    if (request.asOf === undefined) return this.#tracer.trace(this.#queries.starts(request.from), options)
    const asOf = request.asOf * 1000
    this.#asOf ??= new AsOf(this.#folder)
    const then = this.#asOf.trace(request.from, { ...options, asOf })
    return then ?? existenceOnly(this.#tracer.trace(this.#queries.starts(request.from), { ...options, asOf }))
  }

  #segment(id: string): string | undefined {
    const name = this.#queries.vertexOf(id)
    if (name === undefined) return undefined
    const graph = this.#tracer.trace([name], { direction: 'upstream', depth: 1, limit: 1 })
    const vertex = graph.vertices.find((candidate) => candidate.id === name)
    return vertex === undefined ? undefined : JSON.stringify(answerVertex(vertex))
  }
}

function existenceOnly(graph: LineageGraph): LineageGraph {
  const totals = { rows: 0, bytes: 0, cpuMicros: 0, peakMemoryBytes: 0, queueMicros: 0, transferMicros: 0 }
  const edges = graph.edges.map((edge) => ({ ...edge, lastAt: edge.firstAt, count: 0, totals, days: [] }))
  return { ...graph, edges, existenceOnly: true }
}
