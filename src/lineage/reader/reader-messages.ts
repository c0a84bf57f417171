import type { ErrorRecord } from '../../model/errors.js'
import type { SegmentId } from '../../model/segment.js'
import type { ExportFormat } from '../export/graph-formats.js'
import type { Opening } from '../kept-thread.js'
import type { ColumnsRequest, HistoryRequest, TraceRequest, TransfersRequest } from '../lineage-reader-port.js'
import type { HotSegment, NodeWork } from '../lineage-store.js'
import type { CatalogueRequest } from '../openlineage/catalogue-request.js'
import type { StoreConfiguration } from '../recorder-port.js'

/** What the reader's thread is started with. */
export interface ReaderThreadData {
  readonly folder: string
  readonly stores: readonly StoreConfiguration[]
  readonly reads: string
}

/** Calls of the reader's thread: arguments and answer. Texts are JSON. */
export interface ReaderCalls {
  readonly trace: { readonly arguments: readonly [TraceRequest]; readonly value: string }
  readonly catalogue: { readonly arguments: readonly [CatalogueRequest]; readonly value: string }
  readonly columns: { readonly arguments: readonly [ColumnsRequest]; readonly value: string }
  readonly transfers: { readonly arguments: readonly [TransfersRequest]; readonly value: string }
  readonly segment: { readonly arguments: readonly [SegmentId]; readonly value: string | undefined }
  readonly hottest: {
    readonly arguments: readonly [limit: number, atMs: number, store?: string]
    readonly value: readonly HotSegment[]
  }
  readonly work: {
    readonly arguments: readonly [segments: readonly SegmentId[], atMs: number]
    readonly value: readonly NodeWork[]
  }
  readonly exportOpen: { readonly arguments: readonly [format: ExportFormat]; readonly value: number }
  /** The next piece of text; undefined after the last. */
  readonly exportNext: { readonly arguments: readonly [id: number]; readonly value: string | undefined }
  readonly exportClose: { readonly arguments: readonly [id: number]; readonly value: undefined }
  readonly queries: { readonly arguments: readonly [HistoryRequest]; readonly value: string }
  readonly close: { readonly arguments: readonly []; readonly value: undefined }
  readonly query: { readonly arguments: readonly [string]; readonly value: string | undefined }
}
export type ReaderCallName = keyof ReaderCalls

export interface ToReader {
  readonly request: number
  readonly name: ReaderCallName
  readonly arguments: readonly unknown[]
}
export type FromReader =
  | Opening
  | { readonly type: 'answer'; readonly request: number; readonly value?: unknown; readonly error?: ErrorRecord }
