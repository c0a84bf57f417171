import type { CostHistory, HistoryKeys } from '../cost-history.js'
import type { Flight, FlightFacts } from './flight.js'
import type { Turn } from './fluid-queue.js'
import { residualLevels } from './residual-cells.js'
import { logBytes, type RunTimeQuery } from './run-time-query.js'
import type { TenantSizes } from './tenant-sizes.js'

/** What the features are made of besides the query. */
export interface RunTimeState {
  readonly flight: Flight
  readonly history: CostHistory
  readonly slowness: Slowness
}

/** Averages of log(duration ÷ expected without load) over finished queries, newest weighing most. */
export interface Slowness {
  readonly slow: number
  readonly fast: number
  readonly last: number
  ofTenant(tenant: string): number
  ofTemplate(template: string): number
}

/** A query at a moment. */
export interface Asked {
  readonly query: RunTimeQuery
  readonly keys: HistoryKeys
  readonly at: number
  /** Expected log duration from template and bytes alone. */
  readonly baseLog: number
  readonly residuals: readonly number[]
  readonly facts: FlightFacts
}

/** The world at a waiting query's turn, and what the dispatch head expects of it then, in logs. */
export interface AtItsTurn extends Turn {
  /** The ridge of the dispatch head, and its mix with the trees where there are any. */
  readonly log: number
  readonly mixed: number | undefined
}

/** Length of `linearFeatures`. */
export const linearCount = 22 + residualLevels

/**
 * Regressors of the linear model beside the template's place, into the head of `out`. Scaled to a few units, since they share
 * one ridge penalty.
 */
export function linearFeatures(
  { query, keys, at, baseLog, residuals, facts }: Asked,
  state: RunTimeState,
  out: Float64Array,
): void {
  const { flight, history, slowness } = state
  const turns = drainSeconds(facts.running + 1, flight.finishes.since(at - 120_000), 120)
  const work = drainSeconds(facts.workLeft / 1000, flight.finishes.amountSince(at - 120_000) / 1000, 120)
  const pair = history.cell('tenantTemplate', keys)?.mean ?? baseLog
  const exact = history.cell('exact', keys)?.mean ?? pair
  const bytes = logBytes(query) - 6
  out.set([
    1,
    logBytes(query),
    Math.log1p(facts.running),
    Math.log1p(facts.runningOfTenant),
    Math.log1p(facts.waiting),
    Math.log1p(facts.workLeft / 1000),
    Math.log1p(Math.min(600_000, flight.idleMs(query.tenant, at)) / 1000),
    slowness.slow,
    facts.overdue,
    query.kind === 'write' ? 1 : 0,
    Math.log1p(turns),
    Math.log1p(work),
    // What waiting for those in front adds to a query of this size, in logs.
    Math.log1p((1000 * turns) / Math.exp(baseLog)),
    Math.log1p((1000 * work) / Math.exp(baseLog)),
    slowness.fast,
    slowness.ofTenant(query.tenant),
    slowness.ofTemplate(query.template),
    pair - baseLog,
    exact - baseLog,
    Math.log1p(facts.running) ** 2 / 5,
    (bytes * Math.log1p(facts.running)) / 5,
    bytes ** 2 / 5,
  ])
  out.set(residuals, linearCount - residualLevels)
}

/** Length of `strangerFeatures`. */
export const strangerCount = 3

/** What can be known of the weight of a template that was never seen: how much more than usual of its database it reads, and how many datasets it joins. */
export function strangerFeatures(query: RunTimeQuery, sizes: TenantSizes): Float64Array {
  return Float64Array.of(1, logBytes(query) - sizes.of(query), Math.log(Math.max(1, query.datasets)))
}

/** Seconds that what is in flight would take at the recent pace. */
function drainSeconds(inFlight: number, done: number, seconds: number): number {
  return (inFlight * seconds) / Math.max(1, done)
}

/** Everything the trees look at; its order is part of a fitted model's meaning. */
export function treeFeatures(asked: Asked, ridgeLog: number, turn: AtItsTurn | undefined, state: RunTimeState): Float64Array {
  const { query, keys, at, baseLog, residuals, facts } = asked
  const { flight, history, slowness } = state
  const template = history.cell('template', keys)
  const pair = history.cell('tenantTemplate', keys)
  const exact = history.cell('exact', keys)
  const allWork = (facts.work + facts.workWaiting) / 1000
  const finishedLately = flight.finishes.since(at - 60_000)
  const doneLately = flight.finishes.amountSince(at - 60_000) / 1000
  const done = flight.finishes.amountSince(at - 300_000) / 1000
  return Float64Array.from([
    logBytes(query),
    baseLog,
    ridgeLog,
    template?.mean ?? baseLog,
    pair?.mean ?? baseLog,
    exact?.mean ?? pair?.mean ?? baseLog,
    Math.min(5, exact?.count ?? 0),
    Math.min(50, pair?.count ?? 0),
    query.kind === 'write' ? 1 : 0,
    facts.running,
    facts.runningOfTenant,
    facts.waiting,
    facts.waitingOfTenant,
    Math.log1p(facts.work),
    Math.log1p(facts.workLeft),
    Math.log1p(facts.workWaiting),
    Math.log1p(facts.bytesRunning / 1e6),
    Math.log1p(facts.ageOldest),
    Math.log1p(facts.ageMean),
    facts.overdue,
    slowness.slow,
    slowness.fast,
    slowness.last,
    slowness.ofTenant(query.tenant),
    slowness.ofTemplate(query.template),
    flight.arrivals.since(at - 10_000),
    flight.arrivals.since(at - 60_000),
    flight.arrivals.since(at - 300_000),
    flight.finishes.since(at - 10_000),
    finishedLately,
    flight.finishes.since(at - 300_000),
    Math.log1p(Math.min(600_000, flight.idleMs(query.tenant, at))),
    Math.log1p(Math.max(0, at - query.at)),
    Math.log1p(Math.max(0, at - (flight.finishes.last ?? at))),
    Math.log1p(drainSeconds(facts.running + 1, finishedLately, 60)),
    Math.log1p(drainSeconds(facts.workLeft / 1000, doneLately, 60)),
    Math.log1p(drainSeconds(facts.work / 1000, done, 300)),
    Math.log1p(drainSeconds(allWork, done, 300)),
    turn?.log ?? ridgeLog,
    Math.log1p(turn?.waitMs ?? 0),
    turn?.running ?? facts.running,
    ...residuals,
  ])
}
