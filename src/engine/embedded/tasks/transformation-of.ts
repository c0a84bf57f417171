import { stableHash } from '../../../model/segment.js'
import type { Operator, Transformation } from '../../../model/transformation.js'

/** Most telling first: the first of them that a task has names its edges in the lineage graph. */
const telling: readonly Operator['type'][] = [
  'write',
  'import',
  'pack',
  'merge',
  'aggregate',
  'join',
  'distinct',
  'window',
  'union',
  'sort',
  'limit',
  'filter',
  'project',
  'scan',
  'encode',
]

/** What a task with these operators does, as the lineage graph aggregates it. */
export function transformationOf(operators: readonly Operator[]): Transformation {
  const types = new Set(operators.map((operator) => operator.type))
  return {
    type: telling.find((type) => types.has(type)) ?? 'project',
    operators,
    shape: stableHash(
      operators.map(({ type, detail }) => `${type} ${detail}`),
      16,
    ),
  }
}
