import type { ActionKind, Forecast, HeldResources } from '../model/forecast.js'
import type { QueryId } from '../model/query.js'
import type { ActionCost } from './actions.js'
import type { Ledger } from './ledger.js'
import { noCost } from './price.js'

/** An action that was taken: its line in the ledger, and what it cost. */
export interface Taken {
  readonly id: string
  readonly kind: ActionKind
  readonly expectedBenefitMs: number
  readonly cost: ActionCost
  readonly at: number
}

/** Ends a line of the ledger. */
export type Settle = (id: string, settlement: Omit<Parameters<Ledger['settle']>[1], 'settledAt'>) => void

/** One forecast that is prepared: what was done for it, and what becomes of that in the ledger. */
export class Preparation {
  readonly forecast: Forecast
  /** Nothing is done for it, so that there is something to compare with. */
  readonly heldOut: boolean
  /** What its query would wait if nothing were done. */
  readonly predictedWaitMs: number
  /** Of the segments that it was prepared from. */
  version = ''
  /** A dataset that it reads has changed since: perhaps in other segments than its own. */
  maybeStale = false
  datasets: readonly string[] = []
  /** Aborted when its query has come. */
  readonly arrived = new AbortController()
  readonly #settle: Settle
  #taken: Taken[] = []
  /** Lines of what would have been done for it. */
  readonly #heldOutLines: string[] = []

  constructor(of: Pick<Preparation, 'forecast' | 'heldOut' | 'predictedWaitMs'>, settle: Settle) {
    this.forecast = of.forecast
    this.heldOut = of.heldOut
    this.predictedWaitMs = of.predictedWaitMs
    this.#settle = settle
  }

  get isActedOn(): boolean {
    return this.#taken.length > 0
  }

  get hasAnswer(): boolean {
    return this.#taken.some(({ kind }) => kind === 'precompute')
  }

  /** Something was done that is of use only while its node runs. */
  get needsNode(): boolean {
    return this.#taken.some(({ kind }) => kind === 'start-node' || kind === 'warm-pack')
  }

  take(taken: Taken): void {
    this.#taken.push(taken)
  }

  holdOut(id: string): void {
    this.#heldOutLines.push(id)
  }

  /** Its query ended `savedMs` sooner than it would have. Each action is credited with its part of what was expected of those that helped. */
  used(queryId: QueryId, savedMs: number, answeredFromStore: boolean, at: number): void {
    // An answer that did not fit has neither saved nor cost any waiting.
    const helped = this.#taken.filter(({ kind }) => kind !== 'precompute' || answeredFromStore)
    const expected = helped.reduce((total, action) => total + action.expectedBenefitMs, 0)
    for (const action of this.#taken) {
      const part = expected > 0 ? action.expectedBenefitMs / expected : 1 / helped.length
      this.#settle(action.id, {
        outcome: 'used',
        queryId,
        measuredBenefitMs: helped.includes(action) ? savedMs * part : 0,
        measuredCost: heldSince(action, at),
      })
    }
  }

  /** Nothing came of what was done. */
  wasted(at: number): void {
    for (const action of this.#taken) this.#waste(action, at)
    this.compared()
  }

  /** Lines of what was not done end, with the query that came all the same. */
  compared(queryId?: QueryId): void {
    for (const id of this.#heldOutLines) {
      const met = queryId === undefined ? {} : { queryId }
      this.#settle(id, { outcome: 'held-out', ...met, measuredBenefitMs: 0, measuredCost: noCost })
    }
  }

  /** An answer over data that has changed since is of no use; nodes and packs are. */
  discardAnswers(at: number): void {
    for (const action of this.#taken) if (action.kind === 'precompute') this.#waste(action, at)
    this.#taken = this.#taken.filter(({ kind }) => kind !== 'precompute')
  }

  #waste(action: Taken, at: number): void {
    this.#settle(action.id, { outcome: 'wasted', measuredBenefitMs: 0, measuredCost: heldSince(action, at) })
  }
}

/** What an action held until `until`. */
export function heldSince({ cost, at }: Pick<Taken, 'cost' | 'at'>, until: number): HeldResources {
  return {
    byteSeconds: (cost.heldBytes * Math.max(0, until - at)) / 1000,
    cpuSeconds: cost.cpuMs / 1000,
  }
}
