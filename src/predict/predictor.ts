import type { Clock } from '../model/clock.js'
import type { NodeId } from '../model/node.js'
import type { QueryId } from '../model/query.js'
import { type Estimate, type ResourceName, resourceNames } from '../model/resources.js'
import { Arrivals, type ArrivalsSnapshot } from './arrivals/arrivals.js'
import { Blend, type ExpertRecord } from './blend.js'
import { BoundedMap } from './bounded-map.js'
import { type ConformalInterval, sideOf } from './conformal.js'
import { Contention, type ContentionSnapshot } from './contention.js'
import { historyLevels } from './cost-history.js'
import { evidence } from './evidence.js'
import { HeatBook } from './load-score.js'
import type { Identity, LoggedQuery } from './log-line.js'
import { NeedModel, type NeedModelSnapshot, type NodeResource, nodeResources } from './need-model.js'
import type { Miss, NodeNeed, NodeWork, PlacedWork, Prediction, PredictionInput, QueryOutcome } from './prediction.js'
import { datasetsOf, type Question, question, touchedBytes } from './question.js'
import { type LogPrediction, ResourceModel, type ResourceModelSnapshot } from './resource-model.js'
import { BackgroundRefits, type Fitter, panelMembers, rowsMax } from './run-time/refit-schedule.js'
import { RunTimeModel, type RunTimeSnapshot } from './run-time/run-time-model.js'
import type { RunTimePrediction, RunTimeQuery } from './run-time/run-time-query.js'

export interface PredictorOptions {
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  /** Where boosted trees are refitted (a worker thread); without it the linear models predict alone. */
  readonly fitter?: Fitter
}

/** How well the intervals of one resource hold at present. */
export interface CoverageStatus {
  /** Share of recent outcomes inside their interval, 0 before anything was measured. */
  readonly coverage: number
  readonly measured: number
  readonly abstains: boolean
}

/** Everything that was said about one query, kept until its outcome. */
interface Given {
  readonly asked: Question
  readonly scores: ReadonlyMap<NodeId, number>
  readonly logs: Readonly<Record<ResourceName, LogPrediction>>
  readonly run: { readonly query: RunTimeQuery; readonly prediction: RunTimePrediction }
  /** Logarithm of the factor by which the queries in flight were said to stretch the wall time of the mix. */
  readonly stretch: number
  readonly wall: Spoken
}

/** What was said of one resource in the end, in logs, and the interval that it is from. */
interface Spoken extends Pick<LogPrediction, 'log' | 'low' | 'high' | 'p90' | 'abstains'> {
  readonly interval: ConformalInterval
}

/** A prediction carries it as long as its query may yet be admitted: an entry in a WeakMap costs each collection of garbage more. */
const behind = Symbol('behind')
type Said = Prediction & { readonly [behind]: Given }

export interface PredictorSnapshot {
  readonly version: number
  readonly needs: NeedModelSnapshot
  readonly models: Readonly<Record<ResourceName, ResourceModelSnapshot>>
  readonly contention: ContentionSnapshot
  /** Absent in snapshots of earlier versions. */
  readonly wallErrors?: Readonly<Record<string, ExpertRecord>>
  readonly runTime: RunTimeSnapshot
  readonly arrivals: ArrivalsSnapshot
}

/** Raised whenever what a snapshot means changes: older ones are then dropped, and learning starts anew. */
const snapshotVersion = 6
const pendingMax = 20_000
/** The run-time model has a say once it has seen so many queries. */
const runTimeFrom = 20
/** On an overloaded public log p50 of queries 100 to 300 was 1.52 with 1.1 and 1.40 with 1.2; from there on both were as good. */
const clearlyNearer = 1.2

/** What is said of a resource before anything is known: only its order of magnitude matters, and the interval abstains. */
const unknown: Readonly<Record<ResourceName, number>> = { cpuMs: 50, memoryBytes: 64e6, networkBytes: 1e4, wallMs: 50 }

/**
 * What queries will need, and when they come. Pure and deterministic: no I/O, time is injected, and the same calls give the
 * same answers. `predict` changes nothing; `admitted` and `observe` are how it learns.
 */
export class Predictor {
  readonly arrivals = new Arrivals()
  readonly #clock: PredictorOptions['clock']
  readonly #needs = new NeedModel()
  readonly #contention = new Contention()
  readonly #models = eachResource((name) => new ResourceModel(unknown[name]))
  readonly #runTime = new RunTimeModel({ members: panelMembers, rowsMax })
  /** How far the mix and the run-time model alone were off lately. */
  readonly #wallErrors = new Blend()
  readonly #refits: BackgroundRefits | undefined
  readonly #pending = new BoundedMap<Given>(pendingMax)
  readonly #heats = new HeatBook()

  constructor(options: PredictorOptions) {
    this.#clock = options.clock
    this.#refits = options.fitter === undefined ? undefined : new BackgroundRefits(this.#runTime, options.fitter)
  }

  /** What a query would need now. Changes nothing; under 1 ms. */
  predict(input: PredictionInput): Prediction {
    const start = this.#clock.monotonic()
    const given = this.#consider(input)
    const total = eachResource((name) =>
      estimate(name === 'wallMs' ? given.wall : { ...given.logs[name], interval: this.#models[name].interval }),
    )
    const contention = Math.exp(given.stretch)
    const heat = this.#heats.of(input.work)
    const hot = input.segments.map(({ id }) => heat.isHot(id))
    const said: Said = {
      fingerprint: input.fingerprint,
      segments: input.segments,
      hot,
      nodes: this.#shareOut(input, given.scores, total),
      total,
      contention,
      evidence: this.#explain(input, given, hot, contention),
      predictionMs: this.#clock.monotonic() - start,
      [behind]: given,
    }
    return said
  }

  /** A query was accepted with this prediction: it is fixed from here on, and judged by the outcome. */
  admitted(queryId: QueryId, input: PredictionInput, prediction: Prediction): void {
    const given = (prediction as Partial<Said>)[behind] ?? this.#consider(input)
    const query = { ...given.run.query, id: queryId }
    if (this.#pending.size >= pendingMax) this.#forgetOldest(input.at)
    this.#pending.set(queryId, { ...given, run: { ...given.run, query } })
    this.#runTime.arrive(query, given.run.prediction)
  }

  #forgetOldest(at: number): void {
    for (const [oldest] of this.#pending.entries()) {
      this.#pending.delete(oldest)
      this.#runTime.abandon(oldest, at)
      return
    }
  }

  /** Its first task went to a node. */
  dispatched(queryId: QueryId, at: number): void {
    const query = this.#pending.peek(queryId)?.run.query
    if (query !== undefined) this.#runTime.start(queryId, at, this.#runTime.predict(query, at, 'dispatch'))
  }

  /** It ended, whichever way. Unknown ids are ignored. Returns how far the prediction was off, for the metrics. */
  observe(outcome: QueryOutcome): readonly Miss[] {
    const given = this.#pending.peek(outcome.queryId)
    this.#pending.delete(outcome.queryId)
    if (given === undefined) return []
    if (!outcome.finished) {
      this.#runTime.abandon(outcome.queryId, outcome.at)
      return []
    }
    this.#runTime.finish(outcome.queryId, outcome.at, outcome.actual.wallMs)
    this.#refits?.labelled()
    for (const actual of outcome.nodes) {
      const score = given.scores.get(actual.node) ?? 0
      for (const resource of nodeResources) this.#needs.observe(resource, actual.node, score, actual[resource])
    }
    return resourceNames.map((name) => this.#settle(name, given, outcome.actual[name]))
  }

  #settle(name: ResourceName, given: Given, actual: number): Miss {
    const said = given.logs[name]
    const actualLog = toLog(actual) - (name === 'wallMs' ? given.stretch : 0)
    const inside = this.#models[name].observe(given.asked, said, actualLog)
    if (name === 'wallMs') return this.#settleWall(given, toLog(actual))
    return { resource: name, qError: Math.exp(Math.abs(actualLog - said.log)), inside }
  }

  #settleWall({ asked, logs, run, stretch, wall }: Given, actualLog: number): Miss {
    this.#contention.observe(asked.load, actualLog - logs.wallMs.log)
    this.#wallErrors.observe({ mix: logs.wallMs.log + stretch, runTime: run.prediction.log }, actualLog)
    const residual = actualLog - wall.log
    const inside = sideOf(residual, wall.low, wall.high) === 'inside'
    return { resource: 'wallMs', qError: Math.exp(Math.abs(residual)), inside }
  }

  /** Takes one line of an old query log as prior experience: its arrival, and what it cost where the log tells. */
  learn(line: LoggedQuery, { fingerprint, literals, datasets, sql }: Identity): void {
    const { at, tenant, kind, reads, durationMs, cpuMs, peakMemoryBytes } = line
    const input: PredictionInput = {
      at,
      tenant,
      fingerprint,
      literals,
      kind,
      operators: [],
      segments: reads.map(({ segment, bytes }) => ({ id: segment, dataset: segment, bytes, rows: 0, warmOn: [] })),
      work: [],
      placement: [],
      running: 0,
      queued: 0,
    }
    const asked = question(input)
    if (cpuMs !== undefined) this.#models.cpuMs.learn(asked, toLog(cpuMs))
    if (peakMemoryBytes !== undefined) this.#models.memoryBytes.learn(asked, toLog(peakMemoryBytes))
    if (durationMs !== undefined) this.#models.wallMs.learn(asked, toLog(durationMs))
    this.arrivals.observe({ at, tenant, fingerprint, sql, params: {}, timeZone: 'UTC', literals, datasets })
  }

  /** Load score per node of some work, as the graph gave it. */
  loadScores(work: readonly NodeWork[]): ReadonlyMap<NodeId, number> {
    return this.#heats.of(work).scores
  }

  /** How well the intervals hold, per resource. */
  coverage(): Readonly<Record<ResourceName, CoverageStatus>> {
    return eachResource((name) => {
      const { coverage, measured, abstains } = name === 'wallMs' ? this.#wallInterval() : this.#models[name].interval
      return { coverage, measured, abstains }
    })
  }

  #consider(input: PredictionInput): Given {
    const asked = question(input)
    const { scores } = this.#heats.of(input.work)
    const placed = nodesOf(input.placement)
    const query = runTimeQuery(input, asked)
    const prediction = this.#runTime.predict(query, input.at, 'arrival')
    const stretch = this.#contention.logFactor(asked.load)
    const prior = (name: ResourceName): number | undefined => {
      // Wall time has no line of its own over load scores: the run-time model, which knows what is in flight, is its prior.
      if (name === 'wallMs') {
        if (this.#runTime.labels < runTimeFrom) return undefined
        return prediction.log - stretch
      }
      return logSum(placed.map((node) => this.#needs.need(name, node, scores.get(node) ?? 0)))
    }
    const logs = eachResource((name) => this.#models[name].predict(asked, prior(name)))
    const wall = { ...this.#wall(logs.wallMs, stretch, prediction), interval: this.#wallInterval() }
    return { asked, scores, logs, run: { query, prediction }, stretch, wall }
  }

  #wall(mix: LogPrediction, stretch: number, { log, scale, bounds }: RunTimePrediction): Omit<Spoken, 'interval'> {
    if (!this.#runTimeLeads()) return { ...mix, log: mix.log + stretch }
    const { low, high, p90, abstains } = bounds
    return { log, low: scale * low, high: scale * high, p90: scale * p90, abstains }
  }

  #wallInterval(): ConformalInterval {
    return this.#runTimeLeads() ? this.#runTime.interval('arrival') : this.#models.wallMs.interval
  }

  /**
   * Whether the run-time model alone, as `forebay evaluate` scores it, says how long a query takes: unless the mix was clearly nearer
   * lately, as it is with few labels. Of what began before an overloaded public log ended, the mix was 1.67/3.98/11.0 times off (p50,
   * p90, p99) and the run-time model 1.55/4.00/8.7.
   */
  #runTimeLeads(): boolean {
    const [mix, runTime] = [this.#wallErrors.record('mix'), this.#wallErrors.record('runTime')]
    if (mix === undefined || runTime === undefined || runTime.count < runTimeFrom) return false
    return runTime.error < clearlyNearer * mix.error
  }

  /** The total divided among the placed nodes, by what the prior expects of each, or by bytes where it is silent. */
  #shareOut(
    input: PredictionInput,
    scores: ReadonlyMap<NodeId, number>,
    total: Readonly<Record<ResourceName, Estimate>>,
  ): readonly NodeNeed[] {
    const share = eachNodeResource((resource) => this.#shares(resource, input.placement, scores))
    return input.placement.map(({ node, role }, i) => ({
      node,
      role,
      loadScore: scores.get(node) ?? 0,
      ...eachNodeResource((resource) => scaled(total[resource], share[resource][i] as number)),
    }))
  }

  #shares(resource: NodeResource, placement: readonly PlacedWork[], scores: ReadonlyMap<NodeId, number>): readonly number[] {
    if (resource === 'networkBytes') return normal(placement.map((placed) => placed.networkBytes))
    const byNeed = normal(placement.map(({ node }) => this.#needs.need(resource, node, scores.get(node) ?? 0) ?? 1))
    // Reading a warm byte costs about a third of decoding a cold one.
    const byBytes = normal(placement.map((placed) => placed.bytes - placed.warmBytes * 0.66 + placed.networkBytes))
    return placement.map((_, i) => ((byNeed[i] as number) + (byBytes[i] as number)) / 2)
  }

  #explain(input: PredictionInput, given: Given, hot: readonly boolean[], contention: number): readonly string[] {
    const model = this.#models.cpuMs
    const cells = historyLevels.map((level) => model.history.cell(level, given.asked.keys))
    const usual = cells.find((cell) => cell !== undefined)
    const heat = this.#heats.of(input.work)
    return evidence({
      input,
      runs: { exact: cells[0]?.count ?? 0, tenantTemplate: cells[1]?.count ?? 0, template: cells[2]?.count ?? 0 },
      usualCpuMs: usual === undefined ? undefined : Math.exp(usual.mean),
      nodes: nodesOf(input.placement).flatMap((node) => {
        const line = this.#needs.line('cpuMs', node)
        if (line === undefined) return []
        return [{ node, score: given.scores.get(node) ?? 0, ...line, segments: heat.worked.get(node) ?? 0 }]
      }),
      hot: hot.reduce((count, isHot) => count + (isHot ? 1 : 0), 0),
      contention,
      weights: model.weights(given.logs.cpuMs.opinions),
      coverage: model.interval.coverage,
      measured: model.interval.measured,
    })
  }

  /** Everything learned, as JSON. Queries in flight are not part of it: their outcomes are lost with the process. */
  snapshot(): PredictorSnapshot {
    return {
      version: snapshotVersion,
      needs: this.#needs.snapshot(),
      models: eachResource((name) => this.#models[name].snapshot()),
      contention: this.#contention.snapshot(),
      wallErrors: this.#wallErrors.snapshot(),
      runTime: this.#runTime.snapshot(),
      arrivals: this.arrivals.snapshot(),
    }
  }

  /** Takes up a snapshot; false (and nothing changed) when it is of another version. */
  restore(snapshot: unknown): boolean {
    if (!isSnapshot(snapshot)) return false
    this.#needs.restore(snapshot.needs)
    for (const name of resourceNames) this.#models[name].restore(snapshot.models[name])
    this.#contention.restore(snapshot.contention)
    this.#wallErrors.restore(snapshot.wallErrors ?? {})
    this.#runTime.restore(snapshot.runTime)
    this.arrivals.restore(snapshot.arrivals)
    this.#pending.clear()
    return true
  }
}

function runTimeQuery(input: PredictionInput, asked: Question): RunTimeQuery {
  const { at, tenant, fingerprint, kind } = input
  const { exact } = asked.keys
  const datasets = datasetsOf(input).size
  return { id: '', at, tenant, template: fingerprint, exact, kind, bytes: touchedBytes(input), datasets }
}

function isSnapshot(value: unknown): value is PredictorSnapshot {
  return typeof value === 'object' && value !== null && (value as { version?: unknown }).version === snapshotVersion
}

function eachResource<V>(make: (name: ResourceName) => V): Readonly<Record<ResourceName, V>> {
  return { cpuMs: make('cpuMs'), memoryBytes: make('memoryBytes'), networkBytes: make('networkBytes'), wallMs: make('wallMs') }
}

function eachNodeResource<V>(make: (name: NodeResource) => V): Readonly<Record<NodeResource, V>> {
  return { cpuMs: make('cpuMs'), memoryBytes: make('memoryBytes'), networkBytes: make('networkBytes') }
}

function nodesOf(placement: readonly PlacedWork[]): readonly NodeId[] {
  return [...new Set(placement.map((placed) => placed.node))]
}

/** Costs below one unit are one unit: q-errors of nothing would be infinite. */
function toLog(value: number): number {
  return Math.log(Math.max(1, value))
}

function logSum(needs: readonly (number | undefined)[]): number | undefined {
  const known = needs.filter((need) => need !== undefined)
  if (known.length === 0) return undefined
  return toLog(known.reduce((a, b) => a + b, 0))
}

function estimate({ log, low, high, p90, abstains, interval }: Spoken): Estimate {
  return {
    p50: Math.exp(log),
    p90: Math.exp(log + p90),
    low: Math.exp(log + low),
    high: Math.exp(log + high),
    coverage: interval.coverage,
    ...(abstains ? { abstained: true } : {}),
  }
}

/** Parts of 1; equal ones where there is nothing to go by. */
function normal(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((weight) => (sum > 0 ? weight / sum : 1 / weights.length))
}

function scaled(whole: Estimate, share: number): Estimate {
  const { p50, p90, low, high } = whole
  return { ...whole, p50: p50 * share, p90: p90 * share, low: low * share, high: high * share }
}
