import type { HeldResources } from '../model/forecast.js'
import type { Action } from './actions.js'
import { addCosts, type Prices, priceMs } from './price.js'
import type { Rights } from './rights.js'

/** The most that proactive work may hold within a sliding window. */
export interface BudgetLimits {
  readonly windowMs: number
  readonly byteSeconds: number
  readonly cpuSeconds: number
}

/** What was promised within one part of the window, as of its latest promise. */
export interface Spent {
  /** Epoch milliseconds. */
  readonly at: number
  readonly cost: HeldResources
}

/** Of one window in what outlives a restart. */
const partsKept = 24

/** Keeps count of what was promised within the window; what is older than the window is free again. */
export class Budget {
  readonly #limits: BudgetLimits
  #spent: Spent[] = []

  constructor(limits: BudgetLimits) {
    this.#limits = limits
  }

  spent(now: number): HeldResources {
    // Promised by a clock that was far ahead: its window would not pass before that time comes.
    this.#spent = this.#spent.filter((item) => Math.abs(now - item.at) < this.#limits.windowMs)
    return this.#spent.reduce((sum, item) => addCosts(sum, item.cost), { byteSeconds: 0, cpuSeconds: 0 })
  }

  /** What survives a restart, oldest first. */
  snapshot(): readonly Spent[] {
    const partMs = this.#limits.windowMs / partsKept
    const parts: Spent[] = []
    for (const { at, cost } of this.#spent) {
      const last = parts.at(-1)
      if (last === undefined || Math.floor(at / partMs) !== Math.floor(last.at / partMs)) parts.push({ at, cost })
      else parts[parts.length - 1] = { at, cost: addCosts(last.cost, cost) }
    }
    return parts
  }

  restore(spent: readonly Spent[]): void {
    this.#spent = [...spent, ...this.#spent]
  }

  /** Takes the cost out of the budget when it fits; otherwise changes nothing and says false. */
  take(cost: HeldResources, now: number): boolean {
    const after = addCosts(this.spent(now), cost)
    if (after.byteSeconds > this.#limits.byteSeconds || after.cpuSeconds > this.#limits.cpuSeconds) return false
    this.#spent.push({ at: now, cost })
    return true
  }

  /** Puts back what was taken for something that is not done. */
  giveBack(cost: HeldResources): void {
    this.#spent = this.#spent.filter((item) => item.cost !== cost)
  }
}

/** Nobody notices less. */
const noticeableMs = 1

/**
 * The actions worth taking, best value for its price first, while the budget lasts. An action that is not expected to
 * save more than its price, or nothing that anybody would notice, is never taken, nor does it use up a retrial of its kind. Greedy by
 * ratio: within one action of the optimum, and explainable.
 */
export function choose(
  actions: readonly Action[],
  rights: Rights,
  budget: Budget,
  prices: Prices,
  now: number,
): readonly Action[] {
  const ratio = (action: Action): number => action.expectedBenefitMs / Math.max(priceMs(action.expectedCost, prices), 1e-9)
  return actions
    .filter((action) => action.expectedBenefitMs > Math.max(noticeableMs, priceMs(action.expectedCost, prices)))
    .toSorted((a, b) => ratio(b) - ratio(a))
    .filter((action) => rights.mayAct(action.kind) && budget.take(action.expectedCost, now))
}
