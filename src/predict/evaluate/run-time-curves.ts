import { type BaselineName, baselineNames } from './run-time-baselines.js'
import { rounded } from './score.js'

/** One scored query at its arrival, all in logs of milliseconds. */
export interface CurvePoint {
  readonly actual: number
  readonly ours: number
  readonly low: number
  readonly high: number
  readonly baselines: Readonly<Record<BaselineName, number>>
}

/** What the report draws of run times at arrival. */
export interface RunTimeCurves {
  /** q-error at 0 %, 1 %, … 100 % of the queries. */
  readonly qError: Readonly<Record<'ours' | BaselineName, readonly number[]>>
  /** Share of intervals that held, of each 100 queries in a row. */
  readonly coverage: readonly number[]
  /** Predicted and actual milliseconds of queries evenly spread over the log. */
  readonly sample: readonly { readonly predictedMs: number; readonly actualMs: number }[]
}

const run = 100
const sampleMax = 600

export function runTimeCurves(points: readonly CurvePoint[]): RunTimeCurves {
  const by = (log: (point: CurvePoint) => number): readonly number[] => percentiles(points, log)
  const baselines = baselineNames.map((name) => [name, by((point) => point.baselines[name])] as const)
  const qError = { ours: by((point) => point.ours), ...Object.fromEntries(baselines) } as RunTimeCurves['qError']
  const apart = Math.max(1, Math.ceil(points.length / sampleMax))
  const sample = points.filter((_, i) => i % apart === 0)
  return {
    qError,
    coverage: Array.from({ length: Math.floor(points.length / run) }, (_, i) => covered(points.slice(i * run, (i + 1) * run))),
    sample: sample.map(({ ours, actual }) => ({ predictedMs: rounded(Math.exp(ours)), actualMs: rounded(Math.exp(actual)) })),
  }
}

function percentiles(points: readonly CurvePoint[], log: (point: CurvePoint) => number): readonly number[] {
  if (points.length === 0) return []
  const errors = Float64Array.from(points, (point) => Math.abs(log(point) - point.actual)).sort()
  return Array.from({ length: 101 }, (_, p) => {
    const place = Math.min(errors.length - 1, Math.floor((p / 100) * errors.length))
    return rounded(Math.exp(errors[place] as number))
  })
}

function covered(points: readonly CurvePoint[]): number {
  return points.filter(({ actual, low, high }) => actual >= low && actual <= high).length / points.length
}
