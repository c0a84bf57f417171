import { foldName } from '../../model/fold-name.js'
import type { Column } from '../../model/segment.js'
import type { AstObject } from '../ast-text.js'
import { textOf, walk } from '../ast-walk.js'
import { ctesOf } from './scope.js'
import type { SplitContext } from './split.js'

/** The SELECT inside a statement whose work is shared out; the rest of the statement runs at the root, over its result. */
export interface Block {
  readonly node: AstObject
  readonly from: AstObject
  /** CTE entries that it calls, its own and those of the nodes around it, in an order in which each sees the ones it needs. */
  readonly ctes: readonly AstObject[]
  /** Of its result. */
  readonly columns: readonly Column[]
  readonly context: SplitContext
}

export interface BlockSplit {
  readonly leaf: AstObject
  readonly merge: AstObject
  /** What stands in the block's place at the root. */
  readonly root: AstObject
  readonly partial: 'rows' | 'groups' | 'one' | 'limited'
  readonly partialRowsMax?: number
  readonly groupColumns: readonly { readonly dataset: string; readonly column: string }[]
  /** True where partials are the same in whatever order their rows are read. */
  readonly exact: boolean
  /** Result columns that may differ in their last digits from run to run. */
  readonly inexactColumns: readonly number[]
  /** What is split, in words. */
  readonly what: string
}

/** A copy of a query node that can call more CTEs. */
export function withCtes(node: AstObject, ctes: readonly AstObject[]): AstObject {
  const own = ctesOf(node)
  const added = ctes.filter((entry) => !own.includes(entry))
  return added.length === 0 ? node : { ...node, cte_map: { map: [...added, ...own] } }
}

/** Those of the entries that a tree calls, directly or through one another. */
export function calledCtes(tree: AstObject, entries: readonly AstObject[]): readonly AstObject[] {
  const called = new Set<AstObject>()
  visit(tree)
  return entries.filter((entry) => called.has(entry))

  function visit(node: AstObject): void {
    const names = tableNames(node)
    for (const entry of entries) {
      if (called.has(entry) || !names.has(foldName(textOf(entry, 'key')))) continue
      called.add(entry)
      visit(entry)
    }
  }
}

/** Folded names of all tables that a tree reads without a schema: placeholders and CTEs. */
export function tableNames(tree: AstObject): ReadonlySet<string> {
  const names = new Set<string>()
  walk(tree, (part) => {
    if (part.type === 'BASE_TABLE') names.add(foldName(textOf(part, 'table_name')))
    return true
  })
  return names
}

/** Takes CTEs away that nothing calls any more. */
export function withoutUnusedCtes(node: AstObject): AstObject {
  const entries = ctesOf(node)
  if (entries.length === 0) return node
  const rest = { ...node, cte_map: { map: [] } }
  return { ...rest, cte_map: { map: [...calledCtes(rest, entries)] } }
}

/** Query nodes of a tree with the CTEs that each of them can call, outer ones first. */
export function queryNodes(root: AstObject): readonly { readonly node: AstObject; readonly ctes: readonly AstObject[] }[] {
  const found: { node: AstObject; ctes: readonly AstObject[] }[] = []
  visit(root, [])
  return found

  function visit(part: AstObject, outer: readonly AstObject[]): void {
    const isQuery = part.cte_map !== undefined
    let visible = outer
    if (isQuery) {
      for (const entry of ctesOf(part)) {
        visit(entry, visible)
        visible = [...visible, entry]
      }
      found.push({ node: part, ctes: visible })
    }
    for (const key in part) {
      if (key === 'cte_map') continue
      const value = part[key]
      const items = Array.isArray(value) ? value.flat() : [value]
      for (const item of items) if (typeof item === 'object' && item !== null && !Array.isArray(item)) visit(item, visible)
    }
  }
}

/** How often a tree reads a table of this name. */
export function countReferences(tree: AstObject, name: string): number {
  let count = 0
  walk(tree, (part) => {
    if (part.type === 'BASE_TABLE' && foldName(textOf(part, 'table_name')) === foldName(name)) count++
    return true
  })
  return count
}

export function isSelect(node: AstObject): boolean {
  return node.type === 'SELECT_NODE'
}

export function groupSetsCount(node: AstObject): number {
  return Array.isArray(node.group_sets) ? node.group_sets.length : 0
}
