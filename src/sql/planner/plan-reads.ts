import type { ColumnLineage } from '../../model/lineage-event.js'
import type { DatasetRead } from '../../model/query.js'
import type { Column } from '../../model/segment.js'
import type { AstObject } from '../ast-text.js'
import { child, children, textOf, walk } from '../ast-walk.js'
import type { Relation } from '../resolve/resolve-names.js'

/** Which columns and segments of which datasets a bound SELECT reads, and what its columns come from. */
export function planReads(
  root: AstObject,
  _node: AstObject,
  relations: readonly Relation[],
  _columns: readonly Column[],
): { readonly reads: readonly DatasetRead[]; readonly columnLineage: readonly ColumnLineage[] } {
  const used = usedColumns(root)
  const reads = relations.map(({ relation, snapshot }) => ({
    relation,
    dataset: snapshot.dataset,
    snapshot: snapshot.id,
    columns: columnsToRead(snapshot.columns, used.get(relation) ?? new Set()),
    segments: snapshot.segments.map((segment) => segment.ordinal),
    segmentsTotal: snapshot.segments.length,
    prunedBy: [],
  }))
  return { reads, columnLineage: [] }
}

/** Indexes of the columns that the bound plan refers to, by placeholder. */
function usedColumns(root: AstObject): ReadonlyMap<string, Set<number>> {
  const used = new Map<string, Set<number>>()
  walk(root, (node) => {
    if (node.type !== 'LOGICAL_GET') return true
    const table = textOf(child(node, 'function_data') ?? {}, 'table')
    const indexes = used.get(table) ?? new Set()
    used.set(table, indexes)
    for (const column of children(node, 'column_indexes')) if (typeof column.index === 'number') indexes.add(column.index)
    return true
  })
  return used
}

/** At least one column, since a relation without columns cannot be: the narrowest type stands in for `count(*)`. */
function columnsToRead(columns: readonly Column[], used: ReadonlySet<number>): readonly Column[] {
  const kept = columns.filter((_, index) => used.has(index))
  if (kept.length > 0) return kept
  const narrow = ['BOOLEAN', 'TINYINT', 'UTINYINT', 'SMALLINT', 'USMALLINT', 'INTEGER', 'UINTEGER', 'DATE', 'FLOAT', 'BIGINT']
  const rank = (column: Column): number => (narrow.includes(column.type) ? narrow.indexOf(column.type) : narrow.length)
  return [...columns].sort((a, b) => rank(a) - rank(b)).slice(0, 1)
}
