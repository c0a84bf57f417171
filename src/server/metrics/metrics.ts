/**
 * The metrics of docs/monitoring.md, in a registry of their own. Counters and histograms are fed by what happens; gauges are read
 * from their sources when somebody scrapes.
 */
import { Registry } from 'prom-client'
import type { Activity } from '../../model/activity.js'
import type { LedgerEntry } from '../../model/forecast.js'
import type { LineageEvent, TaskEvent, Transfer } from '../../model/lineage-event.js'
import { clientNode, type NodeId, storageNode } from '../../model/node.js'
import { declareGauges, type MetricSources } from './gauges.js'
import { declareInstruments } from './instruments.js'
import { openMetricsText, openMetricsType } from './open-metrics.js'

export class Metrics {
  readonly #registry = new Registry()
  readonly #of = declareInstruments(this.#registry)
  readonly #traceOf: MetricSources['traceOf']

  constructor(sources: MetricSources) {
    this.#traceOf = sources.traceOf
    declareGauges(this.#registry, sources)
  }

  /** All metrics: OpenMetrics with exemplars for whoever accepts it, else Prometheus text. */
  async scrape(accept: string | undefined): Promise<{ readonly contentType: string; readonly text: string }> {
    if (accept?.includes('application/openmetrics-text') === true) {
      return { contentType: openMetricsType, text: await openMetricsText(this.#registry) }
    }
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }

  notice(activity: Activity): void {
    const { tasks, prediction, qError, intervals, prefetched, restarts } = this.#of
    if (activity.type === 'task') tasks.inc({ role: activity.role, state: activity.state })
    else if (activity.type === 'prediction') prediction.observe(activity.micros / 1e6)
    else if (activity.type === 'miss') {
      const { resource, inside } = activity
      qError.observe({ resource }, activity.qError)
      intervals.inc({ resource, outcome: inside ? 'inside' : 'outside' })
    } else if (activity.type === 'prefetch') prefetched.inc({ outcome: activity.outcome }, activity.bytes)
    else if (activity.type === 'query') this.#noticeQuery(activity.status)
    else if (activity.type === 'node') restarts.inc({ node: activity.node.id }, activity.node.state === 'lost' ? 1 : 0)
  }

  /** Events that have become durable. */
  recorded(events: readonly LineageEvent[]): void {
    this.#of.events.inc(events.length)
    for (const event of events) {
      if (event.kind === 'answer') this.#countTransfer('client', event.transfer)
      else if (isTaskEvent(event)) this.#noticeTask(event)
    }
  }

  /** A batch took this long to become durable. */
  committed(micros: number): void {
    this.#of.commit.observe(micros / 1e6)
  }

  /** An entry of the ledger was opened or settled. */
  settled(entry: LedgerEntry): void {
    if (entry.outcome === 'pending') return
    const { allocations, saved, lost, cost } = this.#of
    const { measuredBenefitMs = 0 } = entry
    allocations.inc({ action: entry.action, outcome: entry.outcome })
    if (measuredBenefitMs > 0) saved.inc(measuredBenefitMs / 1000)
    if (measuredBenefitMs < 0) lost.inc(-measuredBenefitMs / 1000)
    if (entry.measuredCost !== undefined) cost.inc(Math.max(0, entry.measuredCost.byteSeconds))
  }

  /** A forecast's window is over. */
  forecastEnded(outcome: 'met' | 'missed'): void {
    this.#of.forecasts.inc({ outcome })
  }

  #noticeQuery(status: Extract<Activity, { type: 'query' }>['status']): void {
    const { state, priority } = status
    if (state !== 'finished' && state !== 'failed' && state !== 'cancelled') return
    const { queries, queueWait, querySeconds } = this.#of
    const exemplarLabels = this.#exemplar(status.queryId)
    queries.inc({ state, priority })
    if (status.startedAt !== undefined) {
      const value = Math.max(0, status.startedAt - status.submittedAt) / 1000
      queueWait.observe({ labels: {}, value, exemplarLabels })
    }
    if (state !== 'finished') return
    const totalMs = status.actual?.totalMs ?? (status.finishedAt ?? status.submittedAt) - status.submittedAt
    querySeconds.observe({ labels: { priority }, value: Math.max(0, totalMs) / 1000, exemplarLabels })
  }

  /** Exemplars are not labels: they may name the one query that they are an example of. */
  #exemplar(queryId: string): Record<string, string> {
    const trace = this.#traceOf(queryId)
    return { query_id: queryId.slice(0, 60), ...(trace === undefined ? {} : { trace_id: trace }) }
  }

  #noticeTask(event: TaskEvent): void {
    const { reads } = this.#of
    for (const read of event.baseReads) {
      const segments = countBits(read.segments)
      reads.inc({ tier: read.tier }, segments)
      this.#countMove('base', read.source, event.node, segments, read.bytes)
    }
    for (const read of event.derivedReads) reads.inc({ tier: read.tier })
    const derived = new Set(event.derivedReads.map(({ segment }) => segment))
    for (const transfer of event.transfers) {
      this.#countTransfer(derived.has(transfer.segment) ? 'derived' : event.kind === 'pack' ? 'pack' : 'base', transfer)
    }
  }

  #countTransfer(kind: 'base' | 'derived' | 'pack' | 'client', transfer: Transfer): void {
    this.#countMove(kind, transfer.source, transfer.destination, 1, transfer.bytes)
  }

  #countMove(kind: string, source: NodeId, destination: NodeId, segments: number, bytes: number): void {
    // The log also tells of segments that were read where they stood.
    if (source === destination) return
    const labels = { kind, source_kind: nodeKind(source), destination_kind: nodeKind(destination) }
    this.#of.transfers.inc(labels, segments)
    this.#of.transferBytes.inc(labels, bytes)
  }
}

const isTaskEvent = (event: LineageEvent): event is TaskEvent => 'baseReads' in event

const nodeKind = (node: string): string => (node === storageNode || node === clientNode ? node : 'duckdb')

/** Segments of a bitmap in base64. */
function countBits(bitmap: string): number {
  let count = 0
  for (const byte of Buffer.from(bitmap, 'base64')) for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1
  return count
}
