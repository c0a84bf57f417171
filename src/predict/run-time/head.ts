import { Blend, type ExpertRecord } from '../blend.js'
import type { FitJob, FittedPanel, MemberOptions, TreePanel } from '../boosting/tree-panel.js'
import { ConformalInterval, type ConformalSnapshot, sideOf } from '../conformal.js'
import { type LeastSquaresSnapshot, RecursiveLeastSquares } from '../least-squares.js'
import { ResidualCells, type ResidualCellsSnapshot } from './residual-cells.js'
import { linearCount } from './run-time-features.js'
import type { RunTimePrediction, RunTimeQuery } from './run-time-query.js'

export interface HeadSnapshot {
  readonly ridge: LeastSquaresSnapshot
  readonly spread: readonly number[]
  readonly blend: Readonly<Record<string, ExpertRecord>>
  readonly residuals: ResidualCellsSnapshot
  readonly interval: ConformalSnapshot
  readonly fitted?: FittedPanel
}

interface Label {
  readonly x: Float64Array
  readonly target: number
  readonly offset: number
}

/** Weight that a label loses with each that follows: half after 1,400. Faster forgetting made the tail longer on public logs. */
export const forgetting = 0.9995
/** Residuals smaller than this are as good as none: keeps the logarithm of their size from running away. */
const smallResidual = 0.05

/** The learned parts of one phase: ridge, what it is usually off by, tree panel, mix, and an interval with its scale. */
export class Head {
  readonly ridge: RecursiveLeastSquares
  readonly blend = new Blend()
  readonly residuals = new ResidualCells()
  readonly interval = new ConformalInterval({ window: 800, gain: 0.04 })
  panel: TreePanel | undefined
  /** Log size of residuals by the same regressors: intervals are wide where the model is known to be unsure. */
  readonly #spread: Float64Array
  readonly #rowsMax: number
  #rows: Label[] = []
  #fitted: FittedPanel | undefined

  constructor(slots: number, rowsMax: number) {
    this.ridge = new RecursiveLeastSquares(linearCount + slots, { errorMax: 3, forgetting })
    this.#spread = new Float64Array(linearCount + slots)
    this.#rowsMax = rowsMax
  }

  scale(linear: Float64Array): number {
    if (this.ridge.observed < 50) return 0.5
    let sum = 0
    for (let i = 0; i < linear.length; i++) sum += (this.#spread[i] as number) * (linear[i] as number)
    return Math.exp(Math.max(-2.5, Math.min(0, sum)))
  }

  /** `overdue`: its interval was counted as missed while it still ran. */
  observe(query: RunTimeQuery, said: RunTimePrediction, durationLog: number, overdue: boolean): void {
    const residual = durationLog - said.log
    const scaled = residual / said.scale
    if (overdue) this.interval.learn(scaled)
    else this.interval.observe(scaled, sideOf(scaled, said.bounds.low, said.bounds.high))
    this.blend.observe(said.opinions, durationLog)
    this.residuals.observe(query, this.ridge.update(said.linear, durationLog))
    this.ridge.learnAlso(this.#spread, said.linear, Math.log(smallResidual + Math.abs(residual)), 1)
    this.#rows.push({ x: said.trees, target: durationLog, offset: said.ridgeLog })
    if (this.#rows.length > this.#rowsMax + 500) this.#rows = this.#rows.slice(-this.#rowsMax)
  }

  job(members: readonly MemberOptions[]): FitJob {
    const rows = this.#rows.slice(-this.#rowsMax)
    return {
      rows: rows.map((row) => row.x),
      targets: Float64Array.from(rows, (row) => row.target),
      offsets: Float64Array.from(rows, (row) => row.offset),
      members,
    }
  }

  adopt(fitted: FittedPanel, panel: TreePanel): void {
    this.#fitted = fitted
    this.panel = panel
  }

  snapshot(): HeadSnapshot {
    return {
      ridge: this.ridge.snapshot(),
      spread: [...this.#spread],
      blend: this.blend.snapshot(),
      residuals: this.residuals.snapshot(),
      interval: this.interval.snapshot(),
      ...(this.#fitted === undefined ? {} : { fitted: this.#fitted }),
    }
  }

  restore(snapshot: HeadSnapshot, panelOf: (fitted: FittedPanel) => TreePanel): void {
    this.ridge.restore(snapshot.ridge)
    this.#spread.set(snapshot.spread)
    this.blend.restore(snapshot.blend)
    this.residuals.restore(snapshot.residuals)
    this.interval.restore(snapshot.interval)
    this.#rows = []
    this.#fitted = snapshot.fitted
    this.panel = snapshot.fitted === undefined ? undefined : panelOf(snapshot.fitted)
  }
}
