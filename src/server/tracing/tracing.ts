/**
 * Traces of queries. A port with two adapters: nothing, and OpenTelemetry. Whatever happens in here costs no query anything but the
 * making of a few objects; what cannot be exported is dropped.
 */
import type { Activity } from '../../model/activity.js'
import type { LineageEvent } from '../../model/lineage-event.js'
import type { QueryRequest } from '../../model/query.js'
import { readTraceContext, traceParent } from './trace-parent.js'

export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** The trace of one query, before it has an id. */
export interface QueryTrace {
  /** What everybody who works for this query sends on; undefined without a trace. */
  readonly traceparent: string | undefined
  /** The query runs under this id. */
  runsAs(queryId: string, request: QueryRequest): void
  /** The query was refused. */
  refused(error: unknown): void
}

export interface Tracing {
  /** Begins the trace of a query, inside the caller's when its headers name one. */
  begin(headers: RequestHeaders): QueryTrace
  notice(activity: Activity): void
  /** Events that are durable: the tasks and transfers of a query. */
  recorded(events: readonly LineageEvent[]): void
  /** Trace id of a query that is sampled; also for a while after its end. */
  traceOf(queryId: string): string | undefined
  /** Sends what is there, within a bound. */
  close(): Promise<void>
}

/** No traces of ours; a caller's is still passed on. */
export const noTracing: Tracing = {
  begin: (headers) => {
    const context = readTraceContext(headers)
    return { traceparent: context && traceParent(context), runsAs: () => {}, refused: () => {} }
  },
  notice: () => {},
  recorded: () => {},
  traceOf: () => undefined,
  close: async () => {},
}

/** Starts a query inside its trace: `start` gets the request with the header for those who work for it. */
export async function inTrace<T>(
  tracing: Tracing,
  headers: RequestHeaders,
  request: QueryRequest,
  start: (within: QueryRequest) => T | Promise<T>,
  idOf: (started: T) => string,
): Promise<{ readonly started: T; readonly traceparent: string | undefined }> {
  const trace = tracing.begin(headers)
  const { traceparent } = trace
  try {
    const started = await start(traceparent === undefined ? request : { ...request, traceparent })
    trace.runsAs(idOf(started), request)
    return { started, traceparent }
  } catch (error) {
    trace.refused(error)
    throw error
  }
}
