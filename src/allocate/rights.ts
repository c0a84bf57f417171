import type { ActionKind, LedgerEntry } from '../model/forecast.js'
import { type Prices, priceMs } from './price.js'

/** Settled entries that a kind of action is judged by: enough to tell, few enough to notice a change. */
const judgedEntries = 40
/** Below this many settled entries a kind acts on probation. */
const probationEntries = 8
/** A kind that lost its right tries again with one forecast in this many. */
const retrialShare = 10

/**
 * Each kind of action must earn the right to act: over its last settled entries the measured benefit must be above the
 * price of its measured cost. One that lost it gets a retrial now and then, since habits return.
 */
export class Rights {
  readonly #prices: Prices
  readonly #settled = new Map<ActionKind, number[]>()
  readonly #refused = new Map<ActionKind, number>()

  constructor(prices: Prices) {
    this.#prices = prices
  }

  /** Takes a settled entry into account; held-out and failed ones say nothing about acting. */
  record(entry: LedgerEntry): void {
    if (entry.outcome !== 'used' && entry.outcome !== 'wasted') return
    const nets = this.#settled.get(entry.action) ?? []
    nets.push((entry.measuredBenefitMs ?? 0) - priceMs(entry.measuredCost ?? entry.expectedCost, this.#prices))
    if (nets.length > judgedEntries) nets.shift()
    this.#settled.set(entry.action, nets)
  }

  /** Net milliseconds over the judged entries. */
  net(kind: ActionKind): number {
    return (this.#settled.get(kind) ?? []).reduce((sum, net) => sum + net, 0)
  }

  /** Whether the kind may act now; counts refusals, so that retrials come. */
  mayAct(kind: ActionKind): boolean {
    const nets = this.#settled.get(kind) ?? []
    if (nets.length < probationEntries || this.net(kind) > 0) return true
    const refused = (this.#refused.get(kind) ?? 0) + 1
    this.#refused.set(kind, refused)
    return refused % retrialShare === 0
  }
}
