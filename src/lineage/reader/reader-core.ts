import { ForebayError } from '../../model/errors.js'
import { type Database, openReadOnly } from '../database.js'
import { GraphExports } from '../export/graph-exports.js'
import { lineageAnswer, quoter, vertexText } from '../lineage-answer.js'
import type { TraceRequest } from '../lineage-reader-port.js'
import type { LineageGraph } from '../lineage-store.js'
import { lineageFiles } from '../log/lineage-log.js'
import { CatalogueReader } from '../openlineage/catalogue-reader.js'
import { RemoteGraphs } from '../remote/remote-graphs.js'
import { SqliteHeat } from '../sqlite/sqlite-heat.js'
import { SqliteTracer } from '../sqlite/sqlite-trace.js'
import { AsOf } from './as-of.js'
import { HistoryQueries } from './history-queries.js'
import { LineageQueries } from './lineage-queries.js'
import type { ReaderCallName, ReaderCalls, ReaderThreadData } from './reader-messages.js'

type Handlers = {
  readonly [N in ReaderCallName]: (
    ...values: ReaderCalls[N]['arguments']
  ) => ReaderCalls[N]['value'] | Promise<ReaderCalls[N]['value']>
}

/** What the reader's thread does: questions to SQLite answered synchronously, on read-only connections; others when they come. */
export class ReaderCore {
  readonly handlers: Handlers
  readonly #graph: Database
  readonly #tracer: SqliteTracer
  readonly #queries: LineageQueries
  readonly #folder: string
  readonly #remote: RemoteGraphs
  readonly #reads: string
  #asOf: AsOf | undefined

  constructor({ folder, stores, reads }: ReaderThreadData) {
    const files = lineageFiles(folder)
    this.#folder = folder
    this.#remote = new RemoteGraphs(stores)
    this.#reads = reads
    this.#graph = openReadOnly(files.graph)
    const log = openReadOnly(files.log)
    const history = new HistoryQueries(log)
    const heat = new SqliteHeat(this.#graph)
    const exports = new GraphExports(files.graph)
    const catalogue = new CatalogueReader(this.#graph, log)
    this.#tracer = new SqliteTracer(this.#graph)
    this.#queries = new LineageQueries(this.#graph)
    this.handlers = {
      trace: (request) => this.#answerTrace(request),
      catalogue: (request) => this.#reading(() => catalogue.answer(request)),
      columns: (request) => this.#reading(() => JSON.stringify(this.#queries.columns(request))),
      transfers: (request) => this.#reading(() => JSON.stringify(this.#queries.transfers(request))),
      segment: (id) => this.#reading(() => this.#segment(id)),
      hottest: (limit, atMs, store = 'sqlite') =>
        store === 'sqlite'
          ? this.#reading(() => heat.hottest(limit, atMs * 1000))
          : this.#remote.ask(store, (graph) => graph.hottest(limit, atMs * 1000)),
      exportOpen: (format) => exports.open(format),
      exportNext: (id) => exports.next(id),
      exportClose: (id) => exports.close(id),
      work: (segments, atMs) => this.#reading(() => heat.work(segments, atMs * 1000)),
      queries: (request) => history.list(request),
      query: (id) => history.find(id),
      close: async () => {
        await this.#remote.close()
        exports.closeAll()
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

  #answerTrace(request: TraceRequest): string | Promise<string> {
    const { store = this.#reads, from, direction, depth, limit, asOf } = request
    // The past is in the log, whichever graph is asked.
    checkTrace(request)
    if (asOf !== undefined) return this.#reading(() => lineageAnswer(this.#past(request, asOf)))
    if (store === 'sqlite') {
      return this.#reading(() => this.#tracer.answer(this.#queries.starts(from), { direction, depth, limit }))
    }
    const starts = this.#reading(() => this.#queries.starts(from))
    return this.#remote.ask(store, async (remote, signal) => {
      const graph = await remote.trace(starts, { direction, depth, limit }, signal)
      if (graph.vertices.length > 0) return lineageAnswer(graph)
      throw new ForebayError('NOT_FOUND', `lineage store "${store}" does not know "${from}" yet`)
    })
  }

  #past({ from, direction, depth, limit }: TraceRequest, atMs: number): LineageGraph {
    const options = { direction, depth, limit, asOf: atMs * 1000 }
    this.#asOf ??= new AsOf(this.#folder)
    return this.#asOf.trace(from, options) ?? existenceOnly(this.#tracer.trace(this.#queries.starts(from, options.asOf), options))
  }

  #segment(id: string): string | undefined {
    const name = this.#queries.vertexOf(id)
    if (name === undefined) return undefined
    const graph = this.#tracer.trace([name], { direction: 'upstream', depth: 1, limit: 1 })
    const vertex = graph.vertices.find((candidate) => candidate.id === name)
    return vertex === undefined ? undefined : vertexText(vertex, quoter())
  }
}

function checkTrace({ depth, limit }: TraceRequest): void {
  if (!(depth >= 1 && depth <= 50)) throw new ForebayError('REQUEST_INVALID', `depth ${depth} is not between 1 and 50`)
  if (!(limit >= 1 && limit <= 100_000)) throw new ForebayError('REQUEST_INVALID', `limit ${limit} is not between 1 and 100000`)
}

function existenceOnly(graph: LineageGraph): LineageGraph {
  const totals = { rows: 0, bytes: 0, cpuMicros: 0, peakMemoryBytes: 0, queueMicros: 0, transferMicros: 0 }
  const edges = graph.edges.map((edge) => ({ ...edge, lastAt: edge.firstAt, count: 0, totals, days: [] }))
  return { ...graph, edges, existenceOnly: true }
}
