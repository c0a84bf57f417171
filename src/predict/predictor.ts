import type { Clock } from '../model/clock.js'
import type { NodeId } from '../model/node.js'
import type { QueryId } from '../model/query.js'
import { type Estimate, type ResourceName, resourceNames } from '../model/resources.js'
import { Arrivals } from './arrivals/arrivals.js'
import type { Miss, NodeWork, Prediction, PredictionInput, QueryOutcome } from './prediction.js'

export interface PredictorOptions {
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
}

/** How well the intervals of one resource hold at present. */
export interface CoverageStatus {
  /** Share of recent outcomes inside their interval, 0 before anything was measured. */
  readonly coverage: number
  readonly measured: number
  readonly abstains: boolean
}

/**
 * What queries will need, and when they come. Pure and deterministic: no I/O, time is injected, and the same calls give the
 * same answers. `predict` changes nothing; `admitted`, `dispatched` and `observe` are how it learns.
 */
export class Predictor {
  readonly arrivals = new Arrivals()
  readonly #clock: PredictorOptions['clock']

  constructor(options: PredictorOptions) {
    this.#clock = options.clock
  }

  /** What a query would need now. Changes nothing; under 1 ms. */
  predict(input: PredictionInput): Prediction {
    const start = this.#clock.monotonic()
    const unknown: Estimate = { p50: 10, p90: 100, low: 1, high: 1000, coverage: 0, abstained: true }
    return {
      fingerprint: input.fingerprint,
      segments: input.segments.map((segment) => ({ ...segment, hot: false })),
      nodes: input.placement.map(({ node, role }) => ({
        node,
        role,
        loadScore: 0,
        cpuMs: unknown,
        memoryBytes: unknown,
        networkBytes: unknown,
      })),
      total: { cpuMs: unknown, memoryBytes: unknown, networkBytes: unknown, wallMs: unknown },
      contention: 1,
      evidence: [],
      predictionMs: this.#clock.monotonic() - start,
    }
  }

  /** A query was accepted with this prediction: it counts as in flight, and its interval is fixed from here on. */
  admitted(queryId: QueryId, input: PredictionInput, prediction: Prediction): void {
    void queryId
    void input
    void prediction
  }

  /** Its first task went to a node. */
  dispatched(queryId: QueryId, at: number): void {
    void queryId
    void at
  }

  /** It ended, whichever way. Unknown ids are ignored. Returns how far the prediction was off, for the metrics. */
  observe(outcome: QueryOutcome): readonly Miss[] {
    void outcome
    return []
  }

  /** Load score per node of some work, as the graph gave it. */
  loadScores(work: readonly NodeWork[]): ReadonlyMap<NodeId, number> {
    void work
    return new Map()
  }

  /** How well the intervals hold, per resource. */
  coverage(): Readonly<Record<ResourceName, CoverageStatus>> {
    const status: CoverageStatus = { coverage: 0, measured: 0, abstains: true }
    return Object.fromEntries(resourceNames.map((name) => [name, status])) as Record<ResourceName, CoverageStatus>
  }

  /** Everything learned, as JSON. */
  snapshot(): unknown {
    return { version: 1 }
  }

  /** Takes up a snapshot; false (and nothing changed) when it is of another version or damaged. */
  restore(snapshot: unknown): boolean {
    void snapshot
    return false
  }
}
