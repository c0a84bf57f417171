/**
 * Turns the order of the log into marks, and keeps what the log says besides the graph. Three things depend on more than one
 * event, and each may come in any order:
 * - a task that names a snapshot waits until the snapshot is known;
 * - an eviction waits until it is known how the segment and all its parents came to be, then the vertex folds; what is said of
 *   the segment later goes to the folded vertex when it dates from before the eviction, else the segment is there anew;
 * - a write's task and its commit meet by their query.
 * Called once for each event, in the order of the log, in one transaction with the graph.
 */
import type {
  AnswerEvent,
  ColumnEvent,
  EvictionEvent,
  LineageEvent,
  SnapshotEvent,
  TaskEvent,
  WrittenEvent,
} from '../../model/lineage-event.js'
import type { SegmentId } from '../../model/segment.js'
import { type Database, Statements } from '../database.js'
import { isDerived } from '../graph/folding.js'
import { isTask } from '../graph/projector.js'
import type { LogOffset } from '../lineage-store.js'
import { type EventMarks, type MarkedEvent, noMarks, type Renames } from '../log/marked-event.js'
import { catalogueSchema } from '../openlineage/catalogue-schema.js'
import { CatalogueWriter } from '../openlineage/catalogue-writer.js'
import { DerivedSegments } from './derived-segments.js'
import { indexSchema, indexTables } from './index-schema.js'
import { KnownSnapshots } from './known-snapshots.js'
import { TransferTable } from './transfer-table.js'

type Writable<T> = { -readonly [K in keyof T]?: T[K] extends readonly (infer E)[] | undefined ? E[] : T[K] }
type Marks = Writable<EventMarks>

/** Result ranks: an answer or a written segment says what the result was; before that the root's output does. */
const answerRank = 0
const rootRank = 1

export class LineageIndex {
  readonly snapshots: KnownSnapshots
  readonly #sql: Statements
  readonly #derived: DerivedSegments
  readonly #transfers: TransferTable
  readonly #catalogue: CatalogueWriter
  readonly #event: (offset: LogOffset) => LineageEvent | undefined
  /** The event that is being taken, also while it lets earlier ones go on. */
  #taking: LogOffset = 0

  constructor(database: Database, event: (offset: LogOffset) => LineageEvent | undefined) {
    database.exec(indexSchema + catalogueSchema)
    this.#sql = new Statements(database)
    this.snapshots = new KnownSnapshots(this.#sql)
    this.#derived = new DerivedSegments(this.#sql)
    this.#transfers = new TransferTable(this.#sql)
    this.#catalogue = new CatalogueWriter(this.#sql)
    this.#event = event
  }

  /** Works out the marks of an event and keeps what it says. */
  take(offset: LogOffset, event: LineageEvent): MarkedEvent {
    const marks: Marks = {}
    this.#taking = offset
    if (isTask(event)) this.#takeTask(offset, event, marks)
    else if (event.kind === 'snapshot') this.#takeSnapshot(event, marks)
    else if (event.kind === 'eviction') this.#takeEviction(offset, event, marks)
    else if (event.kind === 'answer') this.#takeAnswer(offset, event, marks)
    else if (event.kind === 'written') this.#takeWritten(offset, event, marks)
    else if (event.kind === 'columns') this.#takeColumns(event)
    else if (event.kind === 'openlineage') {
      const change = this.#catalogue.take(offset, event)
      if (change !== undefined) marks.external = change
    }
    return { offset, event, marks: Object.keys(marks).length === 0 ? noMarks : marks }
  }

  /** Notes that an event cannot be taken, and why. */
  setAside(offset: LogOffset, event: LineageEvent, reason: string): MarkedEvent {
    this.#sql.run('INSERT OR REPLACE INTO set_aside VALUES (?, ?)', offset, reason)
    return { offset, event, marks: { setAside: true } }
  }

  /** Writes what was taken in and not written yet. Must be called before the transaction ends. */
  flush(): void {
    this.#catalogue.flush()
  }

  /** Empties all tables. */
  clear(): void {
    for (const table of [...indexTables.map((entry) => entry.table), 'transfers']) this.#sql.run(`DELETE FROM ${table}`)
    this.snapshots.forget()
    this.#catalogue.clear()
  }

  /** Must follow a rollback: what is kept in memory may be wrong. */
  rolledBack(): void {
    this.snapshots.forget()
    this.#catalogue.forget()
  }

  /** Adds the raw transfers of an event that was projected before; for the rows that a checkpoint does not carry. */
  retake(offset: LogOffset, event: LineageEvent): void {
    if (isTask(event) && this.#missing(event) === undefined) this.#transfers.addTask(offset, event, this.#lookup)
    else if (event.kind === 'answer') this.#transfers.addAnswer(offset, event)
  }

  /** Derived segments that the graph shows as existing and that belong to no table. */
  existing(): SegmentId[] {
    return this.#derived.existing()
  }

  /** Gives what remains what it must know of that which is to be forgotten up to an offset; once, before that is forgotten in parts. */
  bequeath(offset: LogOffset): void {
    this.#derived.bequeath(offset)
  }

  /** Forgets what later events could refer to before an offset, where the log is to end: no checkpoint may carry it any more. */
  forget(offset: LogOffset): void {
    this.#derived.forget(offset)
    this.#catalogue.truncate(offset)
    this.#sql.run('DELETE FROM writes WHERE offset < ?', offset)
    this.#sql.run("DELETE FROM waiting WHERE key GLOB 'snapshot:*' AND offset < ?", offset)
  }

  /** Forgets what is known of single events before an offset, which have left the log. */
  truncate(offset: LogOffset): void {
    this.#transfers.truncate(offset)
    this.#sql.run('DELETE FROM set_aside WHERE offset < ?', offset)
  }

  /** Forgets the results of all but the latest queries. */
  keepResults(queries: number): void {
    this.#derived.keepResults(queries)
  }

  /** Forgets what has waited in vain since before an offset. What comes later depends on it: no checkpoint may carry it any more. */
  forgetWaiting(before: LogOffset): void {
    this.#sql.run('DELETE FROM waiting WHERE offset < ?', before)
  }

  readonly #lookup = (id: string) => this.snapshots.segments(id)

  #takeTask(offset: LogOffset, event: TaskEvent, marks: Marks): void {
    const missing = this.#missing(event)
    if (missing !== undefined) {
      this.#wait(`snapshot:${missing}`, offset, '', event.at)
      marks.deferred = true
      return
    }
    const renames = this.#project(offset, event, marks)
    if (renames !== undefined) marks.renames = renames
  }

  /** Everything that a task whose snapshots are known says; its renames, when it has any. */
  #project(offset: LogOffset, event: TaskEvent, marks: Marks): Renames | undefined {
    const renames: Record<SegmentId, SegmentId> = {}
    for (const { segment } of event.derivedReads) this.#rename(segment, event.at, renames)
    const { output } = event
    if (output !== undefined && isDerived(output.segment)) {
      this.#rename(output.segment, event.at, renames)
      this.#derived.made(this.#taking, event, output, renames)
      if (event.queryId !== undefined && event.role === 'root') this.#result(event.queryId, rootRank, output.segment, offset)
      // Answers that were not kept have no vertex of their own beyond this moment.
      if (output.location === '' && renames[output.segment] === undefined) this.#evict(offset, output.segment, event.at, marks)
      this.#releaseEvictions(output.segment, marks)
    }
    this.#transfers.addTask(offset, event, this.#lookup)
    if ((event.kind === 'write' || event.kind === 'import') && output === undefined && event.queryId !== undefined) {
      this.#sql.run('INSERT OR IGNORE INTO writes VALUES (?, ?, 0)', event.queryId, offset)
      for (const [written] of this.#counterparts(event.queryId, 1)) this.#link(marks, offset, written, renames)
    }
    return Object.keys(renames).length === 0 ? undefined : renames
  }

  #takeSnapshot(event: SnapshotEvent, marks: Marks): void {
    this.snapshots.add(event)
    for (const [waiting] of this.#waiting(`snapshot:${event.snapshot}`)) {
      const task = this.#event(waiting)
      if (task === undefined || !isTask(task)) continue
      const missing = this.#missing(task)
      if (missing !== undefined) {
        this.#wait(`snapshot:${missing}`, waiting, '', task.at)
        continue
      }
      const renames = this.#project(waiting, task, marks)
      marks.releases ??= []
      marks.releases.push({ offset: waiting, ...(renames === undefined ? {} : { renames }) })
    }
  }

  #takeEviction(offset: LogOffset, event: EvictionEvent, marks: Marks): void {
    for (const segment of event.segments) if (isDerived(segment)) this.#evict(offset, segment, event.at, marks)
  }

  #takeAnswer(offset: LogOffset, event: AnswerEvent, marks: Marks): void {
    const folded = this.#derived.answered(event.segment, offset)
    if (folded !== undefined) marks.renames = { [event.segment]: folded }
    this.#result(event.queryId, answerRank, event.segment, offset)
    this.#transfers.addAnswer(offset, event)
  }

  #takeWritten(offset: LogOffset, event: WrittenEvent, marks: Marks): void {
    for (const { id } of event.segments) this.#result(event.queryId, answerRank, id, offset)
    this.#sql.run('INSERT OR IGNORE INTO writes VALUES (?, ?, 1)', event.queryId, offset)
    for (const [write] of this.#counterparts(event.queryId, 0)) {
      const task = this.#event(write)
      if (task === undefined || !isTask(task)) continue
      const renames: Record<SegmentId, SegmentId> = {}
      for (const { segment } of task.derivedReads) this.#rename(segment, task.at, renames)
      this.#link(marks, write, offset, renames)
    }
  }

  #takeColumns(event: ColumnEvent): void {
    if (event.table === undefined) return
    for (const { column, inputs } of event.columns) {
      for (const input of inputs) {
        this.#sql.run(
          `INSERT INTO columns VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET
             first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at), count = count + 1`,
          event.table,
          column,
          input.dataset,
          input.column,
          input.kind,
          input.subtype,
          event.at,
          event.at,
        )
      }
    }
  }

  #rename(segment: SegmentId, at: number, renames: Record<SegmentId, SegmentId>): void {
    const folded = this.#derived.resolve(segment, at)
    if (folded !== undefined) renames[segment] = folded
  }

  #evict(offset: LogOffset, segment: SegmentId, at: number, marks: Marks): void {
    const outcome = this.#derived.evict(segment, at, this.#taking)
    if ('missing' in outcome) this.#wait(`made:${outcome.missing}`, offset, segment, at)
    else if (outcome.fold !== undefined) {
      marks.folds ??= []
      marks.folds.push({ from: segment, into: outcome.fold })
    }
  }

  #releaseEvictions(made: SegmentId, marks: Marks): void {
    for (const [offset, segment, at] of this.#waiting(`made:${made}`)) this.#evict(offset, segment, at, marks)
  }

  #missing(event: TaskEvent): string | undefined {
    return event.baseReads.find((read) => !this.snapshots.has(read.snapshot))?.snapshot
  }

  #result(query: string, rank: number, segment: SegmentId, seen: LogOffset): void {
    this.#sql.run('INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?)', query, rank, segment, seen)
  }

  #wait(key: string, offset: LogOffset, segment: SegmentId, at: number): void {
    this.#sql.run('INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, ?)', key, offset, segment, at)
  }

  #waiting(key: string): [LogOffset, SegmentId, number][] {
    const rows = this.#sql.all<[LogOffset, SegmentId, number]>(
      'SELECT offset, segment, at FROM waiting WHERE key = ? ORDER BY offset, segment',
      key,
    )
    if (rows.length > 0) this.#sql.run('DELETE FROM waiting WHERE key = ?', key)
    return rows
  }

  #counterparts(query: string, written: 0 | 1): [LogOffset][] {
    return this.#sql.all<[LogOffset]>('SELECT offset FROM writes WHERE query = ? AND written = ? ORDER BY offset', query, written)
  }

  #link(marks: Marks, write: LogOffset, written: LogOffset, renames: Renames): void {
    marks.links ??= []
    marks.links.push({ write, written, ...(Object.keys(renames).length === 0 ? {} : { renames }) })
  }
}
