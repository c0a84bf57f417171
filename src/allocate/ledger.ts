import type { ActionKind, AllocationOutcome, HeldResources, LedgerEntry } from '../model/forecast.js'
import { addCosts } from './price.js'

/** Entries kept for the API; sums go on beyond them. */
const entriesMax = 5_000

/** Totals by kind of action and outcome, for metrics and for the comparison of expectation and measurement. */
export interface LedgerTotals {
  readonly action: ActionKind
  readonly outcome: AllocationOutcome
  readonly count: number
  readonly expectedBenefitMs: number
  readonly measuredBenefitMs: number
  readonly cost: HeldResources
}

/** The account of every allocation: what was expected of it, and what came of it. Newest last. */
export class Ledger {
  readonly #entries = new Map<string, LedgerEntry>()
  readonly #totals = new Map<string, LedgerTotals>()
  readonly #onChange: (entry: LedgerEntry) => void

  /** `onChange` gets every new and every settled entry, to publish and to keep. */
  constructor(onChange: (entry: LedgerEntry) => void = () => {}) {
    this.#onChange = onChange
  }

  open(entry: LedgerEntry): void {
    this.#entries.set(entry.id, entry)
    for (const id of this.#entries.keys()) {
      if (this.#entries.size <= entriesMax) break
      this.#entries.delete(id)
    }
    this.#onChange(entry)
  }

  /** Ends a pending entry; says what stands in the book now, or undefined when it is unknown or settled already. */
  settle(
    id: string,
    settlement: Pick<LedgerEntry, 'outcome' | 'settledAt' | 'measuredBenefitMs' | 'measuredCost' | 'queryId'>,
  ): LedgerEntry | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined || entry.outcome !== 'pending') return undefined
    const settled: LedgerEntry = { ...entry, ...settlement }
    this.#entries.set(id, settled)
    this.#count(settled)
    this.#onChange(settled)
    return settled
  }

  /** Restores kept entries at start; what was pending when the server ended is revoked. */
  restore(entries: readonly LedgerEntry[]): void {
    for (const entry of entries) {
      const known: LedgerEntry = entry.outcome === 'pending' ? { ...entry, outcome: 'revoked' } : entry
      this.#entries.set(known.id, known)
      this.#count(known)
    }
  }

  entries(limit = entriesMax): readonly LedgerEntry[] {
    return [...this.#entries.values()].slice(-limit)
  }

  totals(): readonly LedgerTotals[] {
    return [...this.#totals.values()]
  }

  #count(entry: LedgerEntry): void {
    const key = `${entry.action} ${entry.outcome}`
    const known = this.#totals.get(key)
    const cost = entry.measuredCost ?? { byteSeconds: 0, cpuSeconds: 0 }
    this.#totals.set(key, {
      action: entry.action,
      outcome: entry.outcome,
      count: (known?.count ?? 0) + 1,
      expectedBenefitMs: (known?.expectedBenefitMs ?? 0) + entry.expectedBenefitMs,
      measuredBenefitMs: (known?.measuredBenefitMs ?? 0) + (entry.measuredBenefitMs ?? 0),
      cost: known === undefined ? cost : addCosts(known.cost, cost),
    })
  }
}
