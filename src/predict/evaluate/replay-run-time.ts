import type { LoggedQuery } from '../log-line.js'
import { panelMembers, ReplayRefits, rowsMax } from '../run-time/refit-schedule.js'
import { RunTimeModel } from '../run-time/run-time-model.js'
import type { Phase, RunTimePrediction, RunTimeQuery } from '../run-time/run-time-query.js'
import { CausalReplay, type Replayed } from './causal-replay.js'
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
  /** Told of every prediction as it is made, at the log's time `at`. */
  readonly onPrediction?: (at: number, prediction: RunTimePrediction) => void
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
export const warmUp = 300

/** Replays a log, and scores what was said beside the simple rules. */
export class RunTimeReplay {
  readonly #options: ReplayOptions
  readonly #model: RunTimeModel
  readonly #replay: CausalReplay
  readonly #refits: ReplayRefits
  readonly #baselines = new RunTimeBaselines()
  /** What the simple rules said of queries that have not ended. */
  readonly #theirs = new Map<string, Partial<Record<Phase, BaselineSaid>>>()
  readonly #outcomes: Outcome[] = []
  readonly #times: number[] = []
  #refitMs = 0

  constructor(options: ReplayOptions) {
    this.#options = options
    const { withoutLineage, withoutHistory } = options
    this.#model = new RunTimeModel({ members: options.fast ? [] : panelMembers, rowsMax })
    this.#refits = new ReplayRefits(this.#model)
    this.#replay = new CausalReplay(this.#model, {
      withoutLineage,
      withoutHistory,
      predict: (query, at, phase) => this.#predict(query, at, phase),
      onEnd: (replayed) => this.#end(replayed),
    })
  }

  /** The next query of the log, in its order. Lines without a duration are skipped. */
  add(line: LoggedQuery): void {
    this.#replay.add(line)
  }

  #predict(query: RunTimeQuery, at: number, phase: Phase): RunTimePrediction {
    const began = this.#options.monotonic()
    const prediction = this.#model.predict(query, at, phase)
    this.#times.push(this.#options.monotonic() - began)
    this.#options.onPrediction?.(at, prediction)
    const theirs = this.#baselines.predict(query, at, this.#theirs.size)
    this.#theirs.set(query.id, { ...this.#theirs.get(query.id), [phase]: theirs })
    if (phase === 'arrival') this.#baselines.arrive(query)
    return prediction
  }

  #end({ query, number, startedAt, durationMs, said }: Replayed): void {
    const { arrival, dispatch } = this.#theirs.get(query.id) as Record<Phase, BaselineSaid>
    this.#theirs.delete(query.id)
    const durationLog = Math.log(durationMs)
    this.#baselines.observe(query, arrival, durationLog)
    const both = { arrival: kept(said.arrival, arrival), dispatch: kept(said.dispatch, dispatch) }
    this.#outcomes.push({ number, startedAt, durationLog, said: both })
    if (this.#options.fast) return
    const began = this.#options.monotonic()
    this.#refits.labelled()
    this.#refitMs += this.#options.monotonic() - began
  }

  /** Lets everything end, and scores. */
  finish(): RunTimeReport {
    this.#replay.finish()
    const outcomes = this.#outcomes.sort((a, b) => a.number - b.number)
    const scored = outcomes.filter((outcome) => outcome.number >= warmUp)
    const times = Float64Array.from(this.#times).sort()
    const at = (p: number): number | null => (times.length === 0 ? null : rounded(quantile(times, p)))
    return {
      queries: this.#replay.queries,
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
    const begun = scored.filter((outcome) => outcome.startedAt <= this.#replay.lastAt)
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
function kept({ log, scale, bounds }: RunTimePrediction, baselines: BaselineSaid): Outcome['said'][Phase] {
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
