/**
 * Traces as OpenTelemetry has them. A query's span is open from its arrival to its end; `plan`, `predict` and `allocate` are cut out
 * of it by the times at which it changed its state; tasks and transfers come from the lineage events, which may be durable only after
 * the query's end, so that ended queries are remembered for a while.
 */
import {
  type Attributes,
  type Context,
  context,
  createTraceState,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import type { Activity } from '../../model/activity.js'
import { toErrorRecord } from '../../model/errors.js'
import type { LineageEvent, TaskEvent, Transfer } from '../../model/lineage-event.js'
import type { QueryRequest, QueryStatus } from '../../model/query.js'
import { readTraceContext, traceParent } from './trace-parent.js'
import type { QueryTrace, RequestHeaders, Tracing } from './tracing.js'

interface Traced {
  readonly span: Span
  readonly context: Context
  /** Epoch milliseconds with a fraction: its arrival, and when it began to wait for its allocation and to run. */
  readonly beganAt: number
  waitingAt?: number
  runningAt?: number
}

/** Queries whose spans are kept open or may still get children. */
const keptMax = 10_000
const keptMs = 60_000
const closeMsMax = 5_000

const nowMs = (): number => performance.timeOrigin + performance.now()

/** Spans go where the standard variables say, in batches, within the library's bounds. */
export function openTelemetryTracing(version: string): Tracing {
  const resource = defaultResource()
    .merge(resourceFromAttributes({ 'service.name': 'forebay', 'service.version': version }))
    .merge(detectResources({ detectors: [envDetector] }))
  const provider = new NodeTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] })
  return new OpenTelemetryTracing(provider, version)
}

class OpenTelemetryTracing implements Tracing {
  readonly #provider: NodeTracerProvider
  readonly #tracer
  readonly #queries = new Map<string, Traced>()

  constructor(provider: NodeTracerProvider, version: string) {
    this.#provider = provider
    this.#tracer = provider.getTracer('forebay', version)
  }

  begin(headers: RequestHeaders): QueryTrace {
    const beganAt = nowMs()
    const span = this.#tracer.startSpan('query', { kind: SpanKind.SERVER, startTime: beganAt }, parentOf(headers))
    const { traceId, spanId, traceFlags } = span.spanContext()
    return {
      traceparent: traceParent({ traceId, spanId, flags: traceFlags }),
      runsAs: (queryId, request) => {
        span.setAttributes(attributesOf(queryId, request))
        this.#keep(queryId, { span, context: trace.setSpan(context.active(), span), beganAt })
      },
      refused: (error) => {
        fail(span, toErrorRecord(error).code)
        span.end()
      },
    }
  }

  notice(activity: Activity): void {
    if (activity.type === 'query') this.#noticeQuery(activity.status)
    else if (activity.type === 'task' && activity.state === 'failed') {
      const { node, role } = activity
      this.#queries.get(activity.queryId)?.span.addEvent('task failed', { 'forebay.node': node, 'forebay.role': role })
    }
  }

  recorded(events: readonly LineageEvent[]): void {
    for (const event of events) {
      if (!('queryId' in event) || event.queryId === undefined) continue
      const query = this.#queries.get(event.queryId)
      if (query === undefined) continue
      if (event.kind === 'answer') this.#transfer(query.context, event.transfer, 'answer', event.at / 1000)
      else if ('baseReads' in event) this.#task(query, event)
    }
  }

  traceOf(queryId: string): string | undefined {
    const span = this.#queries.get(queryId)?.span.spanContext()
    return span !== undefined && (span.traceFlags & TraceFlags.SAMPLED) !== 0 ? span.traceId : undefined
  }

  async close(): Promise<void> {
    for (const { span } of this.#queries.values()) span.end()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, closeMsMax)
    })
    // A collector that does not answer must not keep the server from closing.
    await Promise.race([this.#provider.shutdown().catch(() => {}), late])
    clearTimeout(timer)
  }

  #keep(queryId: string, query: Traced): void {
    this.#queries.set(queryId, query)
    for (const [oldest, { span }] of this.#queries) {
      if (this.#queries.size <= keptMax) break
      span.end()
      this.#queries.delete(oldest)
    }
  }

  #noticeQuery(status: QueryStatus): void {
    const query = this.#queries.get(status.queryId)
    if (query === undefined) return
    const now = nowMs()
    if (status.state === 'waiting') query.waitingAt ??= now
    else if (status.state === 'running') query.runningAt ??= now
    else if (status.state === 'finished' || status.state === 'failed' || status.state === 'cancelled')
      this.#end(query, status, now)
  }

  #end(query: Traced, status: QueryStatus, now: number): void {
    const { span, beganAt, waitingAt, runningAt } = query
    const { actual, predicted, error } = status
    const plannedAt =
      actual === undefined || actual.planMs === 0 ? undefined : Math.min(beganAt + actual.planMs, waitingAt ?? now)
    if (plannedAt !== undefined) this.#child(query.context, 'plan', beganAt, plannedAt, {})
    if (plannedAt !== undefined && waitingAt !== undefined) {
      const wallMs = predicted?.wallMs
      const said: Attributes = wallMs === undefined ? {} : { 'forebay.predicted.wall_ms': wallMs.p50 }
      this.#child(query.context, 'predict', plannedAt, waitingAt, said)
    }
    if (waitingAt !== undefined && runningAt !== undefined) this.#child(query.context, 'allocate', waitingAt, runningAt, {})
    span.setAttribute('forebay.state', status.state)
    if (status.fingerprint !== undefined) span.setAttribute('forebay.template', status.fingerprint)
    if (actual !== undefined) span.setAttributes(countsOf(actual))
    if (error !== undefined) fail(span, error.code)
    span.end(now)
    // Nodes report in batches: what this query's tasks did may be known only later.
    setTimeout(() => {
      if (this.#queries.get(status.queryId) === query) this.#queries.delete(status.queryId)
    }, keptMs).unref()
  }

  #task(query: Traced, event: TaskEvent): void {
    const { node, incarnation, role, cost, output } = event
    const endedAt = event.at / 1000
    const beganAt = endedAt - cost.wallMicros / 1000
    const span = this.#tracer.startSpan(`task ${role}`, { kind: SpanKind.INTERNAL, startTime: beganAt }, query.context)
    span.setAttributes({
      'forebay.task': event.id,
      'forebay.node': node,
      'forebay.incarnation': incarnation,
      'forebay.role': role,
      'forebay.cpu_ms': cost.cpuMicros / 1000,
      'forebay.memory_bytes': cost.peakMemoryBytes,
      'forebay.queued_ms': cost.queueMicros / 1000,
      ...(output === undefined ? {} : { 'forebay.rows': output.rows, 'forebay.bytes': output.bytes }),
    })
    const inside = trace.setSpan(query.context, span)
    for (const read of event.baseReads) {
      if (read.source === node) continue
      const { dataset, source, tier, bytes, rows, micros } = read
      // A read is timed, but does not say when: it is shown at the task's beginning.
      const attributes = { ...movedAttributes(source, node, bytes, rows), 'forebay.tier': tier, 'forebay.dataset': dataset }
      this.#child(inside, 'transfer', beganAt, beganAt + micros / 1000, attributes)
    }
    for (const transfer of event.transfers) {
      if (transfer.source !== transfer.destination) this.#transfer(inside, transfer, 'transfer', transfer.at / 1000)
    }
    span.end(endedAt)
  }

  #transfer(inside: Context, transfer: Transfer, name: string, endedAt: number): void {
    const { source, destination, bytes, rows, micros, segment, via } = transfer
    const attributes = { ...movedAttributes(source, destination, bytes, rows), 'forebay.segment': segment, 'forebay.via': via }
    this.#child(inside, name, endedAt - micros / 1000, endedAt, attributes)
  }

  #child(inside: Context, name: string, from: number, until: number, attributes: Attributes): void {
    this.#tracer.startSpan(name, { startTime: from, attributes }, inside).end(until)
  }
}

function parentOf(headers: RequestHeaders): Context {
  const caller = readTraceContext(headers)
  if (caller === undefined) return context.active()
  const { traceId, spanId, flags, state } = caller
  return trace.setSpanContext(context.active(), {
    traceId,
    spanId,
    traceFlags: flags,
    isRemote: true,
    ...(state === undefined ? {} : { traceState: createTraceState(state) }),
  })
}

/** Never the SQL: it may hold what is nobody's business. */
function attributesOf(queryId: string, request: QueryRequest): Attributes {
  return {
    'forebay.query_id': queryId,
    'forebay.tenant': request.tenant,
    'forebay.priority': request.priority,
    'db.system.name': 'forebay',
  }
}

function countsOf(actual: NonNullable<QueryStatus['actual']>): Attributes {
  const { rows, bytes, tasks, segmentsRead, cpuMs, reused } = actual
  return {
    'forebay.rows': rows,
    'forebay.bytes': bytes,
    'forebay.tasks': tasks,
    'forebay.segments_read': segmentsRead,
    'forebay.cpu_ms': cpuMs,
    'forebay.reused': reused,
  }
}

function movedAttributes(source: string, destination: string, bytes: number, rows: number): Attributes {
  return { 'forebay.source': source, 'forebay.destination': destination, 'forebay.bytes': bytes, 'forebay.rows': rows }
}

function fail(span: Span, code: string): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: code })
  span.setAttribute('error.type', code)
}
