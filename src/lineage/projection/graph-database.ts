import { ForebayError } from '../../model/errors.js'
import type { SegmentId } from '../../model/segment.js'
import { type Database, inTransaction, isFaultOfValue, openDatabase, Statements } from '../database.js'
import { GraphDelta } from '../graph/graph-delta.js'
import { type ProjectionContext, projectEvent } from '../graph/projector.js'
import type { LogOffset } from '../lineage-store.js'
import type { LineageLog } from '../log/lineage-log.js'
import { type MarkedEvent, noMarks } from '../log/marked-event.js'
import { SqliteGraph } from '../sqlite/sqlite-graph.js'
import { LineageIndex } from './lineage-index.js'

/** An event that no graph can take. */
export interface SetAsideEvent {
  readonly id: string
  readonly reason: string
}

/** How events are projected. */
export interface AdvanceOptions {
  readonly keepMarks?: boolean
  readonly until?: number
}

/** The SQLite graph with its index: the first projection of the log, which also works out the marks for all others. */
export class GraphDatabase {
  readonly database: Database
  readonly index: LineageIndex
  readonly graph: SqliteGraph
  readonly #sql: Statements
  readonly #log: LineageLog
  readonly #onSetAside: (event: SetAsideEvent) => void

  constructor(path: string, log: LineageLog, onSetAside: (event: SetAsideEvent) => void = () => {}) {
    this.database = openDatabase(path, 'normal')
    this.#sql = new Statements(this.database)
    this.index = new LineageIndex(this.database, (offset) => log.event(offset))
    this.graph = new SqliteGraph(this.database)
    this.#log = log
    this.#onSetAside = onSetAside
  }

  offset(): LogOffset {
    return this.graph.offset()
  }

  /**
   * Projects the next events, at most `count`; says how many there were. `until` leaves out events that happened later. Throws
   * UNAVAILABLE when the next ones have left the log meanwhile: offsets have no gaps, so what follows them does not give the graph.
   */
  advance(count: number, { keepMarks = true, until = Number.MAX_SAFE_INTEGER }: AdvanceOptions = {}): number {
    const events = this.#log.read(this.offset(), count)
    if ((events[0]?.offset ?? this.#log.next()) > this.offset()) {
      throw new ForebayError('UNAVAILABLE', 'the lineage log was truncated while it was read', { hint: 'ask again' })
    }
    if (events.length > 0) this.#advance(events, { keepMarks, until })
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

  /** How many events of the log are not in the graph, since it could not take them. */
  setAside(): number {
    return countSetAside(this.#sql)
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

  /** Among events that cannot be projected together the one at fault is searched for, and set aside: the others go on. */
  #advance(events: readonly MarkedEvent[], options: Required<AdvanceOptions>): void {
    try {
      this.#take(events, options, ({ offset, event }) => this.index.take(offset, event))
    } catch (error) {
      if (!isFaultOfValue(error)) throw error
      const [first] = events
      if (first !== undefined && events.length === 1) this.#setAside(first, (error as Error).message, options)
      else {
        const middle = events.length >> 1
        this.#advance(events.slice(0, middle), options)
        this.#advance(events.slice(middle), options)
      }
    }
  }

  #setAside(marked: MarkedEvent, reason: string, options: Required<AdvanceOptions>): void {
    this.#take([marked], options, ({ offset, event }) => this.index.setAside(offset, event, reason))
    this.#onSetAside({ id: marked.event.id, reason })
  }

  #take(
    events: readonly MarkedEvent[],
    { keepMarks, until }: Required<AdvanceOptions>,
    take: (event: MarkedEvent) => MarkedEvent,
  ): void {
    const to = (events.at(-1)?.offset ?? 0) + 1
    this.#inTransaction(() => {
      const delta = new GraphDelta()
      const toMark: MarkedEvent[] = []
      for (const event of events) {
        if (event.event.at > until) continue
        const marked = take(event)
        projectFromLog(delta, this.#log, this.index, [marked])
        if (marked.marks !== noMarks || event.marks.setAside === true) toMark.push(marked)
      }
      this.index.flush()
      // Marks reach the disk before the graph does: whoever follows the graph's offset finds them.
      if (keepMarks) this.#log.mark(toMark)
      this.graph.apply(delta.batch(this.offset(), to))
    })
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

/** How many events a graph's database says were set aside. */
export function countSetAside(sql: Statements): number {
  return sql.first<[number]>('SELECT count(*) FROM set_aside')?.[0] ?? 0
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

/** A marked event without what it refers to that has left the log; the same where that is nothing. */
export function withoutMissing(marked: MarkedEvent, log: LineageLog): MarkedEvent {
  const { releases = [], links = [], ...marks } = marked.marks
  const has = (offset: LogOffset): boolean => log.event(offset) !== undefined
  if (releases.every((release) => has(release.offset)) && links.every((link) => has(link.write) && has(link.written)))
    return marked
  return {
    ...marked,
    marks: {
      ...marks,
      releases: releases.filter((release) => has(release.offset)),
      links: links.filter((link) => has(link.write) && has(link.written)),
    },
  }
}
