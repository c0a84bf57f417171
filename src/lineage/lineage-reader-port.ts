import type { NodeId } from '../model/node.js'
import type { QueryState, QueryStatus } from '../model/query.js'
import type { SegmentId } from '../model/segment.js'
import type { ExportFormat } from './export/graph-formats.js'
import type { HotSegment, NodeWork } from './lineage-store.js'
import type { CatalogueRequest } from './openlineage/catalogue-request.js'
import type { StoreConfiguration } from './recorder-port.js'

/** `GET /v1/lineage`. */
export interface TraceRequest {
  /** `segment:ID`, `table:NAME`, `query:ID` or `node:ID`. */
  readonly from: string
  readonly direction: 'upstream' | 'downstream' | 'both'
  /** 1–50. */
  readonly depth: number
  /** Most edges, 1–100,000. */
  readonly limit: number
  /** Epoch milliseconds. */
  readonly asOf?: number
  /** Which graph answers; by default the one that the reader was opened for. */
  readonly store?: string
}

/** `GET /v1/lineage/columns`. Without a column: all of the table's. */
export interface ColumnsRequest {
  readonly table: string
  readonly column?: string
  readonly direction: 'upstream' | 'downstream' | 'both'
  /** Hops through written tables, 1–50; default 20. */
  readonly depth?: number
}

/** `GET /v1/transfers`: every filter that is given must hold; in the order of arrival, oldest first. */
export interface TransfersRequest {
  readonly segment?: SegmentId
  readonly query?: string
  readonly source?: NodeId
  readonly destination?: NodeId
  /** Epoch milliseconds; moves that ended then or later. */
  readonly since?: number
  /** 1–10,000. */
  readonly limit: number
  /** `next` of the page before. */
  readonly cursor?: string
}

/** `GET /v1/queries`: newest first. */
export interface HistoryRequest {
  readonly state?: QueryState
  /** Fingerprint, or the template's text. */
  readonly template?: string
  /** 1–1,000. */
  readonly limit: number
  /** `next` of the page before. */
  readonly cursor?: string
}

export interface ReaderOptions {
  /** The recorder's folder; the recorder must be open. */
  readonly folder: string
  /** Graphs that can be read besides SQLite's, and the one that answers when a question does not say (default `sqlite`). */
  readonly stores?: readonly StoreConfiguration[]
  readonly reads?: string
  /** Called when the thread dies: calls reject with UNAVAILABLE until another thread is there. */
  readonly onFailure?: (error: Error) => void
}

/**
 * Answers about lineage and history, from a thread of its own with a read-only connection. Answers that can be large come
 * as JSON text that is ready to be sent, so that the event loop neither parses nor stringifies them.
 */
export interface LineageReader {
  /** `{"vertices":[…],"edges":[…],"truncated":…}`. Rejects with NOT_FOUND (unknown start) or REQUEST_INVALID. */
  trace(request: TraceRequest, signal?: AbortSignal): Promise<string>
  /** `{"columns":[…],"edges":[…],"truncated":…}`. NOT_FOUND when nothing is known of the table or column. */
  columns(request: ColumnsRequest, signal?: AbortSignal): Promise<string>
  /** What other programs reported of their work, as Marquez's clients read it. NOT_FOUND for what nobody reported. */
  catalogue(request: CatalogueRequest, signal?: AbortSignal): Promise<string>
  /** `{"transfers":[…],"next"?}`. A page may be short and have a `next` all the same. */
  transfers(request: TransfersRequest, signal?: AbortSignal): Promise<string>
  /** The vertex as `GET /v1/segments/{id}` gives it (a folded vertex for an evicted one); undefined when it is unknown. */
  segment(id: SegmentId, signal?: AbortSignal): Promise<string | undefined>
  /** Hottest first; `atMs` is epoch milliseconds. From SQLite's graph unless a store is named: predictions wait for no server. */
  hottest(limit: number, atMs: number, signal?: AbortSignal, store?: string): Promise<readonly HotSegment[]>
  /** Decayed PROCESSED_BY counts of these segments by node. */
  work(segments: readonly SegmentId[], atMs: number, signal?: AbortSignal): Promise<readonly NodeWork[]>
  /** `{"queries":[…],"next"?}`. */
  queries(request: HistoryRequest, signal?: AbortSignal): Promise<string>
  /** One query of the history. */
  query(queryId: string, signal?: AbortSignal): Promise<QueryStatus | undefined>
  /** SQLite's graph at one moment as text, piece by piece. */
  export(format: ExportFormat, signal?: AbortSignal): AsyncIterable<string>
  close(): Promise<void>
}
