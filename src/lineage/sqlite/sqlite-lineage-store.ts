import { type Database, inTransaction, openDatabase } from '../database.js'
import type { HotSegment, LineageBatch, LineageGraph, LineageStore, LogOffset, NodeWork, TraceOptions } from '../lineage-store.js'
import { SqliteExport } from './sqlite-export.js'
import { SqliteGraph } from './sqlite-graph.js'
import { SqliteHeat } from './sqlite-heat.js'
import { SqliteTracer } from './sqlite-trace.js'

/** The graph in a SQLite file (or `:memory:`). Calls are synchronous inside: it lives in a thread that may block. */
export class SqliteLineageStore implements LineageStore {
  readonly #database: Database
  readonly #graph: SqliteGraph
  readonly #tracer: SqliteTracer
  readonly #heat: SqliteHeat

  private constructor(database: Database) {
    this.#database = database
    this.#graph = new SqliteGraph(database)
    this.#tracer = new SqliteTracer(database)
    this.#heat = new SqliteHeat(database)
  }

  static open(path: string): SqliteLineageStore {
    return new SqliteLineageStore(openDatabase(path, 'full'))
  }

  async apply(batch: LineageBatch, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    try {
      inTransaction(this.#database, () => this.#graph.apply(batch))
    } catch (error) {
      this.#graph.rolledBack()
      throw error
    }
  }

  async offset(): Promise<LogOffset> {
    return this.#graph.offset()
  }

  async trace(from: readonly string[], options: TraceOptions, signal: AbortSignal): Promise<LineageGraph> {
    signal.throwIfAborted()
    return this.#tracer.trace(from, options)
  }

  async hottest(limit: number, at: number): Promise<readonly HotSegment[]> {
    return this.#heat.hottest(limit, at)
  }

  async work(segments: readonly string[], at: number): Promise<readonly NodeWork[]> {
    return this.#heat.work(segments, at)
  }

  async clear(origin?: string): Promise<void> {
    inTransaction(this.#database, () => {
      this.#graph.clear()
      if (origin !== undefined) this.#graph.setOrigin(origin)
    })
  }

  async origin(): Promise<string | undefined> {
    return this.#graph.origin()
  }

  async digest(): Promise<{ readonly vertices: number; readonly edges: number; readonly hash: string }> {
    return new SqliteExport(this.#database).digest()
  }

  async close(): Promise<void> {
    this.#database.close()
  }
}

/** What a projection opens, by the name of its module: `options.path` says where. @public */
export async function openLineageStore(options: Readonly<Record<string, unknown>>): Promise<SqliteLineageStore> {
  return SqliteLineageStore.open(String(options['path']))
}
