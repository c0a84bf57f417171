import type { Allocator } from '../allocate/allocator.js'
import type { QueryReporter } from '../lineage/openlineage/out/query-reporter.js'
import type { Activity } from '../model/activity.js'
import type { RelationChange } from '../model/catalogue.js'
import type { Forecast, LedgerEntry } from '../model/forecast.js'
import type { LineageEvent, Transfer } from '../model/lineage-event.js'
import type { Predictor } from '../predict/predictor.js'
import type { EventHub } from './event-hub.js'
import { presentForecastEvent, presentLedgerEntry, presentNode, presentQueryEvent, presentTransfer } from './http/present.js'
import type { Metrics } from './metrics/metrics.js'
import type { Tracing } from './tracing/tracing.js'

export interface BroadcastOptions {
  readonly hub: EventHub
  readonly predictor: Pick<Predictor, 'arrivals'>
  readonly tracing: Pick<Tracing, 'notice' | 'recorded'>
  readonly onError: (error: unknown) => void
}

interface Listeners {
  readonly metrics: Metrics
  readonly allocator: Allocator
  readonly reporter?: QueryReporter | undefined
}

/**
 * Carries what happens to all who want to know: metrics, listeners of events, the predictor's arrivals, the allocator. A
 * listener that fails is reported and fails nobody else: no query may suffer from who watches it.
 */
export class Broadcast {
  readonly #options: BroadcastOptions
  #listeners: Listeners | undefined
  /** What is counted before somebody counts: the first sight of every table is recorded while the rooms open. */
  readonly #uncounted: ((metrics: Metrics) => void)[] = []
  /** True once the first sight of every table is over: what comes then is a change. */
  #ready = false

  constructor(options: BroadcastOptions) {
    this.#options = options
  }

  connect(listeners: Listeners): void {
    this.#listeners = listeners
    for (const count of this.#uncounted.splice(0)) this.#count(count)
  }

  ready(): void {
    this.#ready = true
  }

  notice(activity: Activity): void {
    const { hub, predictor, tracing } = this.#options
    this.#count((metrics) => metrics.notice(activity))
    this.#tell(() => tracing.notice(activity))
    this.#tell(() => this.#listeners?.allocator.notice(activity))
    this.#tell(() => this.#listeners?.reporter?.notice(activity))
    if (activity.type === 'arrival') this.#tell(() => predictor.arrivals.observe(activity))
    else if (activity.type === 'query') this.#tell(() => hub.publish('query', presentQueryEvent(activity.status)))
    else if (activity.type === 'node') this.#tell(() => hub.publish('node', presentNode(activity.node, 0)))
  }

  recorded(events: readonly LineageEvent[]): void {
    this.#count((metrics) => metrics.recorded(events))
    this.#tell(() => this.#options.tracing.recorded(events))
    this.#tell(() => this.#listeners?.reporter?.recorded(events))
    for (const event of events) {
      if (event.kind === 'answer') this.#publishTransfer(event.transfer, event.queryId)
      else if ('transfers' in event) for (const transfer of event.transfers) this.#publishTransfer(transfer, event.queryId)
    }
  }

  committed(micros: number): void {
    this.#count((metrics) => metrics.committed(micros))
  }

  settled(entry: LedgerEntry): void {
    this.#count((metrics) => metrics.settled(entry))
    this.#tell(() => this.#options.hub.publish('allocation', presentLedgerEntry(entry)))
  }

  /** A forecast was prepared for, met or missed. */
  forecast(forecast: Forecast, state: 'expected' | 'met' | 'missed', queryId: string | undefined): void {
    if (state !== 'expected') this.#count((metrics) => metrics.forecastEnded(state))
    this.#tell(() => this.#options.hub.publish('forecast', { ...presentForecastEvent(forecast), state, queryId }))
  }

  relationChanged(change: RelationChange, now: number): void {
    if (!this.#ready || change.kind !== 'dataset') return
    const { dataset } = change.snapshot
    this.#tell(() => this.#options.predictor.arrivals.written(dataset, now))
    this.#tell(() => this.#listeners?.allocator.datasetChanged(dataset))
  }

  #publishTransfer(transfer: Transfer, queryId: string | undefined): void {
    this.#tell(() => this.#options.hub.publish('transfer', { ...presentTransfer(transfer), queryId }))
  }

  #count(count: (metrics: Metrics) => void): void {
    const { metrics } = this.#listeners ?? {}
    if (metrics === undefined) this.#uncounted.push(count)
    else this.#tell(() => count(metrics))
  }

  #tell(listener: () => void): void {
    try {
      listener()
    } catch (error) {
      this.#options.onError(error)
    }
  }
}
