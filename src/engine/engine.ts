import type { Plan, QueryRequest, QueryStatus } from '../model/query.js'
import type { Column } from '../model/segment.js'

/** A running query. Exactly one of `result` and a rejection ends it. */
export interface Execution {
  readonly queryId: string
  status(): QueryStatus
  /** Resolves when the first bytes can be read (small results whole), or rejects with the query's error. */
  readonly result: Promise<QueryResult>
  /** Resolves when it has ended, whichever way, and all is known of it: from then on its status does not change. */
  readonly ended: Promise<void>
  cancel(reason: string): void
}
export interface QueryResult {
  readonly columns: readonly Column[]
  readonly contentType: string
  /** Encoded bytes. For JSON and NDJSON of the format's row part see docs/http-api.md; breaks off with an error after the first byte. */
  readonly body: AsyncIterable<Uint8Array>
  /** What a write answers; absent where the statement wrote nothing. */
  readonly count?: number
}

/** Runs planned queries: the DuckDB tree, or Trino. */
export interface Engine {
  readonly kind: 'embedded' | 'trino'
  /** Admits and starts a query; never waits. */
  submit(queryId: string, request: QueryRequest): Execution
  /** Plans without running. */
  plan(request: QueryRequest, signal: AbortSignal): Promise<Plan>
  close(): Promise<void>
}
