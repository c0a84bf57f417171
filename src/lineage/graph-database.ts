import type { SegmentId } from '../model/segment.js'
import { type Database, inTransaction, openDatabase } from './database.js'
import { GraphDelta } from './graph-delta.js'
import { LineageIndex } from './lineage-index.js'
import type { LineageLog } from './lineage-log.js'
import type { LineageBatch, LogOffset } from './lineage-store.js'
import type { MarkedEvent } from './marked-event.js'
import { type ProjectionContext, projectEvent } from './projector.js'
import { SqliteGraph } from './sqlite/sqlite-graph.js'

/** The SQLite graph with its index: the first projection of the log, which also works out the marks for all others. */
export class GraphDatabase {
  readonly database: Database
  readonly index: LineageIndex
  readonly graph: SqliteGraph
  readonly #log: LineageLog

  constructor(path: string, log: LineageLog) {
    this.database = openDatabase(path, 'normal')
    this.index = new LineageIndex(this.database, (offset) => log.event(offset))
    this.graph = new SqliteGraph(this.database)
    this.#log = log
  }

  offset(): LogOffset {
    return this.graph.offset()
  }

  /** Projects the next events, at most `count`; says how many there were. `until` leaves out events that happened later. */
  advance(count: number, options: { readonly keepMarks?: boolean; readonly until?: number } = {}): number {
    const from = this.offset()
    const events = this.#log.read(from, count)
    const last = events.at(-1)
    if (last === undefined) return 0
    const { until = Number.MAX_SAFE_INTEGER, keepMarks = true } = options
    this.#inTransaction(() => {
      const marked: MarkedEvent[] = []
      for (const { offset, event } of events) if (event.at <= until) marked.push(this.index.take(offset, event))
      this.index.flush()
      // Marks reach the disk before the graph does: whoever follows the graph's offset finds them.
      if (keepMarks) this.#log.mark(marked)
      this.graph.apply(this.#batch(marked, from, last.offset + 1))
    })
    return events.length
  }

  /** Empties graph and index, inside the caller's transaction. */
  clear(): void {
    this.index.clear()
    this.graph.clear()
  }

  /** Evictable segments that the graph shows as existing. */
  existing(): SegmentId[] {
    return this.index.existing()
  }

  /** Runs work on the tables in one transaction. */
  change(work: () => void): void {
    this.#inTransaction(work)
  }

  /** Brings everything written so far to the disk. */
  flush(): void {
    this.database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  close(): void {
    this.database.close()
  }

  #batch(marked: readonly MarkedEvent[], from: LogOffset, to: LogOffset): LineageBatch {
    const delta = new GraphDelta()
    projectFromLog(delta, this.#log, this.index, marked)
    return delta.batch(from, to)
  }

  #inTransaction(work: () => void): void {
    try {
      inTransaction(this.database, work)
    } catch (error) {
      this.index.rolledBack()
      this.graph.rolledBack()
      throw error
    }
  }
}

/** Adds what marked events change, with the log and the index at hand. An event that has left the log contributes nothing. */
export function projectFromLog(
  delta: GraphDelta,
  log: LineageLog,
  index: Pick<LineageIndex, 'snapshots'>,
  marked: readonly MarkedEvent[],
): void {
  const context: ProjectionContext = {
    snapshot: (id) => index.snapshots.segments(id),
    event: (offset) => log.event(offset) as NonNullable<ReturnType<LineageLog['event']>>,
  }
  for (const event of marked) projectEvent(delta, withoutMissing(event, log), context)
}

function withoutMissing(marked: MarkedEvent, log: LineageLog): MarkedEvent {
  const { releases, links, ...marks } = marked.marks
  if (releases === undefined && links === undefined) return marked
  const has = (offset: LogOffset): boolean => log.event(offset) !== undefined
  return {
    ...marked,
    marks: {
      ...marks,
      releases: (releases ?? []).filter((release) => has(release.offset)),
      links: (links ?? []).filter((link) => has(link.write) && has(link.written)),
    },
  }
}
