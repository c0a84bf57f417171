/** The allocation room put together: the proactive loop, the keep-alive, the ledger, and what they learned across restarts. */
import { totalmem } from 'node:os'
import type { Activity } from '../model/activity.js'
import type { Clock } from '../model/clock.js'
import type { Forecast, LedgerEntry } from '../model/forecast.js'
import type { QueryStatus } from '../model/query.js'
import type { Actuator } from './actions.js'
import { Budget, type Spent } from './budget.js'
import { IdleStop } from './idle-stop.js'
import { Ledger, type LedgerTotals } from './ledger.js'
import { defaultPrices, type Prices } from './price.js'
import { type ForecastListener, ProactiveLoop, type ProactiveMode } from './proactive-loop.js'
import { ReferenceWait } from './reference-wait.js'
import { Rights } from './rights.js'
import { Timings } from './timings.js'
import { TrackRecord, type TrackRecordSnapshot } from './track-record.js'

export interface AllocatorOptions {
  readonly mode: ProactiveMode
  readonly clock: Clock
  readonly actuator: Actuator
  /** What is expected from `now` to the horizon. A predictor that throws expects nothing. */
  readonly forecast: (now: number, horizonMs: number) => readonly Forecast[] | Promise<readonly Forecast[]>
  /** Share of forecasts that are not acted on, 0–0.05 in a server, so that there is something to compare with. */
  readonly heldOutShare: number
  /** Nodes stop after so long without a query; 0 keeps them. */
  readonly keepAliveMs: number
  readonly nodesMin: number
  readonly prices?: Prices
  /** Memory that all nodes together may hold, for the daily budget: half of it, all day long. */
  readonly memoryBytes?: number
  readonly onLedger: (entry: LedgerEntry) => void
  readonly onForecast?: ForecastListener
  readonly onError: (error: unknown) => void
}

/** What survives a restart. */
export interface AllocatorState {
  readonly version: 1
  readonly entries: readonly LedgerEntry[]
  readonly timings: readonly (readonly [string, number, number])[]
  /** Absent in what older versions kept. */
  readonly record?: TrackRecordSnapshot
  /** Absent in what older versions kept. */
  readonly spent?: readonly Spent[]
}

const horizonMs = 6 * 3_600_000
const marginMs = 3_000
const dayMs = 24 * 3_600_000
const idleCheckMsMin = 50
const idleCheckMsMax = 60_000

export class Allocator {
  readonly ledger: Ledger
  readonly #options: AllocatorOptions
  readonly #loop: ProactiveLoop
  readonly #idle: IdleStop
  readonly #timings = new Timings()
  readonly #record = new TrackRecord()
  readonly #budget: Budget
  readonly #rights: Rights
  readonly #arrived = new Set<string>()
  readonly #abort = new AbortController()
  #idleLoop: Promise<void> | undefined

  constructor(options: AllocatorOptions) {
    const { clock, actuator, mode } = options
    const prices = options.prices ?? defaultPrices
    this.#options = options
    this.#rights = new Rights(prices)
    this.ledger = new Ledger(options.onLedger)
    this.#budget = new Budget({
      windowMs: dayMs,
      byteSeconds: ((options.memoryBytes ?? totalmem()) / 2) * (dayMs / 1000),
      cpuSeconds: dayMs / 1000 / 4,
    })
    this.#loop = new ProactiveLoop({
      mode,
      clock,
      actuator,
      forecast: options.forecast,
      ledger: this.ledger,
      budget: this.#budget,
      prices,
      rights: this.#rights,
      timings: this.#timings,
      reference: new ReferenceWait(),
      record: this.#record,
      heldOutShare: options.heldOutShare,
      nodesStop: options.keepAliveMs > 0,
      lastNodeStopsAfterMs: options.keepAliveMs > 0 && options.nodesMin === 0 ? options.keepAliveMs : Number.POSITIVE_INFINITY,
      horizonMs,
      marginMs,
      ...(options.onForecast === undefined ? {} : { onForecast: options.onForecast }),
      onError: options.onError,
    })
    this.#idle = new IdleStop({
      actuator,
      clock,
      keepAliveMs: options.keepAliveMs,
      nodesMin: options.nodesMin,
      wantedUntil: () => this.#loop.wantedUntil(),
    })
  }

  /** True while it decides or acts. */
  get acting(): boolean {
    return this.#loop.acting
  }

  start(): void {
    this.#loop.start()
    if (this.#options.keepAliveMs > 0) this.#idleLoop = this.#watchIdleness()
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('the allocator stops'))
    await this.#loop.stop()
    await this.#idleLoop
  }

  /** Tells of what happens in the engine. Background queries are our own work, or as patient as it. */
  notice(activity: Activity): void {
    if (activity.type !== 'query' || activity.status.priority === 'background') return
    this.#idle.touch()
    const { status } = activity
    if (status.fingerprint !== undefined && !this.#arrived.has(status.queryId)) {
      this.#arrived.add(status.queryId)
      this.#loop.arrived(arrivalOf(status, status.fingerprint))
    }
    if (status.state === 'finished' || status.state === 'failed' || status.state === 'cancelled') this.#ended(status)
  }

  /** A dataset has a new snapshot. */
  datasetChanged(dataset: string): void {
    this.#loop.datasetChanged(dataset)
  }

  totals(): readonly LedgerTotals[] {
    return this.ledger.totals()
  }

  snapshot(): AllocatorState {
    return {
      version: 1,
      entries: this.ledger.entries(1_000),
      timings: this.#timings.snapshot(),
      record: this.#record.snapshot(),
      spent: this.#budget.snapshot(),
    }
  }

  /** Takes up what a former run learned; anything of another form is left alone. */
  restore(state: unknown): void {
    if (typeof state !== 'object' || state === null || (state as AllocatorState).version !== 1) return
    const { entries, timings, record, spent } = state as AllocatorState
    this.ledger.restore(entries)
    for (const entry of entries) this.#rights.record(entry)
    this.#timings.restore(timings)
    if (record !== undefined) this.#record.restore(record)
    if (spent !== undefined) this.#budget.restore(spent)
  }

  #ended(status: QueryStatus): void {
    const at = status.finishedAt ?? this.#options.clock.now()
    this.#arrived.delete(status.queryId)
    if (status.state !== 'finished' || status.fingerprint === undefined) {
      this.#loop.failed(status.queryId, at)
      return
    }
    this.#loop.completed({
      ...arrivalOf(status, status.fingerprint),
      waitMs: status.actual?.totalMs ?? at - status.submittedAt,
      answeredFromStore: status.actual?.reused ?? false,
    })
    // What has just come may say what comes next.
    this.#loop.wake()
  }

  async #watchIdleness(): Promise<void> {
    const { clock, keepAliveMs, onError } = this.#options
    const { signal } = this.#abort
    // Once it is due and all that may stop has stopped, only a new query or action makes it due again, a keep-alive later.
    const lookMs = Math.min(Math.max(keepAliveMs, idleCheckMsMin), idleCheckMsMax)
    while (!signal.aborted) {
      const due = this.#idle.dueAt() - clock.now()
      await clock.sleep(due > 0 ? Math.min(due + 1, lookMs) : lookMs, signal).catch(() => {})
      if (signal.aborted) return
      await this.#idle.runOnce(signal).catch((error: unknown) => {
        if (!signal.aborted) onError(error)
      })
    }
  }
}

function arrivalOf(status: QueryStatus, template: string): Parameters<ProactiveLoop['arrived']>[0] {
  return { queryId: status.queryId, tenant: status.tenant, template, at: status.submittedAt }
}
