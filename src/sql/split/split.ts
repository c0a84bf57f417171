import type { Column } from '../../model/segment.js'
import type { AstObject } from '../ast-text.js'
import type { RelationSize } from './relation-sizes.js'

/** What the splitter knows of one relation of a resolved SELECT. */
export interface SplitRelation extends RelationSize {
  readonly dataset: string
  readonly columns: readonly Column[]
}

export interface SplitContext {
  readonly relations: readonly SplitRelation[]
  /** Of the whole statement's result. */
  readonly columns: readonly Column[]
  /** Binds SELECTs over the relations in one question and gives the columns of each result; rejects where one does not bind. */
  bind(selects: readonly AstObject[]): Promise<readonly (readonly Column[])[]>
}

/** Trees of a split plan, as model/query.ts promises of `Work`. */
export interface SplitTrees {
  readonly shape: 'split'
  readonly why: string
  readonly distributed: string
  /** Relations that each leaf reads whole, besides its share of `distributed`. */
  readonly broadcast: readonly string[]
  /** Relations that the root reads whole, besides `__partials`. */
  readonly rootReads: readonly string[]
  readonly leaf: AstObject
  readonly merge: AstObject
  readonly root: AstObject
  /** Columns of a partial, before and after merging. */
  readonly partials: readonly Column[]
  readonly partial: 'rows' | 'groups' | 'one' | 'limited'
  readonly partialRowsMax?: number
  /** True where partials are the same in whatever order their rows are read. */
  readonly exact: boolean
  readonly groupColumns: readonly { readonly dataset: string; readonly column: string }[]
}

/** A split, or why there is none. */
export type Split = { readonly shape: 'whole'; readonly why: string } | SplitTrees
