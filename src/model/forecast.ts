import type { QueryId } from './query.js'

/** A query that is expected: template × arguments × time × probability. Made by prediction, acted on by allocation. */
export interface Forecast {
  /** Stable for one expected occurrence: the same habit and window give the same id however often it is asked for. */
  readonly id: string
  readonly tenant: string
  /** Fingerprint of the template. */
  readonly template: string
  /** The text that is expected, with its expected arguments filled in. */
  readonly sql: string
  readonly params: Readonly<Record<string, string | number | boolean | null>>
  readonly timeZone: string
  /** Expected arrival, epoch milliseconds. */
  readonly at: number
  /** An arrival of the template in this span meets the forecast. */
  readonly from: number
  readonly until: number
  /** 0–1. */
  readonly probability: number
  readonly source: 'hour-of-day' | 'hour-of-week' | 'trigger' | 'sequence'
  /** One sentence with the numbers it comes from. */
  readonly why: string
}

/** Kinds of proactive action, the label `action` of the metrics. */
export const actionKinds = ['start-node', 'give-memory', 'build-pack', 'warm-pack', 'precompute', 'place'] as const
export type ActionKind = (typeof actionKinds)[number]

/** What became of an allocation. */
export type AllocationOutcome = 'pending' | 'used' | 'wasted' | 'held-out' | 'revoked' | 'failed'

/** One line of the ledger: what was expected of an action, and what came of it. */
export interface LedgerEntry {
  readonly id: string
  readonly action: ActionKind
  /** What it acts on: a node, a pack, a template. */
  readonly subject: string
  readonly forecastId?: string
  readonly queryId?: QueryId
  readonly tenant: string
  readonly template: string
  readonly why: string
  /** Nodes that the lineage graph named for the forecast's segments, with their load scores. */
  readonly nodes: readonly { readonly node: string; readonly loadScore: number }[]
  readonly decidedAt: number
  readonly dueAt: number
  readonly expectedBenefitMs: number
  readonly expectedCost: HeldResources
  readonly measuredBenefitMs?: number
  readonly measuredCost?: HeldResources
  readonly outcome: AllocationOutcome
  readonly settledAt?: number
}

/** What is paid: memory or disk held over time, and processor time. */
export interface HeldResources {
  readonly byteSeconds: number
  readonly cpuSeconds: number
}
