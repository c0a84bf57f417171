import { ForebayError } from '../../model/errors.js'
import { type Database, openReadOnly, Statements } from '../database.js'
import { GraphDelta } from '../graph/graph-delta.js'
import type { GraphDigest } from '../graph/graph-digest.js'
import type { LineageBatch, LogOffset } from '../lineage-store.js'
import { LineageLog, lineageFiles } from '../log/lineage-log.js'
import type { MarkedEvent } from '../log/marked-event.js'
import { checkpointBatches } from '../projection/checkpoint.js'
import { fill } from '../projection/chores.js'
import { countSetAside, GraphDatabase, projectFromLog, withoutMissing } from '../projection/graph-database.js'
import { KnownSnapshots } from '../projection/known-snapshots.js'
import { SqliteExport } from '../sqlite/sqlite-export.js'

/** A batch is added up from reads of so many events, so that only its edges are in memory, and from so many events at most. */
const eventsPerRead = 500
const eventsMax = 50_000

/**
 * The log as another graph sees it, beside its writer. It follows the SQLite graph, which works out the marks: what that one has
 * applied can be projected here, from the log and from what its index knows of snapshots.
 */
export class LogFollower {
  readonly #log: LineageLog
  readonly #graph: Database
  readonly #sql: Statements
  readonly #snapshots: KnownSnapshots

  constructor(folder: string) {
    const files = lineageFiles(folder)
    this.#log = LineageLog.openReadOnly(files.log)
    this.#graph = openReadOnly(files.graph)
    this.#sql = new Statements(this.#graph)
    this.#snapshots = new KnownSnapshots(this.#sql)
  }

  /** Tells this log from every other. */
  id(): string {
    return this.#log.id()
  }

  /** The first offset that cannot be projected yet. */
  next(): LogOffset {
    return this.#sql.first<[number]>("SELECT value FROM progress WHERE name = 'offset'")?.[0] ?? 0
  }

  /** How many events no graph can take. */
  setAside(): number {
    return countSetAside(this.#sql)
  }

  /** The offset that the next event of the log will get. */
  end(): LogOffset {
    this.#log.refresh()
    return this.#log.next()
  }

  /** Whether a graph must start from the checkpoint: events that it lacks are gone, or it has nothing, or a part of the checkpoint. */
  mustRefill(offset: LogOffset): boolean {
    return offset < this.#log.from() || (offset === 0 && this.checkpointOffset() > 0)
  }

  /** Whether a graph can go on from an offset: the events from there on are still there, and what the next one refers to. */
  has(offset: LogOffset): boolean {
    this.#log.refresh()
    return offset >= this.#log.from() && !this.#log.read(offset, 1).some((event) => this.#isTorn(event))
  }

  /**
   * The next changes of a graph that has come to an offset, added up over as many events as there are until so many edges change;
   * undefined when there are none yet.
   */
  batch(from: LogOffset, edgesWanted: number): LineageBatch | undefined {
    // One moment of the graph's file: its offset and the snapshots belong together.
    this.#graph.exec('BEGIN')
    try {
      const delta = new GraphDelta()
      const end = Math.min(this.next(), from + eventsMax)
      let to = from
      while (to < end && delta.edgeCount < edgesWanted) {
        const events = this.#log.read(to, Math.min(eventsPerRead, end - to))
        const last = events.at(-1)
        if (last === undefined || events[0]?.offset !== to) break
        const torn = events.findIndex((event) => this.#isTorn(event))
        projectFromLog(delta, this.#log, { snapshots: this.#snapshots }, torn === -1 ? events : events.slice(0, torn))
        to = torn === -1 ? last.offset + 1 : to + torn
        if (torn !== -1) break
      }
      return to === from ? undefined : delta.batch(from, to)
    } finally {
      this.#graph.exec('COMMIT')
    }
  }

  /** The offset that the newest checkpoint stands for, 0 without one. */
  checkpointOffset(): LogOffset {
    return this.#log.fact('checkpointOffset') ?? 0
  }

  /** The checkpoint's graph, for an empty store. */
  checkpoint(): Iterable<LineageBatch> {
    return checkpointBatches(this.#log)
  }

  /** The digest that the log gives for an offset. Takes as long as a rebuild. Throws UNAVAILABLE for one before the checkpoint's. */
  digestAt(offset: LogOffset): ReturnType<GraphDigest['value']> {
    this.#log.refresh()
    const graph = new GraphDatabase(':memory:', this.#log)
    try {
      for (const _ of fill(this.#log, graph, offset)) continue
      if (graph.offset() > offset) {
        throw new ForebayError('UNAVAILABLE', 'the lineage log was truncated while it was compared', { hint: 'ask again' })
      }
      return new SqliteExport(graph.database).digest()
    } finally {
      graph.close()
    }
  }

  /** Whether an event needs earlier ones that have left the log: only the checkpoint has what they gave together. */
  #isTorn(event: MarkedEvent): boolean {
    return withoutMissing(event, this.#log) !== event && event.offset < this.checkpointOffset()
  }

  close(): void {
    this.#graph.close()
    this.#log.close()
  }
}
