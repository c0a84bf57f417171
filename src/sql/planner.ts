import type { FooterResult, RelationDefinition } from '../model/catalogue.js'
import type { ErrorRecord } from '../model/errors.js'
import type { ParameterValue, Plan, TreeMode } from '../model/query.js'
import type { Column } from '../model/segment.js'

/** One statement to plan. */
export interface PlanRequest {
  readonly sql: string
  /** By name for `$name`; `$1`, `?` take the names `1`, `2`, … */
  readonly params: Readonly<Record<string, ParameterValue>>
  /** IANA name, e.g. `Europe/Berlin`. */
  readonly timeZone: string
  /** Epoch milliseconds: what `now()` and its kin mean throughout the statement. */
  readonly nowMs: number
  readonly tree: TreeMode
}

/** Columns of a set of files read together, or why they do not go together (FILES_DISAGREE, FILE_UNREADABLE). */
export type UnionResult = { readonly columns: readonly Column[] } | { readonly error: ErrorRecord }

export interface PlannerStats {
  /** Planner processes that can answer now. */
  readonly planners: number
  readonly plans: number
  readonly cacheHits: number
  /** Planner or footer processes that were killed or died. */
  readonly lost: number
  /** Names that are defined. */
  readonly relations: number
  /** Median of the last plans that were made, not found in the cache. */
  readonly planMsP50: number
}

/** Makes plans in processes of its own: crafted SQL or a broken file may crash one of them, never the caller. */
export interface PlannerPool {
  /** Every later plan sees this definition; takes effect in the order of the calls. */
  define(definition: RelationDefinition): void
  /** Every later plan finds no such name. */
  forget(name: string): void
  /**
   * The plan of exactly one statement. Rejects with a ForebayError: SQL_SYNTAX, NAME_NOT_FOUND, NOT_ALLOWED, NOT_SUPPORTED,
   * TYPE_MISMATCH, PARAMETER_INVALID, PLANNER_LOST, STATEMENT_QUARANTINED, CANCELLED, or the error of a broken table.
   */
  plan(request: PlanRequest, signal: AbortSignal): Promise<Plan>
  /** The footers of these files, in their order; a file that cannot be read gives its error and the others still answer. */
  readFooters(paths: readonly string[], signal: AbortSignal): Promise<readonly FooterResult[]>
  /** What `read_parquet(paths, union_by_name = true, hive_partitioning = true)` has for columns, partition columns last. */
  describeFiles(paths: readonly string[], signal: AbortSignal): Promise<UnionResult>
  stats(): PlannerStats
  /** Ends the processes; plans under way are rejected with UNAVAILABLE. */
  close(): Promise<void>
}
