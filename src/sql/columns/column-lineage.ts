import type { ColumnDependency, ColumnLineage } from '../../model/lineage-event.js'
import type { Column } from '../../model/segment.js'
import type { AstObject } from '../ast-text.js'
import { BoundPlanReader } from './bound-plan.js'
import { union } from './dependencies.js'

/**
 * What each column of an answer comes from, in OpenLineage's words, from the unoptimised bound plan (the optimised one has
 * lost columns that folding made constant). Direct dependencies go into the value; indirect ones decide which rows there are
 * or which branch is taken.
 */
export function columnLineage(
  root: AstObject,
  columns: readonly Column[],
  dataset: (relation: string) => string | undefined,
): readonly ColumnLineage[] {
  const output = new BoundPlanReader(dataset).read(root)
  return columns.map((column, index) => {
    const inputs = union([output.columns[index] ?? new Map(), output.rows])
    return { column: column.name, inputs: [...inputs.values()].sort(byName) }
  })
}

function byName(a: ColumnDependency, b: ColumnDependency): number {
  const key = ({ dataset, column, kind, subtype }: ColumnDependency): string => `${kind} ${dataset} ${column} ${subtype}`
  return key(a) < key(b) ? -1 : 1
}
