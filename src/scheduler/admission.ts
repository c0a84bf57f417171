import { ForebayError } from '../model/errors.js'
import type { Priority } from '../model/priority.js'
import type { QueryId } from '../model/query.js'
import { PriorityLanes } from '../queue/priority-lanes.js'

export interface AdmissionOptions {
  /** Memory of all nodes together. */
  readonly memoryBytes: number
  readonly runningMax: number
  readonly waitingMax: number
}

/** What a query asks for before it runs. */
export interface Demand {
  readonly queryId: QueryId
  readonly priority: Priority
  /** Predicted; more than there is counts as all there is, so that a wrong prediction delays a query and never bars it. */
  readonly memoryBytes: number
  /** Told when something more urgent comes: give up at once and come again. Absent: it is left alone. */
  readonly onPreempt?: () => void
}

interface Waiting {
  readonly demand: Demand
  memoryBytes: number
  readonly admit: () => void
}

/** Reserves memory and a place among the running queries, both or neither, in the order of the priorities. */
export class Admission {
  readonly #options: AdmissionOptions
  readonly #lanes = new PriorityLanes<Waiting>()
  readonly #waiting = new Map<QueryId, Waiting>()
  readonly #running = new Map<QueryId, Waiting>()
  #reservedBytes = 0

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  get running(): number {
    return this.#running.size
  }

  get waiting(): number {
    return this.#waiting.size
  }

  get reservedBytes(): number {
    return this.#reservedBytes
  }

  /** True when a query that comes now is let in whatever it asks for. */
  get isIdle(): boolean {
    return this.#running.size === 0 && this.#waiting.size === 0
  }

  depth(): Readonly<Record<Priority, number>> {
    return this.#lanes.depth()
  }

  /** Resolves with the release when the query may run. Rejects with QUEUE_FULL, or with the signal's reason. */
  async enter(demand: Demand, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    const { queryId } = demand
    if (this.#waiting.has(queryId) || this.#running.has(queryId)) {
      throw new ForebayError('INTERNAL', `query "${queryId}" waits or runs already`)
    }
    if (this.#waiting.size >= this.#options.waitingMax) {
      throw new ForebayError('QUEUE_FULL', `${this.#options.waitingMax} queries wait already, which is the limit`, {
        hint: 'send fewer queries at once, or try again later',
      })
    }
    if (demand.onPreempt === undefined) this.preempt()
    const memoryBytes = this.#bounded(demand.memoryBytes)
    let entry: Waiting | undefined
    const admitted = new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        if (entry === undefined || !this.#lanes.delete(entry)) return
        this.#waiting.delete(queryId)
        reject(signal.reason)
        this.#advance()
      }
      const admit = (): void => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      entry = { demand, memoryBytes, admit }
      this.#waiting.set(queryId, entry)
      this.#lanes.add(entry, demand.priority)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#advance()
    })
    await admitted
    return () => this.#release(entry)
  }

  /** What a running query needs is known now, or known better. */
  resize(queryId: QueryId, memoryBytes: number): void {
    const entry = this.#running.get(queryId)
    if (entry === undefined) return
    const bounded = this.#bounded(memoryBytes)
    this.#reservedBytes += bounded - entry.memoryBytes
    entry.memoryBytes = bounded
    this.#advance()
  }

  /** Tells all prefetching work to give up, since a query wants to run. */
  preempt(): void {
    for (const { demand } of this.#running.values()) demand.onPreempt?.()
  }

  /** Why a query waits, or undefined when it does not wait here. */
  why(queryId: QueryId): string | undefined {
    const entry = this.#waiting.get(queryId)
    if (entry === undefined) return undefined
    if (this.#running.size >= this.#options.runningMax) return `running: ${this.#running.size} queries run, which is the limit`
    const free = this.#options.memoryBytes - this.#reservedBytes
    if (entry.memoryBytes > free) return `memory: ${megabytes(entry.memoryBytes)} wanted, ${megabytes(free)} free`
    return 'queue: more urgent or earlier queries come first'
  }

  /** Whole bytes: sums of fractions would not come back to zero, and who asks for everything would wait for ever. */
  #bounded(memoryBytes: number): number {
    return Math.max(0, Math.floor(Math.min(memoryBytes, this.#options.memoryBytes))) || 0
  }

  #release(entry: Waiting | undefined): void {
    if (entry === undefined || this.#running.get(entry.demand.queryId) !== entry) return
    this.#running.delete(entry.demand.queryId)
    this.#reservedBytes -= entry.memoryBytes
    this.#advance()
  }

  #advance(): void {
    for (;;) {
      const next = this.#lanes.take((entry) => this.#fits(entry))
      if (next === undefined) return
      this.#waiting.delete(next.demand.queryId)
      this.#running.set(next.demand.queryId, next)
      this.#reservedBytes += next.memoryBytes
      next.admit()
    }
  }

  #fits(entry: Waiting): boolean {
    if (this.#running.size === 0) return true
    return this.#running.size < this.#options.runningMax && this.#reservedBytes + entry.memoryBytes <= this.#options.memoryBytes
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`
}
