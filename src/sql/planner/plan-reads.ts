import type { DatasetRead } from '../../model/query.js'
import type { AstObject } from '../ast-text.js'
import { usedColumns } from '../columns/used-columns.js'
import type { Pruning } from '../prune/prune.js'
import type { Relation } from '../resolve/resolve-names.js'

/** Which columns and segments of which datasets a bound SELECT reads. */
export function planReads(
  root: AstObject,
  node: AstObject,
  relations: readonly Relation[],
  pruning: ReadonlyMap<string, Pruning>,
): readonly DatasetRead[] {
  const columnsOf = usedColumns(root, node)
  return relations.map(({ relation, snapshot }) => {
    const pruned = pruning.get(relation)
    return {
      relation,
      dataset: snapshot.dataset,
      snapshot: snapshot.id,
      columns: columnsOf(relation, snapshot),
      segments: pruned?.segments ?? snapshot.segments.map((_, index) => index),
      segmentsTotal: snapshot.segments.length,
      prunedBy: pruned?.prunedBy ?? [],
    }
  })
}
