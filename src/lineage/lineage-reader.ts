import { Worker } from 'node:worker_threads'
import { entryPoint } from '../model/entry-point.js'
import { type ErrorRecord, ForebayError, fromErrorRecord } from '../model/errors.js'
import type { NodeId } from '../model/node.js'
import type { QueryId, QueryState, QueryStatus } from '../model/query.js'
import type { SegmentId } from '../model/segment.js'
import type { HotSegment, NodeWork, SegmentVertex } from './lineage-store.js'

/** Where a trace begins. */
export type LineageStart =
  | { readonly kind: 'segment' | 'query' | 'node'; readonly id: string }
  /** `segments` are those of its current snapshot. */
  | { readonly kind: 'table'; readonly id: string; readonly segments: readonly SegmentId[] }

export interface LineageRequest {
  readonly from: LineageStart
  readonly direction: 'upstream' | 'downstream' | 'both'
  /** 1–50. */
  readonly depth: number
  readonly limit: number
  /** Epoch milliseconds. */
  readonly asOf?: number
}

export interface TransferRequest {
  readonly segment?: SegmentId
  readonly query?: QueryId
  readonly source?: NodeId
  readonly destination?: NodeId
  /** Epoch milliseconds. */
  readonly since?: number
  readonly limit: number
  /** The `next` of the page before. */
  readonly cursor?: string
}

export interface ColumnRequest {
  readonly table: string
  readonly column?: string
  readonly direction: 'upstream' | 'downstream'
}

export interface HistoryRequest {
  readonly state?: QueryState
  /** Fingerprint. */
  readonly template?: string
  readonly limit: number
  readonly cursor?: string
}

/** Asks what was recorded, in a thread of its own over read-only connections. Answers that can be large come as JSON text. */
export interface LineageReader {
  /** JSON text of the graph as the API answers it. NOT_FOUND when nothing is known of the start. */
  lineage(request: LineageRequest): Promise<string>
  /** JSON text `{"transfers":[…],"next"?}`, newest first. */
  transfers(request: TransferRequest): Promise<string>
  /** JSON text `{"columns":[…]}`. */
  columns(request: ColumnRequest): Promise<string>
  segment(id: SegmentId): Promise<SegmentVertex | undefined>
  /** Hottest first. `atMicros` is epoch microseconds. */
  hottest(limit: number, atMicros: number): Promise<readonly HotSegment[]>
  /** Decayed PROCESSED_BY counts of these segments by node. */
  work(segments: readonly SegmentId[], atMicros: number): Promise<readonly NodeWork[]>
  /** The history, newest first. */
  queries(request: HistoryRequest): Promise<{ readonly queries: readonly QueryStatus[]; readonly next?: string }>
  query(id: QueryId): Promise<QueryStatus | undefined>
  close(): Promise<void>
}

/** Main thread → reader thread; answered by one message with the same id. */
export type ReaderCall =
  | { readonly call: 'lineage'; readonly request: LineageRequest }
  | { readonly call: 'transfers'; readonly request: TransferRequest }
  | { readonly call: 'columns'; readonly request: ColumnRequest }
  | { readonly call: 'segment'; readonly request: SegmentId }
  | { readonly call: 'hottest'; readonly request: { readonly limit: number; readonly atMicros: number } }
  | { readonly call: 'work'; readonly request: { readonly segments: readonly SegmentId[]; readonly atMicros: number } }
  | { readonly call: 'queries'; readonly request: HistoryRequest }
  | { readonly call: 'query'; readonly request: QueryId }
  | { readonly call: 'close'; readonly request: undefined }
export type ReaderMessage = ReaderCall & { readonly id: number }
export type ReaderAnswer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: ErrorRecord }

const waitingMax = 5_000

/** Starts the reader thread. The recorder must have opened the folder before. */
export async function openLineageReader(options: { readonly folder: string }): Promise<LineageReader> {
  const worker = new Worker(entryPoint('./reader-thread.js', import.meta.url), { workerData: { folder: options.folder } })
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let nextId = 0
  let ended: Error | undefined

  const end = (error: Error): void => {
    ended ??= error
    for (const call of waiting.values()) call.reject(error)
    waiting.clear()
  }
  worker.on('message', (answer: ReaderAnswer) => {
    const call = waiting.get(answer.id)
    waiting.delete(answer.id)
    if ('error' in answer) call?.reject(fromErrorRecord(answer.error))
    else call?.resolve(answer.value)
  })
  worker.on('error', (error) => end(error as Error))
  worker.on('exit', () => end(new ForebayError('UNAVAILABLE', 'the lineage reader has ended')))

  const ask = <Value>(call: ReaderCall): Promise<Value> => {
    if (ended !== undefined) return Promise.reject(ended)
    if (waiting.size >= waitingMax) return Promise.reject(new ForebayError('QUEUE_FULL', 'too many lineage questions wait'))
    const id = nextId++
    return new Promise<Value>((resolve, reject) => {
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
      worker.postMessage({ ...call, id } satisfies ReaderMessage)
    })
  }

  return {
    lineage: (request) => ask({ call: 'lineage', request }),
    transfers: (request) => ask({ call: 'transfers', request }),
    columns: (request) => ask({ call: 'columns', request }),
    segment: (request) => ask({ call: 'segment', request }),
    hottest: (limit, atMicros) => ask({ call: 'hottest', request: { limit, atMicros } }),
    work: (segments, atMicros) => ask({ call: 'work', request: { segments, atMicros } }),
    queries: (request) => ask({ call: 'queries', request }),
    query: (request) => ask({ call: 'query', request }),
    close: async () => {
      if (ended !== undefined) return
      await ask({ call: 'close', request: undefined }).catch(() => {})
      await worker.terminate()
    },
  }
}
