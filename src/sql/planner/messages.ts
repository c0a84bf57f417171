import type { FooterResult } from '../../model/catalogue.js'
import type { ErrorRecord } from '../../model/errors.js'
import type { Plan } from '../../model/query.js'
import type { PlanRequest, UnionResult } from '../planner.js'
import type { PlanForm } from './plan-form.js'

/** Coordinator → planner process. Definitions travel as JSON text, made once for all planners. */
export type ToPlanner =
  | { readonly type: 'define'; readonly definition: string }
  | { readonly type: 'forget'; readonly name: string }
  | { readonly type: 'plan'; readonly id: number; readonly request: PlanRequest; readonly wantsForm: boolean }

export type FromPlanner =
  | { readonly type: 'ready' }
  | {
      readonly type: 'answer'
      readonly id: number
      readonly plan: Plan
      /** False where the same text may have another plan later: the clock, or what does not repeat. */
      readonly cacheable: boolean
      readonly form?: PlanForm
    }
  | { readonly type: 'failed'; readonly id: number; readonly error: ErrorRecord }

/** Coordinator → footer process. */
export type ToFooterReader =
  | { readonly type: 'footers'; readonly id: number; readonly paths: readonly string[] }
  | { readonly type: 'describe'; readonly id: number; readonly paths: readonly string[] }

export type FromFooterReader =
  | { readonly type: 'ready' }
  | { readonly type: 'footers'; readonly id: number; readonly footers: readonly FooterResult[] }
  | { readonly type: 'described'; readonly id: number; readonly result: UnionResult }
