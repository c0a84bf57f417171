/**
 * The graph as it was at a time: checkpoint and tail are projected once more, into memory, without what happened later. What a
 * checkpoint has added up cannot be taken apart, so before its time only existence is known; that is also the answer when
 * the tail is too long to be gone through for one question.
 */

import type { LineageGraph, TraceOptions } from '../lineage-store.js'
import { LineageLog, lineageFiles } from '../log/lineage-log.js'
import { fill } from '../projection/chores.js'
import { GraphDatabase } from '../projection/graph-database.js'
import { SqliteTracer } from '../sqlite/sqlite-trace.js'
import { LineageQueries } from './lineage-queries.js'

const tailEventsMax = 200_000

export class AsOf {
  readonly #log: LineageLog
  #made: { readonly at: number; readonly next: number; readonly graph: GraphDatabase } | undefined

  constructor(folder: string) {
    this.#log = LineageLog.openReadOnly(lineageFiles(folder).log)
  }

  /** The trace as of `options.asOf`, or undefined when only existence can be told. */
  trace(from: string, options: TraceOptions & { readonly asOf: number }): LineageGraph | undefined {
    this.#log.refresh()
    const { asOf } = options
    const from0 = this.#log.fact('checkpointOffset') ?? 0
    const summed = this.#log.fact('checkpointHigh') ?? 0
    if (asOf < summed || this.#log.next() - from0 > tailEventsMax) return undefined
    const graph = this.#graphAt(asOf)
    return new SqliteTracer(graph.database).trace(new LineageQueries(graph.database).starts(from), options)
  }

  close(): void {
    this.#made?.graph.close()
    this.#log.close()
  }

  #graphAt(at: number): GraphDatabase {
    const next = this.#log.next()
    if (this.#made?.at === at && this.#made.next === next) return this.#made.graph
    this.#made?.graph.close()
    this.#made = undefined
    const graph = new GraphDatabase(':memory:', this.#log)
    try {
      for (const _ of fill(this.#log, graph, next, { until: at })) continue
    } catch (error) {
      graph.close()
      throw error
    }
    this.#made = { at, next, graph }
    return graph
  }
}
