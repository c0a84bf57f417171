import type { TreeMode } from '../../model/query.js'
import type { AstValue } from '../ast-text.js'
import type { SqlForm } from '../compared-constants.js'

export const stageNames = ['whole', 'leaf', 'merge', 'root'] as const
export type StageName = (typeof stageNames)[number]

/** What a plan is made of, so that one for other literals can be made without a planner. Plain data. */
export interface PlanForm {
  /** The settled SELECT as DuckDB's JSON; its constants have their places in the statement's text. */
  readonly tree: string
  /** The statements of the plan's stages. */
  readonly stages: Readonly<Partial<Record<StageName, SqlForm>>>
  /** Where each of the plan's literals stands in the statement's text. */
  readonly literalPlaces: readonly AstValue[]
}

/** Below this one node is done before a second has been asked, and there is little to reuse: measured, 2 MB are read in 5 ms. */
const splitBytesMin = 2_000_000

/** Why so many bytes are not shared out; undefined where they may be. */
export function tooLittle(bytes: number, tree: TreeMode): string | undefined {
  return tree === 'auto' && bytes < splitBytesMin ? `${bytes} bytes are too little to share out` : undefined
}
