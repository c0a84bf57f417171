import type { ErrorRecord } from './errors.js'
import type { ColumnLineage } from './lineage-event.js'
import type { Priority } from './priority.js'
import type { Estimate, ResourceName, Resources } from './resources.js'
import type { Column, SnapshotId } from './segment.js'
import type { Operator } from './transformation.js'

export type QueryId = string

export const resultFormats = ['json', 'ndjson', 'csv', 'arrow', 'parquet'] as const
export type ResultFormat = (typeof resultFormats)[number]

export type TreeMode = 'auto' | 'always' | 'never'

/** A query as a client asks for it, after the outer layer has validated and defaulted it. */
export interface QueryRequest {
  readonly sql: string
  readonly params: Readonly<Record<string, ParameterValue>>
  readonly priority: Priority
  readonly tenant: string
  readonly timeZone: string
  readonly timeoutMs: number
  readonly tree: TreeMode
  /** False reads no derived segment of an earlier query; packs still are read. */
  readonly reuse: boolean
  readonly format: ResultFormat
  readonly idempotencyKey?: string
  /** W3C Trace Context of the query, for requests that are made on its behalf. */
  readonly traceparent?: string
}
export type ParameterValue = string | number | boolean | null

/** One dataset that a query reads, under the name by which the plan's SQL calls it. */
export interface DatasetRead {
  /** Placeholder relation in the plan's SQL, e.g. `__fb0`: whoever runs the SQL provides it as a view with `columns`. */
  readonly relation: string
  readonly dataset: string
  readonly snapshot: SnapshotId
  /** The columns that the query uses, in the dataset's order; at least one. */
  readonly columns: readonly Column[]
  /** Ordinals of the segments kept after pruning, ascending. */
  readonly segments: readonly number[]
  readonly segmentsTotal: number
  /** The conjuncts that pruned, for `explain`. */
  readonly prunedBy: readonly string[]
}

/** One SQL statement of a plan and what it does. */
export interface Stage {
  readonly sql: string
  /** Columns of its result. */
  readonly columns: readonly Column[]
  readonly operators: readonly Operator[]
}

/** The relation under which a merge or root stage reads partial results. */
export const partialsRelation = '__partials'

/**
 * How the work may be done. `split` is always also possible `whole`. In a split plan `leaf` reads some segments of
 * `distributed` (and all of the broadcast relations) and gives partials; `merge` maps any union of partials to one
 * partial and is associative and commutative; `root` maps the union of all partials to the answer.
 */
export type Work =
  | { readonly shape: 'whole'; readonly whole: Stage; readonly why: string }
  | {
      readonly shape: 'split'
      readonly whole: Stage
      readonly why: string
      /** Relation whose segments are shared out among the leaves. */
      readonly distributed: string
      /** Relations that each leaf reads whole besides its share of `distributed`; those that the root reads besides partials. */
      readonly broadcast?: readonly string[]
      readonly rootReads?: readonly string[]
      readonly leaf: Stage
      readonly merge: Stage
      readonly root: Stage
      /** `rows`: partials grow with the input; `groups`: at most one row per group; `one`: one row; `limited`: top-n. */
      readonly partial: 'rows' | 'groups' | 'one' | 'limited'
      /** Upper bound of rows of one partial where it is known (limit n, or 1). */
      readonly partialRowsMax?: number
      /** True where partials are the same in whatever order their rows are read, so by however many threads. */
      readonly exact: boolean
      /** True where the root surely gives no more rows than there are in the partials. */
      readonly rootKeepsRows: boolean
      /** Columns of the group keys that are plain columns of datasets, to estimate the number of groups. */
      readonly groupColumns: readonly { readonly dataset: string; readonly column: string }[]
    }

/** What kind of statement it is; only `select` and `explain` leave everything as it was. */
export type Statement =
  | { readonly kind: 'select' }
  | { readonly kind: 'explain' }
  | { readonly kind: 'create-table'; readonly table: string; readonly replace: boolean; readonly ifNotExists: boolean }
  | { readonly kind: 'insert'; readonly table: string }
  | { readonly kind: 'drop-table'; readonly table: string; readonly ifExists: boolean }
  | { readonly kind: 'create-view'; readonly view: string; readonly replace: boolean; readonly sql: string }
  | { readonly kind: 'drop-view'; readonly view: string; readonly ifExists: boolean }

/** What a planner makes of one statement over pinned snapshots. Plain data; plans are cached by text and schema version. */
export interface Plan {
  readonly statement: Statement
  /** Canonical SQL with literals taken out. */
  readonly template: string
  /** Hash of the template, 16 hex digits. */
  readonly fingerprint: string
  readonly literals: readonly string[]
  /** Columns of the answer (of the SELECT, for a write). */
  readonly columns: readonly Column[]
  readonly reads: readonly DatasetRead[]
  readonly work: Work
  readonly columnLineage: readonly ColumnLineage[]
  /** False with random(), uuid() and the like: runs whole and is never reused. */
  readonly repeatable: boolean
  /** True when SQL fixes the order of rows completely or partly. */
  readonly ordered: boolean
  /** The most rows that the answer can have, where the statement itself says so. */
  readonly rowsMax?: number
  readonly parameterTypes: readonly string[]
  readonly planMs: number
}

export type QueryState = 'queued' | 'planning' | 'waiting' | 'running' | 'finished' | 'failed' | 'cancelled'

/** One line of a query's progress. */
export interface StageStatus {
  readonly role: 'leaf' | 'aggregator' | 'root'
  readonly level: number
  readonly tasks: number
  readonly finished: number
}

/** What the API shows of a query, live and from history. */
export interface QueryStatus {
  readonly queryId: QueryId
  readonly sql: string
  readonly state: QueryState
  readonly priority: Priority
  readonly tenant: string
  readonly template?: string
  readonly fingerprint?: string
  readonly submittedAt: number
  readonly startedAt?: number
  readonly finishedAt?: number
  /** Why it waits, e.g. `n2 is starting`; absent when it does not. */
  readonly waitingFor?: string
  /** 0–1 by finished tasks. */
  readonly progress: number
  readonly stages: readonly StageStatus[]
  readonly tasks: readonly TaskStatus[]
  readonly predicted?: Readonly<Record<ResourceName, Estimate>>
  readonly actual?: Resources & QueryStats
  readonly error?: ErrorRecord
}

export interface TaskStatus {
  readonly taskId: string
  readonly role: 'leaf' | 'aggregator' | 'root'
  readonly node: string
  readonly state: 'queued' | 'running' | 'finished' | 'failed'
  readonly attempt: number
  readonly rows?: number
  readonly wallMs?: number
}

/** Counted facts of a finished query; `stats` of an answer. */
export interface QueryStats {
  readonly rows: number
  readonly bytes: number
  readonly planMs: number
  readonly queuedMs: number
  readonly runMs: number
  readonly totalMs: number
  readonly tasks: number
  readonly levels: number
  readonly segmentsRead: number
  readonly segmentsPruned: number
  readonly tiers: Readonly<Record<'pack' | 'parquet' | 'remote' | 'reused', number>>
  readonly reused: boolean
}
