import type { Bounds } from '../conformal.js'
import type { Drifted } from './drift.js'

/** What the run-time model knows of a query before it runs. */
export interface RunTimeQuery {
  readonly id: string
  /** Epoch milliseconds of its arrival. */
  readonly at: number
  readonly tenant: string
  readonly template: string
  /** Names an exact repeat: template, arguments, segments. */
  readonly exact: string
  readonly kind: 'read' | 'write'
  /** Of the segments that lineage names; 0 where it is silent. */
  readonly bytes: number
  /** How many datasets they belong to; 0 where lineage is silent. */
  readonly datasets: number
}

/** Megabytes, in logs. */
export function logBytes(query: RunTimeQuery): number {
  return Math.log1p(query.bytes / 1e6)
}

/** At arrival, or at dispatch: when its wait before the engine is over. */
export type Phase = 'arrival' | 'dispatch'
export const phases: readonly Phase[] = ['arrival', 'dispatch']

/** One prediction of a duration in logs, with what it was made of: kept until the outcome, since that is what is judged. */
export interface RunTimePrediction {
  readonly phase: Phase
  readonly log: number
  /** Typical size of the residual: the bounds are in its units. */
  readonly scale: number
  readonly bounds: Bounds
  /** Drift of the residuals when it was said; part of the bounds. */
  readonly drift: Drifted
  readonly ridgeLog: number
  readonly linear: Float64Array
  /** Regressors of the weight that an unknown template would have. */
  readonly stranger: Float64Array
  readonly trees: Float64Array
  readonly opinions: Readonly<Record<string, number | undefined>>
}
