import type { LoggedQuery } from '../log-line.js'
import type { RunTimeModel } from '../run-time/run-time-model.js'
import type { Phase, RunTimePrediction, RunTimeQuery } from '../run-time/run-time-query.js'
import { EventHeap } from './event-heap.js'

/** A query of the log that has ended, with what was said of it. */
export interface Replayed {
  readonly query: RunTimeQuery
  /** Its place among the queries of the log. */
  readonly number: number
  /** When its wait before the engine was over, and how long it took then. */
  readonly startedAt: number
  readonly durationMs: number
  readonly said: Readonly<Record<Phase, RunTimePrediction>>
}

export interface CausalReplayOptions {
  readonly withoutLineage: boolean
  /** Every query is a new one: no caches and no residual cells by exact key. */
  readonly withoutHistory: boolean
  /** What is said of a query now; by default what the model says. */
  readonly predict?: (query: RunTimeQuery, at: number, phase: Phase) => RunTimePrediction
  /** Queries that the model must not learn from. */
  readonly heldOut?: (query: RunTimeQuery) => boolean
  /** A query has ended, and the model has learned from it unless it was held out. */
  readonly onEnd: (replayed: Replayed, learned: boolean) => void
}

interface Flying {
  readonly query: RunTimeQuery
  readonly number: number
  readonly startedAt: number
  readonly durationMs: number
  readonly said: Partial<Record<Phase, RunTimePrediction>>
}

type Change = { readonly flying: Flying; readonly end: boolean }

/**
 * Replays a log: each query is predicted at its arrival and at its dispatch, from nothing but what was visible then. Its start
 * is visible when its wait is over, its duration when it has ended; on a tie the arrival comes first. What the future holds
 * lies in a heap that only time opens, so a peek would be a defect of the heap, not of a model.
 */
export class CausalReplay {
  readonly #model: RunTimeModel
  readonly #options: CausalReplayOptions
  readonly #future = new EventHeap<Change>()
  #queries = 0
  #lastAt = 0

  constructor(model: RunTimeModel, options: CausalReplayOptions) {
    this.#model = model
    this.#options = options
  }

  get queries(): number {
    return this.#queries
  }

  /** When the last query of the log came. */
  get lastAt(): number {
    return this.#lastAt
  }

  /** The next query of the log, in its order. Lines without a duration are skipped. */
  add(line: LoggedQuery): void {
    if (line.durationMs === undefined) return
    this.#advance(line.at)
    const query = this.#queryOf(line)
    const startedAt = line.at + line.queuedMs
    const flying: Flying = { query, number: this.#queries++, startedAt, durationMs: Math.max(1, line.durationMs), said: {} }
    this.#lastAt = line.at
    flying.said.arrival = this.#predict(query, line.at, 'arrival')
    this.#model.arrive(query, flying.said.arrival)
    this.#future.push({ at: startedAt, order: 1, number: flying.number, what: { flying, end: false } })
  }

  /** Lets everything end. */
  finish(): void {
    this.#advance(Number.POSITIVE_INFINITY)
  }

  /** Everything that is visible before an arrival at `at`. */
  #advance(at: number): void {
    for (let next = this.#future.peek(); next !== undefined && next.at < at; next = this.#future.peek()) {
      this.#future.pop()
      const { flying, end } = next.what
      if (end) this.#end(flying, next.at)
      else this.#begin(flying, next.at)
    }
  }

  #begin(flying: Flying, at: number): void {
    const { query, number, durationMs, said } = flying
    said.dispatch = this.#predict(query, at, 'dispatch')
    this.#model.start(query.id, at, said.dispatch)
    this.#future.push({ at: at + durationMs, order: 2, number, what: { flying, end: true } })
  }

  #end(flying: Flying, at: number): void {
    const { query, durationMs } = flying
    const learns = this.#options.heldOut?.(query) !== true
    if (learns) this.#model.finish(query.id, at, durationMs)
    else this.#model.abandon(query.id, at)
    this.#options.onEnd(flying as Replayed, learns)
  }

  #predict(query: RunTimeQuery, at: number, phase: Phase): RunTimePrediction {
    return this.#options.predict?.(query, at, phase) ?? this.#model.predict(query, at, phase)
  }

  #queryOf({ at, tenant, template, args, kind, reads }: LoggedQuery): RunTimeQuery {
    const { withoutLineage, withoutHistory } = this.#options
    const bytes = withoutLineage ? 0 : reads.reduce((sum, read) => sum + read.bytes, 0)
    const exact = withoutHistory ? `once ${this.#queries}` : `${tenant} ${template} ${args}`
    const datasets = withoutLineage ? 0 : reads.length
    return { id: String(this.#queries), at, tenant, template, exact, kind, bytes, datasets }
  }
}
