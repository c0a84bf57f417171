/**
 * The metrics of docs/http-api.md, in a registry of their own. Counters and histograms are fed by what happens; gauges are read
 * from their sources when somebody scrapes. Labels take values from closed lists only, never an id, SQL or a user's text.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Activity } from '../../model/activity.js'
import { type AllocationOutcome, actionKinds, type LedgerEntry } from '../../model/forecast.js'
import type { LineageEvent, TaskEvent, Transfer } from '../../model/lineage-event.js'
import { clientNode, type NodeId, type NodeState, type NodeStatus, storageNode } from '../../model/node.js'
import { type Priority, priorities } from '../../model/priority.js'
import { type ResourceName, resourceNames } from '../../model/resources.js'

/** Where gauges are read from at each scrape. Everything answers from memory. */
export interface MetricSources {
  readonly queueDepth: () => Readonly<Record<Priority, number>>
  readonly nodes: () => readonly NodeStatus[]
  readonly loadScores: () => Promise<ReadonlyMap<string, number>>
  readonly lineageLag: () => Readonly<Record<string, number>>
  /** Base segments that exist, and those of them that are also in packs. */
  readonly segments: () => Readonly<Record<'pack' | 'parquet', number>>
  readonly coverage: () => Readonly<Record<ResourceName, { readonly coverage: number }>>
}

type Values = Iterable<readonly [string, number]>

const nodeStates: readonly NodeState[] = ['absent', 'starting', 'ready', 'draining', 'stopping', 'lost']
const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
const short = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1]

export class Metrics {
  readonly #registry = new Registry()
  readonly #queries = this.#counter('queries_total', 'Queries that have ended, by state and priority.', ['state', 'priority'])
  readonly #querySeconds = this.#histogram('query_seconds', 'Time from arrival to the end of a finished query.', seconds, [
    'priority',
  ])
  readonly #queueWait = this.#histogram('queue_wait_seconds', 'Time from arrival to the start of the first task.', seconds)
  readonly #tasks = this.#counter('tasks_total', 'Tasks that have ended, by role and state.', ['role', 'state'])
  readonly #transfers = this.#counter('transfers_total', 'Segments moved between nodes.', transferLabels)
  readonly #transferBytes = this.#counter('transfer_bytes_total', 'Bytes of segments moved between nodes.', transferLabels)
  readonly #events = this.#counter('lineage_events_total', 'Lineage events recorded.')
  readonly #commit = this.#histogram('lineage_commit_seconds', 'Time until a batch of lineage events was durable.', short)
  readonly #reads = this.#counter('segment_reads_total', 'Segments read by tasks, by the tier they came from.', ['tier'])
  readonly #prediction = this.#histogram('prediction_seconds', 'Time to predict what a query needs.', short)
  readonly #qError = this.#histogram(
    'prediction_q_error',
    'How far predictions were off: the larger of predicted and actual over the smaller.',
    [1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 100],
    ['resource'],
  )
  readonly #forecasts = this.#counter('forecasts_total', 'Forecasts that have ended, by outcome.', ['outcome'])
  readonly #allocations = this.#counter('allocations_total', 'Proactive actions, by kind and outcome.', ['action', 'outcome'])
  readonly #saved = this.#counter('allocation_saved_seconds_total', 'Waiting that used allocations saved, as measured.')
  readonly #cost = this.#counter('allocation_cost_byte_seconds_total', 'Memory and disk held by allocations, over time.')
  readonly #prefetched = this.#counter('prefetch_bytes_total', 'Bytes prepared ahead, by what became of them.', ['outcome'])

  constructor(sources: MetricSources) {
    this.#declareGauges(sources)
    this.#startAtZero()
  }

  /** All metrics as Prometheus text. */
  async text(): Promise<string> {
    return this.#registry.metrics()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  notice(activity: Activity): void {
    if (activity.type === 'task') this.#tasks.inc({ role: activity.role, state: activity.state })
    else if (activity.type === 'prediction') this.#prediction.observe(activity.micros / 1e6)
    else if (activity.type === 'miss') this.#qError.observe({ resource: activity.resource }, activity.qError)
    else if (activity.type === 'prefetch') this.#prefetched.inc({ outcome: activity.outcome }, activity.bytes)
    else if (activity.type === 'query') this.#noticeQuery(activity.status)
  }

  /** Events that are about to be recorded. */
  recorded(events: readonly LineageEvent[]): void {
    this.#events.inc(events.length)
    for (const event of events) {
      if (event.kind === 'answer') this.#countTransfer('client', event.transfer)
      else if (isTaskEvent(event)) this.#noticeTask(event)
    }
  }

  /** A batch has become durable. */
  committed(micros: number): void {
    this.#commit.observe(micros / 1e6)
  }

  /** An entry of the ledger was settled. */
  settled(entry: LedgerEntry): void {
    if (entry.outcome === 'pending') return
    this.#allocations.inc({ action: entry.action, outcome: entry.outcome })
    if ((entry.measuredBenefitMs ?? 0) > 0) this.#saved.inc((entry.measuredBenefitMs ?? 0) / 1000)
    if (entry.measuredCost !== undefined) this.#cost.inc(Math.max(0, entry.measuredCost.byteSeconds))
  }

  /** A forecast's window is over. */
  forecastEnded(outcome: 'met' | 'missed'): void {
    this.#forecasts.inc({ outcome })
  }

  #noticeQuery(status: Extract<Activity, { type: 'query' }>['status']): void {
    const { state, priority } = status
    if (state !== 'finished' && state !== 'failed' && state !== 'cancelled') return
    this.#queries.inc({ state, priority })
    if (status.startedAt !== undefined) this.#queueWait.observe(Math.max(0, status.startedAt - status.submittedAt) / 1000)
    if (state !== 'finished') return
    const totalMs = status.actual?.totalMs ?? (status.finishedAt ?? status.submittedAt) - status.submittedAt
    this.#querySeconds.observe({ priority }, Math.max(0, totalMs) / 1000)
  }

  #noticeTask(event: TaskEvent): void {
    for (const read of event.baseReads) {
      const segments = countBits(read.segments)
      this.#reads.inc({ tier: read.tier }, segments)
      if (read.source !== event.node) this.#countMove('base', read.source, event.node, segments, read.bytes)
    }
    for (const read of event.derivedReads) this.#reads.inc({ tier: read.tier })
    const derived = new Set(event.derivedReads.map(({ segment }) => segment))
    for (const transfer of event.transfers) {
      this.#countTransfer(derived.has(transfer.segment) ? 'derived' : event.kind === 'pack' ? 'pack' : 'base', transfer)
    }
  }

  #countTransfer(kind: 'base' | 'derived' | 'pack' | 'client', transfer: Transfer): void {
    this.#countMove(kind, transfer.source, transfer.destination, 1, transfer.bytes)
  }

  #countMove(kind: string, source: NodeId, destination: NodeId, segments: number, bytes: number): void {
    const labels = { kind, source_kind: nodeKind(source), destination_kind: nodeKind(destination) }
    this.#transfers.inc(labels, segments)
    this.#transferBytes.inc(labels, bytes)
  }

  #counter<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name: `forebay_${name}`, help, labelNames, registers: [this.#registry] })
  }

  #histogram<L extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly L[] = [],
  ): Histogram<L> {
    return new Histogram({ name: `forebay_${name}`, help, buckets, labelNames, registers: [this.#registry] })
  }

  #gauge<L extends string>(name: string, help: string, label: L, read: () => Values | Promise<Values>): void {
    const gauge = new Gauge({
      name: `forebay_${name}`,
      help,
      labelNames: [label],
      registers: [],
      async collect() {
        const values = await read()
        this.reset()
        for (const [value, number] of values) this.set({ [label]: value } as Record<L, string>, number)
      },
    })
    this.#registry.registerMetric(gauge)
  }

  #declareGauges(sources: MetricSources): void {
    this.#gauge('queue_depth', 'Queries and tasks that wait, by priority.', 'priority', () =>
      Object.entries(sources.queueDepth()),
    )
    this.#gauge('lineage_lag_events', 'Events in the log that a store has not applied yet.', 'store', () =>
      Object.entries(sources.lineageLag()),
    )
    this.#gauge('segments', 'Segments that exist, by tier.', 'tier', () => Object.entries(sources.segments()))
    this.#gauge('warm_bytes', 'Bytes of packs in the memory of a node.', 'node', () =>
      sources.nodes().map(({ id, warmBytes }) => [id, warmBytes] as const),
    )
    this.#gauge('node_load_score', 'Processing load of a node from the lineage graph.', 'node', () => sources.loadScores())
    this.#gauge('nodes', 'Nodes by state.', 'state', () => {
      const nodes = sources.nodes()
      return nodeStates.map((state) => [state, nodes.filter((node) => node.state === state).length] as const)
    })
    this.#gauge('prediction_interval_coverage', 'Share of recent outcomes inside their predicted interval.', 'resource', () =>
      resourceNames.map((resource) => [resource, sources.coverage()[resource].coverage] as const),
    )
  }

  /** A counter that does not exist until its first event cannot be told from one that nobody counts. */
  #startAtZero(): void {
    for (const priority of priorities) {
      for (const state of ['finished', 'failed', 'cancelled']) this.#queries.inc({ state, priority }, 0)
    }
    for (const role of ['leaf', 'aggregator', 'root']) {
      for (const state of ['finished', 'failed']) this.#tasks.inc({ role, state }, 0)
    }
    for (const tier of ['pack', 'parquet', 'remote', 'reused']) this.#reads.inc({ tier }, 0)
    for (const outcome of ['met', 'missed']) this.#forecasts.inc({ outcome }, 0)
    for (const outcome of ['used', 'wasted']) this.#prefetched.inc({ outcome }, 0)
    for (const kind of ['base', 'derived']) {
      this.#transfers.inc({ kind, source_kind: 'storage', destination_kind: 'duckdb' }, 0)
      this.#transferBytes.inc({ kind, source_kind: 'storage', destination_kind: 'duckdb' }, 0)
    }
    const outcomes: readonly AllocationOutcome[] = ['used', 'wasted', 'held-out', 'revoked', 'failed']
    for (const action of actionKinds) for (const outcome of outcomes) this.#allocations.inc({ action, outcome }, 0)
  }
}

const transferLabels = ['kind', 'source_kind', 'destination_kind'] as const

const isTaskEvent = (event: LineageEvent): event is TaskEvent => 'baseReads' in event

const nodeKind = (node: string): string => (node === storageNode || node === clientNode ? node : 'duckdb')

/** Segments of a bitmap in base64. */
function countBits(bitmap: string): number {
  let count = 0
  for (const byte of Buffer.from(bitmap, 'base64')) for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1
  return count
}
