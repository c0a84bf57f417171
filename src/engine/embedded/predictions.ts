/**
 * Prediction behind a wall: it may throw, hang, be absent or talk nonsense, and then there is no prediction and everything
 * else goes on. A predictor that was slow or failed several times in a row is left alone for a minute.
 */
import type { Activity } from '../../model/activity.js'
import type { Clock } from '../../model/clock.js'
import type { QueryId } from '../../model/query.js'
import { resourceNames } from '../../model/resources.js'
import { type SegmentId, stableHash } from '../../model/segment.js'
import type { NodeWork, Prediction, PredictionInput, QueryOutcome } from '../../predict/prediction.js'
import type { QueryPredictor, WorkReader } from './engine-options.js'

export interface PredictionsOptions {
  readonly predictor: QueryPredictor | undefined
  readonly reader: WorkReader | undefined
  readonly clock: Clock
  readonly emit: (activity: Activity) => void
  readonly onError: (error: unknown) => void
}

/** A prediction and the question that it answers. */
export interface Asked {
  readonly input: PredictionInput
  readonly prediction: Prediction
}

const patienceMs = 5
/** A predictor that takes so long counts as hung; less may be a collection of garbage or a busy machine. */
const slowMs = 250
const failuresMax = 3
const restMs = 60_000
const workFreshMs = 5_000
const workKeptMax = 500
/** Rows of all answers together, about 300 bytes each: of segments that thousands of different statements read, each answer has thousands. */
const workRowsMax = 20_000

export class Predictions {
  readonly #options: PredictionsOptions
  readonly #work = new Map<string, { readonly at: number; readonly work: readonly NodeWork[] }>()
  #workRows = 0
  readonly #asking = new Set<string>()
  #failures = 0
  #restsUntil = 0

  constructor(options: PredictionsOptions) {
    this.#options = options
  }

  /** Undefined where there is no prediction. `workPatienceMs` is how long the lineage graph may take to name the nodes. */
  async ask(question: Omit<PredictionInput, 'work'>, workPatienceMs: number): Promise<Asked | undefined> {
    const { predictor, emit } = this.#options
    if (predictor === undefined || performance.now() < this.#restsUntil) return undefined
    const work = await this.work(
      question.segments.map((segment) => segment.id),
      workPatienceMs,
    )
    const input = { ...question, work }
    const startedAt = performance.now()
    try {
      const answer = predictor.predict(input)
      const prediction = answer instanceof Promise ? await within(answer, patienceMs) : answer
      const tookMs = Math.round(performance.now() - startedAt)
      if (tookMs > slowMs) throw new Error(`a prediction took ${tookMs} ms, more than ${slowMs}, and is not used`)
      if (!isSane(prediction)) throw new Error('the predictor gave no numbers')
      this.#failures = 0
      emit({ type: 'prediction', micros: Math.round((performance.now() - startedAt) * 1000) })
      return { input, prediction }
    } catch (error) {
      this.#failed(error)
      return undefined
    }
  }

  admitted(queryId: QueryId, asked: Asked | undefined): void {
    if (asked === undefined) return
    this.#guard((predictor) => predictor.admitted(queryId, asked.input, asked.prediction))
  }

  dispatched(queryId: QueryId): void {
    this.#guard((predictor) => predictor.dispatched(queryId, this.#options.clock.now()))
  }

  observe(outcome: QueryOutcome): void {
    this.#guard((predictor) => {
      for (const miss of predictor.observe(outcome)) this.#options.emit({ type: 'miss', ...miss })
    })
  }

  /** Load score per node from what the lineage graph said about these segments. */
  loadScores(work: readonly NodeWork[]): ReadonlyMap<string, number> {
    let scores: ReadonlyMap<string, number> = new Map()
    this.#guard((predictor) => {
      scores = predictor.loadScores(work)
    })
    return scores
  }

  /** What the lineage graph says about segments, at most a few seconds old; empty when it does not answer in time. */
  async work(segments: readonly SegmentId[], waitMs: number): Promise<readonly NodeWork[]> {
    const { reader, clock } = this.#options
    if (reader === undefined || segments.length === 0) return []
    const key = stableHash(segments)
    const known = this.#work.get(key)
    // Nothing known may mean that nobody has worked on them yet, which the next query changes: that is asked again.
    if (known !== undefined && known.work.length > 0 && performance.now() - known.at < workFreshMs) return known.work
    // One question at a time for the same segments: a graph that is slow is not asked more often for it.
    if (this.#asking.has(key)) return known?.work ?? []
    this.#asking.add(key)
    const answer = reader
      .work(segments, clock.now())
      .then((work) => {
        this.#keepWork(key, work)
        return work
      })
      .finally(() => this.#asking.delete(key))
    answer.catch(this.#options.onError)
    if (known !== undefined && known.work.length > 0) return known.work
    return within(answer, waitMs).catch(() => [])
  }

  #keepWork(key: string, work: readonly NodeWork[]): void {
    this.#forgetWork(key)
    this.#work.set(key, { at: performance.now(), work })
    this.#workRows += work.length
    for (const oldest of this.#work.keys()) {
      if ((this.#work.size <= workKeptMax && this.#workRows <= workRowsMax) || oldest === key) break
      this.#forgetWork(oldest)
    }
  }

  #forgetWork(key: string): void {
    this.#workRows -= this.#work.get(key)?.work.length ?? 0
    this.#work.delete(key)
  }

  #guard(act: (predictor: QueryPredictor) => void): void {
    const { predictor } = this.#options
    if (predictor === undefined || performance.now() < this.#restsUntil) return
    try {
      act(predictor)
    } catch (error) {
      this.#failed(error)
    }
  }

  #failed(error: unknown): void {
    this.#failures += 1
    this.#options.onError(error)
    if (this.#failures < failuresMax) return
    this.#failures = 0
    this.#restsUntil = performance.now() + restMs
  }
}

async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  work.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

function isSane(prediction: Prediction): boolean {
  return resourceNames.every((name) => {
    const estimate = prediction?.total?.[name]
    return [estimate?.p50, estimate?.p90, estimate?.low, estimate?.high].every(
      (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0,
    )
  })
}
