import { Blend, type ExpertRecord, type Opinions } from '../blend.js'
import type { FitJob, FittedPanel, MemberOptions, TreePanel } from '../boosting/tree-panel.js'
import { type Bounds, ConformalInterval, type ConformalOptions, type ConformalSnapshot, sideOf } from '../conformal.js'
import { type LeastSquaresSnapshot, RecursiveLeastSquares } from '../least-squares.js'
import { Drift, type Drifted } from './drift.js'
import { type LabelsSnapshot, LabelWindow } from './label-window.js'
import { ResidualCells, type ResidualCellsSnapshot } from './residual-cells.js'
import { linearCount, strangerCount } from './run-time-features.js'
import type { Phase, RunTimePrediction, RunTimeQuery } from './run-time-query.js'

export interface HeadSnapshot {
  readonly ridge: LeastSquaresSnapshot
  readonly stranger: LeastSquaresSnapshot
  readonly spread: readonly number[]
  readonly doubt: LeastSquaresSnapshot
  readonly blend: Readonly<Record<string, ExpertRecord>>
  readonly residuals: ResidualCellsSnapshot
  readonly interval: ConformalSnapshot
  readonly drift: Drifted
  readonly fitted?: FittedPanel
  /** Absent in snapshots of earlier versions. */
  readonly labels?: LabelsSnapshot
}

/** Weight that a label loses with each that follows: half after 1,400. Faster forgetting made the tail longer on public logs. */
export const forgetting = 0.9995
/** No interval reaches further than a factor of a thousand: beyond that it tells nobody anything. */
const reachMax = Math.log(1000)
/** Residuals smaller than this are as good as none: keeps the logarithm of their size from running away. */
const smallResidual = 0.05

/**
 * At dispatch little is unsure but how fast things go, which drift follows, so a long window serves and nothing is kept back: under
 * overload the interval is wide instead. It aims a point higher than it promises, which is what it loses when the load turns:
 * on an overloaded public log the worst 500 in a row rose from .834 to .854, at 4.2 times from low to high.
 */
const intervals: Readonly<Record<Phase, ConformalOptions>> = {
  arrival: { window: 400, gain: 0.03, abstainBelow: 0.6 },
  dispatch: { window: 800, gain: 0.03, abstainBelow: 0, nominal: 0.91 },
}

/** The learned parts of one phase: ridge, what it is usually off by, tree panel, mix, and an interval with its scale. */
export class Head {
  readonly ridge: RecursiveLeastSquares
  /** Which weight a template would have that was never seen. */
  readonly #stranger = new RecursiveLeastSquares(strangerCount, { errorMax: 3, forgetting })
  readonly blend = new Blend()
  readonly residuals = new ResidualCells()
  readonly interval: ConformalInterval
  readonly #drift = new Drift()
  panel: TreePanel | undefined
  /** Log size of residuals by the same regressors: intervals are wide where the model is known to be unsure. */
  readonly #spread: Float64Array
  /** That, corrected by how far the opinions are apart. */
  readonly #doubt = new RecursiveLeastSquares(3, { errorMax: 1, forgetting })
  readonly #labels: LabelWindow
  #fitted: FittedPanel | undefined

  constructor(phase: Phase, slots: number, rowsMax: number) {
    this.interval = new ConformalInterval(intervals[phase])
    this.ridge = new RecursiveLeastSquares(linearCount + slots, { errorMax: 3, forgetting })
    this.#spread = new Float64Array(linearCount + slots)
    this.#labels = new LabelWindow(rowsMax)
  }

  /**
   * Typical size of the residual. Where trees and regression disagree they are wrong more often, and the regressors do not tell:
   * with that, on public logs, the worst 500 in a row rose from .804 to .810 at arrival and from .846 to .856 at dispatch.
   */
  scale(linear: Float64Array, opinions: Opinions): number {
    if (this.ridge.observed < 50) return 0.5
    return Math.exp(withinScales(this.#doubt.predict(this.#doubts(linear, opinions))))
  }

  #doubts(linear: Float64Array, opinions: Opinions): readonly number[] {
    let sum = 0
    for (let i = 0; i < linear.length; i++) sum += (this.#spread[i] as number) * (linear[i] as number)
    return [1, withinScales(sum), Math.log(smallResidual + apart(opinions))]
  }

  /**
   * What the linear models say of a query whose template has `seen` labels. The slope of bytes comes from repeats of known
   * templates on small and large databases. Between templates it misleads: a sum over the largest table is quick, and a self-join
   * of a small one is not. The weights of known templates tell by how much, and a stranger gets what they would give it, as if that
   * were one label. On shapes never learned from, of a public log, bytes made p90 worse without this (3.85 against 3.71), now better (3.58).
   */
  linearLog(linear: Float64Array, stranger: Float64Array, seen: number): number {
    return this.ridge.predict(linear) + this.#stranger.predict(stranger) / (1 + seen)
  }

  /** `unfinished`: how far residuals of running queries have grown, their drift taken off. */
  bounds(scale: number, unfinished: Float64Array): { readonly bounds: Bounds; readonly drift: Drifted } {
    const drift = this.#drift.now()
    const { low, high, p90, abstains } = this.interval.bounds(unfinished)
    const most = reachMax / scale
    const at = (end: number): number => Math.max(-most, Math.min(most, drift.bias + drift.spread * end))
    return { bounds: { low: Math.min(0, at(low)), high: Math.max(0, at(high)), p90: Math.max(0, at(p90)), abstains }, drift }
  }

  /** A query has just run longer than its interval allowed: its residual so far. */
  overdue(said: RunTimePrediction, residual: number): void {
    this.interval.missed('above')
    this.#drift.observe(residual / said.scale)
  }

  /** `overdue`: its interval was counted as missed while it still ran. */
  observe(query: RunTimeQuery, said: RunTimePrediction, durationLog: number, overdue: boolean): void {
    const residual = durationLog - said.log
    const scaled = residual / said.scale
    if (overdue) this.interval.learn(withoutDrift(said, residual))
    else {
      this.interval.observe(withoutDrift(said, residual), sideOf(scaled, said.bounds.low, said.bounds.high))
      this.#drift.observe(scaled)
    }
    this.blend.observe(said.opinions, durationLog)
    this.residuals.observe(query, this.ridge.update(said.linear, durationLog))
    const size = Math.log(smallResidual + Math.abs(residual))
    this.#doubt.update(this.#doubts(said.linear, said.opinions), size)
    this.ridge.learnAlso(this.#spread, said.linear, size, 1)
    this.#stranger.update(said.stranger, this.#templateWeight(said.linear))
    this.#labels.add(said.trees, durationLog, said.ridgeLog)
  }

  #templateWeight(linear: Float64Array): number {
    let sum = 0
    for (let i = linearCount; i < linear.length; i++) sum += (this.ridge.weights[i] as number) * (linear[i] as number)
    return sum
  }

  job(members: readonly MemberOptions[]): FitJob {
    return { ...this.#labels.read(), members }
  }

  adopt(fitted: FittedPanel, panel: TreePanel): void {
    this.#fitted = fitted
    this.panel = panel
  }

  snapshot(): HeadSnapshot {
    return {
      ridge: this.ridge.snapshot(),
      stranger: this.#stranger.snapshot(),
      spread: [...this.#spread],
      doubt: this.#doubt.snapshot(),
      blend: this.blend.snapshot(),
      residuals: this.residuals.snapshot(),
      interval: this.interval.snapshot(),
      drift: this.#drift.snapshot(),
      labels: this.#labels.snapshot(),
      ...(this.#fitted === undefined ? {} : { fitted: this.#fitted }),
    }
  }

  restore(snapshot: HeadSnapshot, panelOf: (fitted: FittedPanel) => TreePanel): void {
    this.ridge.restore(snapshot.ridge)
    this.#stranger.restore(snapshot.stranger)
    this.#spread.set(snapshot.spread)
    this.#doubt.restore(snapshot.doubt)
    this.blend.restore(snapshot.blend)
    this.residuals.restore(snapshot.residuals)
    this.interval.restore(snapshot.interval)
    this.#drift.restore(snapshot.drift)
    if (snapshot.labels === undefined) this.#labels.clear()
    else this.#labels.restore(snapshot.labels)
    this.#fitted = snapshot.fitted
    this.panel = snapshot.fitted === undefined ? undefined : panelOf(snapshot.fitted)
  }
}

/** Logs of scales that make sense. */
function withinScales(scaleLog: number): number {
  return Math.max(-2.5, Math.min(0, scaleLog))
}

/** How far the opinions are apart. */
function apart(opinions: Opinions): number {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const name in opinions) {
    const opinion = opinions[name]
    if (opinion === undefined) continue
    if (opinion < least) least = opinion
    if (opinion > most) most = opinion
  }
  return Math.max(0, most - least)
}

/** A residual as the interval sees it: in units of its expected size, at the drift of the time when it was predicted. */
export function withoutDrift({ scale, drift }: RunTimePrediction, residual: number): number {
  return (residual / scale - drift.bias) / drift.spread
}
