/**
 * The loop that has data, memory and machines ready before the next query arrives.
 *
 * One forecast goes through these states: *seen* (it is in the list of what is expected) → *prepared* (its readiness was
 * asked, the actions worth their price were taken, each with a line in the ledger) → *met* (a query of its template came
 * within its window; the benefit is measured against the reference wait) or *missed* (the window passed; what was held is
 * accounted as wasted). A forecast of the held-out share is never prepared: its arrivals are the reference. When data that a
 * prepared forecast reads changes before it is met, it is prepared again.
 *
 * Time comes from the clock alone, and the loop sleeps until the next thing to do, so that a week of virtual time costs
 * nothing while nothing is due.
 */
import type { Clock } from '../model/clock.js'
import type { Forecast, LedgerEntry } from '../model/forecast.js'
import type { QueryId } from '../model/query.js'
import { underEither } from '../model/under-either.js'
import type { Action, ActionCost, Actuator, Readiness } from './actions.js'
import { type Budget, choose } from './budget.js'
import { isHeldOut } from './held-out.js'
import type { Ledger } from './ledger.js'
import { heldSince, Preparation, type Settle } from './preparation.js'
import { noCost, type Prices } from './price.js'
import { propose, startMsPrior } from './propose.js'
import type { ReferenceWait } from './reference-wait.js'
import type { Rights } from './rights.js'
import type { Timings } from './timings.js'
import type { TrackRecord } from './track-record.js'

export type ProactiveMode = 'on' | 'forecast-only' | 'off'

export interface ProactiveOptions {
  readonly mode: ProactiveMode
  readonly clock: Clock
  readonly actuator: Actuator
  /** What is expected between now and the horizon; must not throw, a dead predictor expects nothing. */
  readonly forecast: (now: number, horizonMs: number) => readonly Forecast[] | Promise<readonly Forecast[]>
  readonly ledger: Ledger
  readonly budget: Budget
  readonly prices: Prices
  readonly rights: Rights
  readonly timings: Timings
  readonly reference: ReferenceWait
  readonly record: TrackRecord
  readonly heldOutShare: number
  /** Nodes are stopped when nothing runs, unless an allocation wants them. */
  readonly nodesStop: boolean
  /** So long after the last query the last of them is gone; Infinity where one stays. */
  readonly lastNodeStopsAfterMs: number
  /** How far ahead forecasts are asked for. */
  readonly horizonMs: number
  /** An allocation is finished so long before its query may come. */
  readonly marginMs: number
  /** A forecast was prepared for, met by a query, or missed. */
  readonly onForecast?: ForecastListener
  readonly onError: (error: unknown) => void
}

export type ForecastListener = (forecast: Forecast, state: 'expected' | 'met' | 'missed', queryId?: QueryId) => void

/** A query as the loop sees it arrive and end. */
export interface Arrival {
  readonly queryId: QueryId
  readonly tenant: string
  readonly template: string
  readonly at: number
}
export interface Completion extends Arrival {
  /** Milliseconds from its arrival to its answer. */
  readonly waitMs: number
  /** True when its answer had been computed before. */
  readonly answeredFromStore: boolean
}

/** Given to each nap that is cut short: without a reason of ours, one is made with a stack, for every query that ends. */
const woken = new Error('woken')

/** The longest sleep: forecasts are asked for anew at least this often. */
const napMsMax = 5 * 60_000
/**
 * From one look to the next, however often it is woken: each query that ends does so, and a look goes through all that is expected,
 * which takes 7 ms for 2,000 streams.
 */
const lookMsMin = 100
/** The first rest of a forecast that could not be judged; each further one is twice as long, up to the longest sleep. */
const restMsMin = 5_000
const rememberedMax = 10_000

export class ProactiveLoop {
  readonly #options: ProactiveOptions
  readonly #prepared = new Map<string, Preparation>()
  readonly #running = new Map<QueryId, Preparation>()
  /** Forecasts that are over, met or missed, so that they are not prepared again. */
  readonly #over = new Set<string>()
  /** When to look again at forecasts that could not be judged, epoch milliseconds, and for how long they rest. */
  readonly #resting = new Map<string, { readonly until: number; readonly ms: number }>()
  /** The last arrival of each tenant's template, epoch milliseconds. */
  readonly #lastArrivals = new Map<string, number>()
  #abort = new AbortController()
  #wake: (() => void) | undefined
  #loop: Promise<void> | undefined
  #wokenEarly = false
  #acting = false
  /** Greater than in any former run: a forecast may be the same one after a restart, and its lines in the ledger are not. */
  #nextId: number

  constructor(options: ProactiveOptions) {
    this.#options = options
    this.#nextId = options.clock.now()
  }

  /** True while it decides or acts; what it sleeps for does not count. */
  get acting(): boolean {
    return this.#acting
  }

  start(): void {
    if (this.#options.mode === 'off' || this.#loop !== undefined) return
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('the proactive loop stops'))
    this.wake()
    await this.#loop
    this.#loop = undefined
  }

  /** Looks again at once: something happened that may change what is expected. */
  wake(): void {
    this.#wokenEarly = true
    this.#wake?.()
  }

  /** A dataset has a new snapshot: what was prepared from it is stale and is prepared again. */
  datasetChanged(dataset: string): void {
    for (const prepared of this.#prepared.values()) {
      if (prepared.datasets.includes(dataset)) prepared.maybeStale = true
    }
    // It may be what they could not be judged for.
    this.#resting.clear()
    this.wake()
  }

  /** A query came: it meets the forecast whose window it falls into. */
  arrived(arrival: Arrival): void {
    this.#lastArrivals.delete(keyOf(arrival))
    this.#lastArrivals.set(keyOf(arrival), arrival.at)
    boundBy(this.#lastArrivals, rememberedMax)
    const met = [...this.#prepared.values()].find(
      ({ forecast }) =>
        forecast.template === arrival.template &&
        forecast.tenant === arrival.tenant &&
        arrival.at >= forecast.from &&
        arrival.at <= forecast.until,
    )
    if (met === undefined) return
    this.#prepared.delete(met.forecast.id)
    met.arrived.abort(new Error('its query has come'))
    this.#options.record.ended(met.forecast, true)
    this.#running.set(arrival.queryId, met)
    this.#options.onForecast?.(met.forecast, 'met', arrival.queryId)
  }

  /** The query ended well: measures what the allocation saved, or what a query waits without one. */
  completed(completion: Completion): void {
    const met = this.#running.get(completion.queryId)
    this.#running.delete(completion.queryId)
    const key = keyOf(completion)
    if (met === undefined || !met.isActedOn) {
      // Repeats answered from the store had been made ready by their own past: they say nothing of an unprepared wait.
      if (!completion.answeredFromStore) this.#options.reference.observe(key, completion.waitMs)
      met?.compared(completion.queryId)
    } else {
      const { queryId, waitMs, answeredFromStore, at } = completion
      if (met.hasAnswer) this.#options.record.answered(key, answeredFromStore)
      met.used(queryId, this.#options.reference.of(key, met.predictedWaitMs) - waitMs, answeredFromStore, at)
    }
    if (met !== undefined) this.#conclude(met)
  }

  /** The query failed or was cancelled: what was prepared for it was of no use, and says nothing of waiting either. */
  failed(queryId: QueryId, at: number): void {
    const met = this.#running.get(queryId)
    if (met === undefined) return
    this.#running.delete(queryId)
    met.wasted(at)
    this.#conclude(met)
  }

  /** Until when some prepared forecast needs its nodes to run, epoch milliseconds; 0 when none does. */
  wantedUntil(): number {
    let until = 0
    for (const { forecast, needsNode } of this.#prepared.values()) {
      if (needsNode) until = Math.max(until, forecast.until)
    }
    return until
  }

  /** One look: settles what passed, prepares what is due. Returns when to look next, epoch milliseconds. */
  async runOnce(signal: AbortSignal = this.#abort.signal): Promise<number> {
    const { clock, forecast, horizonMs } = this.#options
    this.#settleMissed(clock.now())
    let next = clock.now() + napMsMax
    const expected = await forecast(clock.now(), horizonMs)
    for (const item of expected.toSorted((a, b) => b.probability - a.probability)) {
      next = Math.min(next, await this.#considerSafely(item, signal))
    }
    for (const { forecast: pending } of this.#prepared.values()) next = Math.min(next, pending.until + 1)
    return next
  }

  /** One that cannot be judged, such as one of a table that is gone, keeps no other from being prepared. */
  async #considerSafely(forecast: Forecast, signal: AbortSignal): Promise<number> {
    const { clock, onError } = this.#options
    const rest = this.#resting.get(forecast.id)
    if (rest !== undefined && clock.now() < rest.until && clock.now() >= rest.until - rest.ms) return rest.until
    try {
      const again = await this.#consider(forecast, signal)
      this.#resting.delete(forecast.id)
      return again
    } catch (error) {
      if (signal.aborted) throw error
      onError(error)
      const ms = Math.min(napMsMax, rest === undefined ? restMsMin : 2 * rest.ms)
      const until = clock.now() + ms
      this.#resting.set(forecast.id, { until, ms })
      boundBy(this.#resting, rememberedMax)
      return until
    }
  }

  /** Prepares one forecast when its time has come; returns when to look at it again. */
  async #consider(forecast: Forecast, signal: AbortSignal): Promise<number> {
    const { clock, heldOutShare, marginMs, mode } = this.#options
    const known = this.#prepared.get(forecast.id)
    if (known !== undefined && (known.heldOut || !known.maybeStale)) return forecast.until + 1
    // Ready by the earliest time that still meets the forecast: habits keep their hour, not their minute.
    const beginAt = Math.min(forecast.from, forecast.at) - this.#leadMs(forecast) - marginMs
    if (clock.now() < beginAt) return beginAt
    if (known === undefined && (this.#wasMet(forecast.id) || this.#isSameArrival(forecast))) return Number.POSITIVE_INFINITY
    const readiness = await this.#readiness(forecast, known, signal)
    // It may have come meanwhile.
    if (known === undefined ? this.#wasMet(forecast.id) || this.#isSameArrival(forecast) : !this.#isAwaited(known))
      return Number.POSITIVE_INFINITY
    if (known !== undefined && known.version === readiness.version && (readiness.answerStored || !known.hasAnswer))
      return forecast.until + 1
    const predictedWaitMs = readiness.coldMs + this.#startWaitMs(forecast, readiness)
    const heldOut = mode === 'forecast-only' || isHeldOut(forecast.id, heldOutShare)
    const prepared = known ?? new Preparation({ forecast, heldOut, predictedWaitMs }, this.#settle)
    prepared.discardAnswers(clock.now())
    prepared.version = readiness.version
    prepared.datasets = readiness.datasets
    this.#prepared.set(forecast.id, prepared)
    if (known === undefined) this.#options.onForecast?.(forecast, 'expected')
    await this.#take(prepared, readiness, signal)
    return forecast.until + 1
  }

  /** What changes while it is asked for makes stale again what was prepared before. */
  async #readiness(forecast: Forecast, known: Preparation | undefined, signal: AbortSignal): Promise<Readiness> {
    if (known !== undefined) known.maybeStale = false
    try {
      return await this.#options.actuator.readiness(expectedQuery(forecast), signal)
    } catch (error) {
      if (known !== undefined) known.maybeStale = true
      throw error
    }
  }

  /** Whether the query that something is prepared for has yet to come. */
  #isAwaited(prepared: Preparation): boolean {
    return this.#prepared.get(prepared.forecast.id) === prepared
  }

  #wasMet(id: string): boolean {
    return [...this.#running.values()].some(({ forecast }) => forecast.id === id) || this.#over.has(id)
  }

  /** Several habits may foresee one arrival: the first that was prepared stands for all, and none is left when it has come. */
  #isSameArrival(forecast: Forecast): boolean {
    const lastAt = this.#lastArrivals.get(keyOf(forecast))
    if (lastAt !== undefined && lastAt > forecast.from && lastAt <= forecast.until) return true
    return [...this.#prepared.values()].some(
      ({ forecast: other }) => keyOf(other) === keyOf(forecast) && other.from <= forecast.until && forecast.from <= other.until,
    )
  }

  #leadMs(forecast: Forecast): number {
    const { timings } = this.#options
    return (
      timings.upper('start-node', startMsPrior) +
      timings.upper(`precompute ${forecast.template}`, timings.mean('precompute', 500))
    )
  }

  /** What a node's start adds to the wait when nothing is done: none runs now, or the last will have stopped when the query comes. */
  #startWaitMs(forecast: Forecast, readiness: Readiness): number {
    const { clock, lastNodeStopsAfterMs, timings } = this.#options
    const gone = Math.max(clock.now() + lastNodeStopsAfterMs, this.wantedUntil()) < forecast.at
    return gone || readiness.absentNodes.length > 0 ? timings.mean('start-node', startMsPrior) : 0
  }

  async #take(prepared: Preparation, readiness: Readiness, signal: AbortSignal): Promise<void> {
    const { actuator, budget, clock, ledger, nodesStop, prices, record, rights, timings } = this.#options
    const { forecast } = prepared
    const now = clock.now()
    const nodeBytes = nodesStop ? Math.max(0, ...actuator.nodes().map((node) => node.memoryLimitBytes)) : 0
    const probability = record.probability(forecast)
    const proposed = propose({
      forecast,
      probability,
      readiness,
      startWaitMs: this.#startWaitMs(forecast, readiness),
      missShare: record.missShare(keyOf(forecast)),
      nodeBytes,
      timings,
      now,
    })
    const worthwhile = choose(proposed, rights, budget, prices, now)
    // Blocks are warmed on a node that runs, so what starts one comes first.
    const starts = worthwhile.filter((action) => action.kind === 'start-node')
    const rest = worthwhile.filter((action) => action.kind !== 'start-node')
    const runs = readiness.absentNodes.length === 0 || worthwhile.some(({ kind }) => kind === 'start-node')
    const futile = runs ? [] : rest.filter((action) => action.kind === 'warm-pack')
    for (const { expectedCost } of futile) budget.giveBack(expectedCost)
    const chosen = [...starts, ...rest.filter((action) => !futile.includes(action))]
    for (const [index, action] of chosen.entries()) {
      if (!this.#isAwaited(prepared)) {
        for (const { expectedCost } of chosen.slice(index)) budget.giveBack(expectedCost)
        return
      }
      const id = `a-${forecast.id}-${this.#nextId++}`
      ledger.open(entryFor(id, action, forecast, readiness, now))
      if (prepared.heldOut) {
        prepared.holdOut(id)
        continue
      }
      try {
        const cost = await this.#inTime(prepared, action, signal)
        timings.observe(action.kind, cost.wallMs)
        timings.observe(`${action.kind} CPU`, cost.cpuMs)
        if (action.kind === 'precompute') timings.observe(`precompute ${forecast.template}`, cost.wallMs)
        const { kind, expectedBenefitMs } = action
        const taken = { id, kind, expectedBenefitMs, cost, at: clock.now() }
        if (this.#isAwaited(prepared)) prepared.take(taken)
        else this.#settle(id, { outcome: 'wasted', measuredBenefitMs: 0, measuredCost: heldSince(taken, taken.at) })
      } catch (error) {
        const revoked = signal.aborted || !this.#isAwaited(prepared) || clock.now() >= forecast.until
        this.#settle(id, { outcome: revoked ? 'revoked' : 'failed', measuredBenefitMs: 0, measuredCost: noCost })
        if (!revoked) this.#options.onError(error)
      }
    }
  }

  /** Acts until the query can no longer come. What waits for idleness to compute its answer ends when the query itself does that. */
  async #inTime(prepared: Preparation, action: Action, signal: AbortSignal): Promise<ActionCost> {
    const { actuator, clock } = this.#options
    const late = new AbortController()
    const done = new AbortController()
    const lateAt = clock.sleep(Math.max(0, prepared.forecast.until - clock.now()), done.signal)
    lateAt.then(
      () => late.abort(new Error('the query did not come in time')),
      () => {},
    )
    const ends = [signal, late.signal, ...(action.kind === 'precompute' ? [prepared.arrived.signal] : [])]
    try {
      return await underEither(ends, (either) => action.run(actuator, either))
    } finally {
      done.abort(woken)
    }
  }

  #settleMissed(now: number): void {
    for (const [id, prepared] of this.#prepared) {
      if (prepared.forecast.until >= now) continue
      this.#prepared.delete(id)
      this.#options.record.ended(prepared.forecast, false)
      this.#options.onForecast?.(prepared.forecast, 'missed')
      prepared.wasted(now)
      this.#conclude(prepared)
    }
  }

  #conclude({ forecast }: Preparation): void {
    this.#over.add(forecast.id)
    boundBy(this.#over, rememberedMax)
  }

  readonly #settle: Settle = (id, settlement) => {
    const settled = this.#options.ledger.settle(id, { ...settlement, settledAt: this.#options.clock.now() })
    if (settled !== undefined) this.#options.rights.record(settled)
  }

  async #run(): Promise<void> {
    const { clock } = this.#options
    while (!this.#abort.signal.aborted) {
      this.#wokenEarly = false
      // The time of day may be set back.
      const lookedAt = clock.monotonic()
      let next = clock.now() + napMsMax
      this.#acting = true
      try {
        next = await this.runOnce()
      } catch (error) {
        if (!this.#abort.signal.aborted) this.#options.onError(error)
      }
      this.#acting = false
      if (!this.#wokenEarly) await this.#nap(next)
      const rest = Math.ceil(lookedAt + lookMsMin - clock.monotonic())
      if (rest > 0) await clock.sleep(rest, this.#abort.signal).catch(() => {})
    }
  }

  /** Sleeps until the time to look again, or until it is woken. */
  async #nap(until: number): Promise<void> {
    const { clock } = this.#options
    const nap = new AbortController()
    // The stop wakes it too: a signal of its own for each nap would leave something of it at the one that lives as long as the loop.
    this.#wake = () => nap.abort(woken)
    await clock.sleep(Math.max(0, Math.min(until - clock.now(), napMsMax)), nap.signal).catch(() => {})
    this.#wake = undefined
  }
}

function keyOf(of: { readonly tenant: string; readonly template: string }): string {
  return `${of.tenant} ${of.template}`
}

function boundBy(kept: Set<string> | Map<string, unknown>, most: number): void {
  for (const oldest of kept.keys()) {
    if (kept.size <= most) return
    kept.delete(oldest)
  }
}

function expectedQuery(forecast: Forecast): Parameters<Actuator['readiness']>[0] {
  return { sql: forecast.sql, params: forecast.params, tenant: forecast.tenant, timeZone: forecast.timeZone }
}

function entryFor(id: string, action: Action, forecast: Forecast, readiness: Readiness, now: number): LedgerEntry {
  return {
    id,
    action: action.kind,
    subject: action.subject,
    forecastId: forecast.id,
    tenant: forecast.tenant,
    template: forecast.template,
    why: forecast.why,
    nodes: readiness.nodes,
    decidedAt: now,
    dueAt: forecast.at,
    expectedBenefitMs: action.expectedBenefitMs,
    expectedCost: action.expectedCost,
    outcome: 'pending',
  }
}
