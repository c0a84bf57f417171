import type { Activity } from '../../model/activity.js'
import type { RelationDefinition } from '../../model/catalogue.js'
import type { Clock } from '../../model/clock.js'
import type { LineageEvent } from '../../model/lineage-event.js'
import type { NodeId } from '../../model/node.js'
import type { DatasetRead, QueryStatus } from '../../model/query.js'
import type { BaseSegment, Column, SegmentId, Snapshot, SnapshotId } from '../../model/segment.js'
import type { Miss, NodeWork, Prediction, PredictionInput, QueryOutcome } from '../../predict/prediction.js'
import type { PlannerPool } from '../../sql/planner.js'

/** One file of a written table, as the node that wrote it reported it. */
export interface WrittenFile {
  readonly path: string
  readonly rows: number
  readonly bytes: number
}

/** Remembered in the same commit, so that a repeated write can be answered without being done again. */
export interface CommitOptions {
  readonly idempotencyKey?: string
  readonly result?: unknown
}

/** A write under way: files go into `folder`, nobody sees them until `commit`. Exactly one of `commit` and `abort` ends it. */
export interface PendingWrite {
  readonly folder: string
  /** Columns of the table as it will be. */
  readonly columns: readonly Column[]
  /** First commit wins, the other gets WRITE_CONFLICT. Resolves when it would survive a crash. `remember` is told the snapshot that it makes. */
  commit(files: readonly WrittenFile[], remember?: (snapshot: Snapshot) => CommitOptions): Promise<Snapshot>
  abort(): Promise<void>
}

/** What the engine asks of the catalogue. */
export interface EngineCatalog {
  snapshot(id: SnapshotId): Snapshot | undefined
  current(name: string): Snapshot | undefined
  /** Every name that is defined now. */
  definitions(): readonly RelationDefinition[]
  /** Why there may be fewer tables than somebody expects. */
  note(): string | undefined
  /** Keeps snapshots and their files until the answer is called. */
  pin(ids: readonly SnapshotId[]): () => void
  /**
   * False when something on disk had changed: new snapshots are defined by then, plan again. `since`, monotonic milliseconds of this
   * process, is when the statement came: what was looked at after it need not be looked at again.
   */
  confirm(reads: readonly DatasetRead[], since?: number): Promise<boolean>
  /** A file that these reads stand on was found changed: looks at them anew, also at written tables. */
  lookAgain(reads: readonly DatasetRead[]): Promise<void>
  /**
   * An insert's `columns` are the table's own; `seen` is the snapshot of the table that the rows come from, where they do. Rejects with
   * WRITE_CONFLICT where the table is not so any more: plan again.
   */
  beginWrite(
    table: string,
    mode: 'create' | 'replace' | 'insert',
    columns: readonly Column[],
    seen?: SnapshotId,
  ): Promise<PendingWrite>
  /** Resolves with the result of the write with this idempotency key, if it was committed. */
  rememberedResult(key: string): Promise<unknown>
  /** Remembers the result of a write that had nothing to change. */
  remember(options: CommitOptions): Promise<void>
  dropTable(table: string, ifExists: boolean, options?: CommitOptions): Promise<boolean>
  createView(view: string, sql: string, replace: boolean, options?: CommitOptions): Promise<void>
  dropView(view: string, ifExists: boolean, options?: CommitOptions): Promise<boolean>
  /** Which columns' checksums are to be verified before a read, and recorded after it. */
  readonly checksums?: {
    verificationNeeded(segment: BaseSegment, columns: readonly string[]): readonly string[]
    recordingNeeded(segment: BaseSegment, columns: readonly string[]): readonly string[]
    markVerified(segment: BaseSegment, columns: readonly string[]): void
    markRecorded(segment: BaseSegment, columns: readonly string[]): void
  }
}

/** What the engine asks of the lineage recorder. */
export interface EngineRecorder {
  /** Resolves when the events are durable; calls keep their order. */
  record(events: readonly LineageEvent[]): Promise<void>
  saveQuery(status: QueryStatus): void
  put(key: string, json: string): Promise<void>
  get(key: string): Promise<string | undefined>
  /** Says which derived segments still have bytes, after a start: all others are evicted. */
  reconcile(existing: readonly SegmentId[]): Promise<number>
}

/** The lineage graph's word on which nodes worked on some segments. */
export interface WorkReader {
  work(segments: readonly SegmentId[], atMs: number): Promise<readonly NodeWork[]>
}

/** What the engine asks of prediction. It may throw, hang (when it answers with a promise) or talk nonsense: only speed may suffer. */
export interface QueryPredictor {
  predict(input: PredictionInput): Prediction | Promise<Prediction>
  admitted(queryId: string, input: PredictionInput, prediction: Prediction): void
  dispatched(queryId: string, at: number): void
  observe(outcome: QueryOutcome): readonly Miss[]
  loadScores(work: readonly NodeWork[]): ReadonlyMap<NodeId, number>
}

/** Bounds of the engine, each with the error or the action at its end. Defaults in `defaultLimits`. */
export interface EngineLimits {
  /** Queries that wait; one more gets QUEUE_FULL. */
  readonly queriesWaitingMax: number
  /** Queries that run at once. */
  readonly queriesRunningMax: number
  /** Tasks that one node runs at once. */
  readonly tasksPerNode: number
  /** Encoded results up to this size come back inside the outcome. */
  readonly inlineBytesMax: number
  /** A larger result ends with RESULT_TOO_LARGE. */
  readonly resultBytesMax: number
  /** Encoded answers kept in memory for exact repeats. */
  readonly answerCacheBytes: number
  /** An encoded answer larger than this is not kept in memory. */
  readonly answerBytesMax: number
  /** Source bytes of one pack. */
  readonly packSourceBytesMax: number
  /** Idle time after which background work begins. */
  readonly idleMs: number
  /** Partials that one task merges. */
  readonly fanInMax: number
  /** Rows of all partials from which an aggregator level is worth it. */
  readonly aggregateRowsMin: number
}

export interface EmbeddedEngineOptions {
  /** Packs, nodes' folders and the journal live here. */
  readonly stateFolder: string
  /** Folders with the files of datasets: the data folder and the catalogue's folder of written tables. */
  readonly dataFolders: readonly string[]
  /** Where files of written tables are made: nodes may write here. */
  readonly writableFolders: readonly string[]
  readonly checksumFolder: string
  /** Slots `n1` … `nK`. */
  readonly nodes: number
  /** Of all nodes together. */
  readonly memoryBytes: number
  /** For packs, derived segments and DuckDB's temporary files together. */
  readonly diskBytes: number
  readonly catalog: EngineCatalog
  readonly planner: Pick<PlannerPool, 'plan'>
  readonly recorder: EngineRecorder
  readonly reader?: WorkReader
  readonly predictor?: QueryPredictor
  /** Domain time: submission, history, heat, forecasts. Supervision and deadlines use the machine's own clock. */
  readonly clock: Clock
  readonly limits?: Partial<EngineLimits>
  /** Packs are built by value when idle; default true. */
  readonly packing?: boolean
  readonly onActivity?: (activity: Activity) => void
  /** What went wrong in the background and failed no query. */
  readonly onError?: (error: unknown) => void
}

export const defaultLimits: EngineLimits = {
  queriesWaitingMax: 2_000,
  queriesRunningMax: 64,
  tasksPerNode: 4,
  inlineBytesMax: 1e6,
  resultBytesMax: 20e9,
  answerCacheBytes: 64e6,
  answerBytesMax: 1e6,
  packSourceBytesMax: 128e6,
  idleMs: 2_000,
  fanInMax: 32,
  aggregateRowsMin: 10_000,
}
