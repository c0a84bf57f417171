import type { Clock } from '../model/clock.js'
import type { LineageEvent } from '../model/lineage-event.js'
import type { QueryStatus } from '../model/query.js'
import type { SegmentId } from '../model/segment.js'
import type { SetAsideEvent } from './projection/graph-database.js'

/** What the recorder may keep; each has a default in `retention.ts`. Reaching one truncates or fails with its name. */
export interface RecorderLimits {
  /** Largest log on disk with history and keys; the log is truncated well before it, and writing past it fails with DISK_EXCEEDED. */
  readonly logBytesMax: number
  /** Most events in the log; the older half goes when it is reached, after a checkpoint. */
  readonly eventsMax: number
  /** Oldest event in the log, counted from its arrival. */
  readonly eventAgeMsMax: number
  /** Most queries in the history. */
  readonly queriesMax: number
  /** Most bytes on their way to the thread; more are refused with QUEUE_FULL. */
  readonly inFlightBytesMax: number
}

/** How another graph fares. */
export interface StoreState {
  readonly name: string
  /** The first log offset that it has not applied. */
  readonly offset: number
  /** Why it is not kept up at the moment. */
  readonly failure?: string
}

/** Another graph that the log is projected into, in a thread of its own. */
export interface StoreConfiguration {
  /** Name in `lag()`. */
  readonly name: string
  /** URL of a module that exports `openLineageStore(options): Promise<LineageStore>`. */
  readonly module: string
  /** Plain data handed to it. */
  readonly options: Readonly<Record<string, unknown>>
}

export interface RecorderOptions {
  /** Made when it is absent; one recorder at a time (the caller holds the state folder's lock). */
  readonly folder: string
  readonly clock?: Clock
  readonly limits?: Partial<RecorderLimits>
  readonly stores?: readonly StoreConfiguration[]
  /**
   * Called when the thread dies: every call that waits rejects with UNAVAILABLE, and later ones until another thread has opened the log.
   * Also called, once until it succeeds, when the log cannot be truncated.
   */
  readonly onFailure?: (error: Error) => void
  /** Called for each event that no graph can take, with the reason; the others go on without it. */
  readonly onSetAside?: (event: SetAsideEvent) => void
}

export interface RecorderStats {
  /** Events acknowledged since the thread's start, without duplicates. */
  readonly events: number
  readonly duplicates: number
  /** Group commits since then, and how long the last ones took. */
  readonly commits: number
  readonly commitMsP50: number
  readonly commitMsP99: number
  /** Events in the log, and the first offset that is still there. */
  readonly logEvents: number
  readonly logFrom: number
  readonly logBytes: number
  /** Events of the log that no graph holds, since they could not be taken. */
  readonly setAside: number
}

/** What a rebuild or a verification found. */
export interface GraphReport {
  readonly store: string
  readonly vertices: number
  readonly edges: number
  readonly hash: string
  readonly events: number
  /** How many of them the graph could not take: they are in the log alone. */
  readonly setAside: number
  /** True when the graph before (for a rebuild) or now (for a verification) has the digest that the log gives. */
  readonly identical: boolean
}

/** Writes what must survive: the lineage log, its graphs, the history of queries and small documents. One thread, group fsync. */
export interface Recorder {
  /**
   * Resolves when the events are on disk (fsynced); rejects and keeps none of them otherwise (DISK_EXCEEDED, QUEUE_FULL; after
   * UNAVAILABLE they may be there). An event whose id was recorded before changes nothing. Never wait for it on a query's path.
   */
  record(events: readonly LineageEvent[]): Promise<void>
  /** Keeps the latest status of a query for the history; written with the next group commit. */
  saveQuery(status: QueryStatus): void
  /** Keeps a JSON text under a key; resolves when it is on disk. */
  put(key: string, json: string): Promise<void>
  /** The JSON text under a key, as last put (also when that put has not reached the disk yet). */
  get(key: string): Promise<string | undefined>
  /** Forgets a key; resolves when that is on disk. */
  remove(key: string): Promise<void>
  /** All keys with a prefix and their JSON texts, by key. */
  list(prefix: string): Promise<readonly (readonly [key: string, json: string])[]>
  /** Events in the log minus events in each graph, by store name (`sqlite` is always there). */
  lag(): Readonly<Record<string, number>>
  stats(): RecorderStats
  /** Resolves when everything recorded before the call can be read in the SQLite graph. */
  projected(): Promise<void>
  /**
   * Says which derived segments still have bytes, after a start: every other derived vertex that belongs to no table is evicted.
   * Returns how many were.
   */
  reconcile(existing: readonly SegmentId[]): Promise<number>
  /** The graphs besides SQLite's. */
  stores(): Promise<readonly StoreState[]>
  /** Writes a checkpoint of the graph into the log, then truncates what the limits (or a shorter age) no longer allow. */
  checkpoint(olderThanMs?: number): Promise<{ readonly offset: number; readonly truncated: number }>
  /** Drops a graph and makes it anew from checkpoint and tail. Recording goes on meanwhile. */
  rebuild(store?: string): Promise<GraphReport>
  /** Makes the graph from the log a second time and compares a store's with it, as of the same offset. */
  verify(store?: string): Promise<GraphReport>
  /** Waits for what was recorded, then ends the thread. What was not projected yet is after the next start. */
  close(): Promise<void>
}
