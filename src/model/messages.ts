/**
 * Everything that the coordinator and a node process say to each other. Scheduler and node meet only here.
 * Control goes over the child process's channel (structured clone); bytes of segments go node to node over HTTP or by file.
 */
import type { ErrorRecord } from './errors.js'
import type { TaskEvent } from './lineage-event.js'
import type { NodeId, Role } from './node.js'
import type { ResultFormat } from './query.js'
import type { BaseSegment, Column, Pack, SnapshotId, StoredSegment } from './segment.js'
import type { Transformation } from './transformation.js'

export type TaskId = string

/** Some base segments of one snapshot that come from one place. */
export type BasePart =
  | {
      readonly from: 'parquet'
      readonly segments: readonly BaseSegment[]
      /** Columns whose recorded checksums must be verified before they are read, since that was not done since the start. */
      readonly verify: readonly string[]
    }
  | {
      readonly from: 'pack'
      readonly pack: Pack
      readonly ordinals: readonly number[]
      readonly segments: readonly BaseSegment[]
    }

/** A derived segment on some node: `url` serves its bytes, `stored.path` is where they stand on the same host. */
export interface DerivedSource {
  readonly stored: StoredSegment
  readonly url: string
  readonly via: 'file' | 'network'
  readonly tier: 'remote' | 'reused'
}

/** What stands behind one relation of the task's SQL. */
export type TaskInput =
  | {
      readonly kind: 'base'
      readonly relation: string
      readonly dataset: string
      readonly snapshot: SnapshotId
      readonly columns: readonly Column[]
      readonly mixedSchemas: boolean
      /** All columns of `partitionColumns` come from `BaseSegment.partition`, cast to the column's type. */
      readonly partitionColumns: readonly string[]
      readonly parts: readonly BasePart[]
    }
  | {
      readonly kind: 'derived'
      readonly relation: string
      readonly columns: readonly Column[]
      readonly sources: readonly DerivedSource[]
    }

/** Where the rows of the task's statement go. */
export type TaskOutput =
  /** Published in the node's spool under this id, for other tasks. */
  | { readonly to: 'segment'; readonly segment: string; readonly columns: readonly Column[] }
  /** Encoded for the client. Also published as a segment when `segment` is given, so that it can be reused. */
  | {
      readonly to: 'client'
      readonly format: ResultFormat
      readonly columns: readonly Column[]
      readonly segment?: string
      /** Results up to this size come back inside the outcome; larger ones are streamed from the node. */
      readonly inlineBytesMax: number
      readonly resultBytesMax: number
      /** The most rows that the statement can give, where that is known. */
      readonly rowsMax?: number
    }
  /**
   * A new pack under its final path (temp name, close, fsync, rename). The one base input's relation has the pack's ordinal
   * column besides its own, so the SQL selects the columns and `pack.ordinalColumn` from it.
   */
  | { readonly to: 'pack'; readonly pack: Omit<Pack, 'signedColumns' | 'rows' | 'bytes' | 'createdAt' | 'storageVersion'> }
  /** Parquet files of a written table, in a folder made by the coordinator; not visible until its manifest is renamed. */
  | { readonly to: 'table'; readonly folder: string; readonly table: string; readonly rowGroupRows: number }

export interface TaskMessage {
  readonly taskId: TaskId
  readonly attempt: number
  readonly queryId: string
  readonly tenant: string
  readonly template: string
  readonly role: Role
  /** Exactly one SELECT over the inputs' relations. */
  readonly sql: string
  readonly inputs: readonly TaskInput[]
  readonly output: TaskOutput
  readonly transformation: Transformation
  /** Thread class of the DuckDB instance: a split task takes one, a whole one all. */
  readonly threads: 'one' | 'all'
  readonly timeZone: string
  readonly memoryBytes: number
  /** Epoch milliseconds after which the task is of no use. */
  readonly deadlineAt: number
  /** Epoch milliseconds of its entry in the queue, for the queue time. */
  readonly queuedAt: number
  /** Kind of the lineage event that it yields. */
  readonly eventKind: TaskEvent['kind']
  /** W3C Trace Context of its query, for requests that its node makes. */
  readonly traceparent?: string
  /** Nothing may run beside it on its node, so that a death of the node names its cause. */
  readonly alone?: boolean
  /** Counts what the scheduler has sent out: a task that is made again after it was given up may have the same id and attempt. */
  readonly dispatch?: number
}

/** Coordinator → node. */
export type ToNode =
  | { readonly type: 'run'; readonly task: TaskMessage }
  | { readonly type: 'cancel'; readonly taskId: TaskId; readonly dispatch?: number }
  /** Bytes of these derived segments may go: all files of a segment's id, or the one file of a name in the spool. */
  | { readonly type: 'drop-segments'; readonly segments: readonly string[] }
  /** Detach these packs if attached; answered by `packs-detached`. */
  | { readonly type: 'detach-packs'; readonly packs: readonly string[] }
  /** Read the pack's blocks into this node's buffers, all threads, lowest urgency. */
  | { readonly type: 'warm-pack'; readonly pack: Pack; readonly columns: readonly string[] }
  /** Record checksums of these columns of a file (answered by `checksums`). */
  | {
      readonly type: 'record-checksums'
      readonly requestId: string
      readonly segment: BaseSegment
      readonly columns: readonly string[]
    }
  | { readonly type: 'lineage-acknowledged'; readonly batch: number }
  /** Finish running tasks, take no new ones, answer `drained`. */
  | { readonly type: 'drain' }
  | { readonly type: 'ping'; readonly nonce: number }

/** Counted cost of a finished task. */
export interface TaskReport {
  readonly cpuMs: number
  readonly peakMemoryBytes: number
  readonly wallMs: number
  readonly queueMs: number
  readonly transferMs: number
  readonly bytesRead: number
  readonly bytesMoved: number
  /** Reads by tier, in segments. */
  readonly tiers: Readonly<Record<'pack' | 'parquet' | 'remote' | 'reused', number>>
}

export type TaskResult =
  | { readonly to: 'segment'; readonly stored: StoredSegment }
  | {
      readonly to: 'client'
      readonly rows: number
      /** Whole encoded result, when it is small. */
      readonly inline?: Uint8Array
      /** Else the path below the node's URL that streams it once. */
      readonly streamPath?: string
      readonly stored?: StoredSegment
    }
  | { readonly to: 'pack'; readonly pack: Pack }
  | {
      readonly to: 'table'
      readonly files: readonly { readonly path: string; readonly rows: number; readonly bytes: number }[]
      readonly rows: number
    }

/** Node → coordinator. */
export type FromNode =
  | { readonly type: 'ready'; readonly port: number; readonly pid: number; readonly engineVersion: string }
  /** A task that the node took out of the queue by itself runs now. */
  | { readonly type: 'started'; readonly taskId: TaskId; readonly attempt: number }
  | {
      readonly type: 'finished'
      readonly taskId: TaskId
      readonly attempt: number
      readonly incarnation: number
      readonly result: TaskResult
      readonly report: TaskReport
    }
  | {
      readonly type: 'failed'
      readonly taskId: TaskId
      readonly attempt: number
      readonly incarnation: number
      readonly error: ErrorRecord
      readonly report: TaskReport
    }
  /** Streamed results end here, whether read to the end, broken off or failed after the first byte. */
  | {
      readonly type: 'stream-ended'
      readonly taskId: TaskId
      readonly rows: number
      readonly bytes: number
      readonly error?: ErrorRecord
      /** Cost of the whole task; the outcome's report was made when the stream began. */
      readonly report?: TaskReport
    }
  /** The answer that went to the client is now a derived segment too (`segment` of the client output), after `finished`. */
  | { readonly type: 'stored'; readonly taskId: TaskId; readonly stored: StoredSegment }
  | { readonly type: 'lineage'; readonly batch: number; readonly events: readonly TaskEvent[] }
  | { readonly type: 'checksums'; readonly requestId: string; readonly ok: boolean; readonly error?: ErrorRecord }
  | { readonly type: 'packs-detached'; readonly packs: readonly string[] }
  | { readonly type: 'warmed'; readonly pack: string; readonly bytes: number; readonly cpuMs: number }
  | {
      readonly type: 'vital-signs'
      readonly cpuSeconds: number
      readonly memoryBytes: number
      readonly runningTasks: number
      readonly attachedPacks: readonly string[]
      readonly warmBytes: number
    }
  | { readonly type: 'drained' }
  | { readonly type: 'pong'; readonly nonce: number }

/** What a node process is given when it is spawned: JSON in the environment variable `FOREBAY_NODE`. */
export interface NodeConfiguration {
  readonly id: NodeId
  readonly incarnation: number
  readonly token: string
  /** Own folder: `spool/` for derived segments, `temp/` for DuckDB. */
  readonly folder: string
  /** Folders it may read: data folder, written tables, packs, other nodes' spools. */
  readonly readableFolders: readonly string[]
  /** Folders it may write besides its own: packs, written tables. */
  readonly writableFolders: readonly string[]
  readonly checksumFolder: string
  readonly memoryBytes: number
  readonly tempBytesMax: number
  /** Threads of the `all` class. */
  readonly threads: number
  /** Where the node takes its tasks and leaves its reports; absent: both go over the channel to its parent. */
  readonly queue?: NodeQueue
}

/** A node's place on a broker. */
export interface NodeQueue {
  readonly url: string
  readonly prefix: string
  /** This run of the coordinator. */
  readonly run: string
  /** Tasks that run at once. */
  readonly slots: number
}

/** The signal by which a node ends itself at its memory limit. Whatever else makes it end itself, it uses SIGKILL. */
export const memoryExceededSignal = 'SIGUSR2'

/** Header of every request to a node's segment server. */
export const tokenHeader = 'x-forebay-token'

/**
 * Environment of a node's process, to be added to what it inherits. Every statement that DuckDB runs holds a thread of libuv's
 * pool, whose size is fixed before any of our code runs; with the default of 4, file reads and cancels would wait behind queries.
 */
export function nodeEnvironment(configuration: NodeConfiguration): Readonly<Record<string, string>> {
  return { FOREBAY_NODE: JSON.stringify(configuration), UV_THREADPOOL_SIZE: '24' }
}
