import type { LoggedQuery } from '../log-line.js'
import { panelMembers, ReplayRefits, rowsMax } from '../run-time/refit-schedule.js'
import { RunTimeModel } from '../run-time/run-time-model.js'
import type { Phase, RunTimePrediction, RunTimeQuery } from '../run-time/run-time-query.js'
import { EventHeap } from './event-heap.js'
import { type BaselineName, type BaselineSaid, baselineNames, RunTimeBaselines } from './run-time-baselines.js'
import { type CurvePoint, type RunTimeCurves, runTimeCurves } from './run-time-curves.js'
import { IntervalScore, type IntervalScores, QErrorScore, type QErrors, quantile, rounded } from './score.js'

/** How well durations were predicted, in one phase. */
export interface RunTimeScores extends QErrors {
  /** Without what began after the last arrival of the log, when the server was emptying. */
  readonly begunInTrace: QErrors
  readonly withoutWarmUp: QErrors
  readonly baselines: Readonly<Record<BaselineName, QErrors & { readonly begunInTrace: QErrors }>>
}

export interface RunTimeReport {
  readonly queries: number
  readonly scored: number
  readonly runtime: Readonly<Record<Phase, RunTimeScores>>
  readonly interval: Readonly<Record<Phase, IntervalScores>>
  readonly predictionMs: { readonly p50: number | null; readonly p99: number | null; readonly mean: number | null }
  readonly curves: RunTimeCurves
  /** Milliseconds of refits, all together. */
  readonly refitMs: number
}

export interface ReplayOptions {
  /** Ridge alone, without boosted trees. */
  readonly fast: boolean
  readonly withoutLineage: boolean
  /** Every query is a new one: no caches and no residual cells by exact key. */
  readonly withoutHistory: boolean
  /** Milliseconds with a fraction. */
  readonly monotonic: () => number
  /** Queries that the model must not learn from, and what it said of each at arrival, from the end of the warm-up on. */
  readonly heldOut?: (query: RunTimeQuery) => boolean
  readonly onHeldOut?: (predictedLog: number, actualLog: number) => void
  /** Told of every prediction as it is made, at the log's time `at`. */
  readonly onPrediction?: (at: number, prediction: RunTimePrediction) => void
}

interface Said {
  readonly prediction: RunTimePrediction
  readonly baselines: BaselineSaid
}

interface Pending {
  readonly query: RunTimeQuery
  readonly durationMs: number
  readonly number: number
  readonly said: Partial<Record<Phase, Said>>
}

/** One scored outcome; kept until the end, since whether it began in the trace is known only then. */
interface Outcome {
  readonly number: number
  readonly startedAt: number
  readonly durationLog: number
  readonly said: Readonly<
    Record<Phase, Pick<RunTimePrediction, 'log' | 'scale' | 'bounds'> & { readonly baselines: BaselineSaid['logs'] }>
  >
}

/** Queries before this one are warm-up. */
const warmUp = 300
type Change = { readonly pending: Pending; readonly startedAt: number; readonly end: boolean }

/**
 * Replays a log: each query is predicted at its arrival and at its dispatch, from nothing but what was visible then. Its start
 * is visible when its wait is over, its duration when it has ended; on a tie the arrival comes first. What the future holds
 * lies in a heap that only time opens, so a peek would be a defect of the heap, not of a model.
 */
export class RunTimeReplay {
  readonly #options: ReplayOptions
  readonly #model: RunTimeModel
  readonly #refits: ReplayRefits
  readonly #baselines = new RunTimeBaselines()
  readonly #future = new EventHeap<Change>()
  readonly #outcomes: Outcome[] = []
  readonly #times: number[] = []
  #refitMs = 0
  #queries = 0
  #lastAt = 0
  #inFlight = 0

  constructor(options: ReplayOptions) {
    this.#options = options
    this.#model = new RunTimeModel({ members: options.fast ? [] : panelMembers, rowsMax })
    this.#refits = new ReplayRefits(this.#model)
  }

  /** The next query of the log, in its order. Lines without a duration are skipped. */
  add(line: LoggedQuery): void {
    if (line.durationMs === undefined) return
    this.#advance(line.at)
    const query = this.#queryOf(line)
    const pending: Pending = { query, durationMs: Math.max(1, line.durationMs), number: this.#queries++, said: {} }
    this.#lastAt = line.at
    pending.said.arrival = this.#predict(query, line.at, 'arrival')
    this.#model.arrive(query, pending.said.arrival.prediction)
    this.#baselines.arrive(query)
    this.#inFlight++
    const startedAt = line.at + line.queuedMs
    this.#future.push({ at: startedAt, order: 1, number: pending.number, what: { pending, startedAt, end: false } })
  }

  /** Everything that is visible before an arrival at `at`. */
  #advance(at: number): void {
    for (let next = this.#future.peek(); next !== undefined && next.at < at; next = this.#future.peek()) {
      this.#future.pop()
      if (next.what.end) this.#end(next.what, next.at)
      else this.#begin(next.what, next.at)
    }
  }

  #begin(change: Change, at: number): void {
    const { pending } = change
    const said = this.#predict(pending.query, at, 'dispatch')
    pending.said.dispatch = said
    this.#model.start(pending.query.id, at, said.prediction)
    this.#future.push({ at: at + pending.durationMs, order: 2, number: pending.number, what: { ...change, end: true } })
  }

  #end({ pending, startedAt }: Change, at: number): void {
    const { query, durationMs, number } = pending
    const { arrival, dispatch } = pending.said as Record<Phase, Said>
    const durationLog = Math.log(durationMs)
    this.#inFlight--
    this.#outcomes.push({ number, startedAt, durationLog, said: { arrival: kept(arrival), dispatch: kept(dispatch) } })
    this.#baselines.observe(query, arrival.baselines, durationLog)
    if (this.#options.heldOut?.(query) === true) {
      this.#model.abandon(query.id, at)
      if (number >= warmUp) this.#options.onHeldOut?.(arrival.prediction.log, durationLog)
      return
    }
    this.#model.finish(query.id, at, durationMs)
    if (this.#options.fast) return
    const began = this.#options.monotonic()
    this.#refits.labelled()
    this.#refitMs += this.#options.monotonic() - began
  }

  #predict(query: RunTimeQuery, at: number, phase: Phase): Said {
    const began = this.#options.monotonic()
    const prediction = this.#model.predict(query, at, phase)
    this.#times.push(this.#options.monotonic() - began)
    this.#options.onPrediction?.(at, prediction)
    return { prediction, baselines: this.#baselines.predict(query, at, this.#inFlight) }
  }

  #queryOf({ at, tenant, template, args, kind, reads }: LoggedQuery): RunTimeQuery {
    const { withoutLineage, withoutHistory } = this.#options
    const bytes = withoutLineage ? 0 : reads.reduce((sum, read) => sum + read.bytes, 0)
    const exact = withoutHistory ? `once ${this.#queries}` : `${tenant} ${template} ${args}`
    return { id: String(this.#queries), at, tenant, template, exact, kind, bytes }
  }

  /** Lets everything end, and scores. */
  finish(): RunTimeReport {
    this.#advance(Number.POSITIVE_INFINITY)
    const outcomes = this.#outcomes.sort((a, b) => a.number - b.number)
    const scored = outcomes.filter((outcome) => outcome.number >= warmUp)
    const times = Float64Array.from(this.#times).sort()
    const at = (p: number): number | null => (times.length === 0 ? null : rounded(quantile(times, p)))
    return {
      queries: this.#queries,
      scored: scored.length,
      runtime: { arrival: this.#scores('arrival', outcomes), dispatch: this.#scores('dispatch', outcomes) },
      interval: { arrival: intervals('arrival', scored), dispatch: intervals('dispatch', scored) },
      predictionMs: {
        p50: at(0.5),
        p99: at(0.99),
        mean: times.length === 0 ? null : rounded(times.reduce((a, b) => a + b, 0) / times.length),
      },
      curves: runTimeCurves(scored.map((outcome) => point(outcome))),
      refitMs: this.#refitMs,
    }
  }

  #scores(phase: Phase, outcomes: readonly Outcome[]): RunTimeScores {
    const scored = outcomes.filter((outcome) => outcome.number >= warmUp)
    const begun = scored.filter((outcome) => outcome.startedAt <= this.#lastAt)
    const ours = (outcome: Outcome): number => outcome.said[phase].log
    const baselines = baselineNames.map((name) => {
      const theirs = (outcome: Outcome): number => outcome.said[phase].baselines[name]
      return [name, { ...qErrors(scored, theirs), begunInTrace: qErrors(begun, theirs) }] as const
    })
    return {
      ...qErrors(scored, ours),
      begunInTrace: qErrors(begun, ours),
      withoutWarmUp: qErrors(outcomes, ours),
      baselines: Object.fromEntries(baselines) as RunTimeScores['baselines'],
    }
  }
}

/** The feature vectors are not needed any more, and would fill the memory of a long replay. */
function kept({ prediction: { log, scale, bounds }, baselines }: Said): Outcome['said'][Phase] {
  return { log, scale, bounds, baselines: baselines.logs }
}

function point({ durationLog, said: { arrival } }: Outcome): CurvePoint {
  const { log, scale, bounds, baselines } = arrival
  return { actual: durationLog, ours: log, low: log + scale * bounds.low, high: log + scale * bounds.high, baselines }
}

function qErrors(outcomes: readonly Outcome[], predicted: (outcome: Outcome) => number): QErrors {
  const score = new QErrorScore()
  for (const outcome of outcomes) score.add(predicted(outcome), outcome.durationLog)
  return score.result()
}

function intervals(phase: Phase, outcomes: readonly Outcome[]): IntervalScores {
  const score = new IntervalScore()
  for (const { said, durationLog } of outcomes) {
    const { log, scale, bounds } = said[phase]
    score.add(log + scale * bounds.low, log + scale * bounds.high, bounds.abstains, durationLog)
  }
  return score.result()
}
