import type { NodeId } from '../../model/node.js'
import { priorities } from '../../model/priority.js'
import { type Stream, streamsOf } from './broker.js'

/** Everything that a coordinator with these nodes declares. */
export function declaredStreams(prefix: string, nodes: readonly NodeId[]): readonly Stream[] {
  const names = streamsOf(prefix)
  const tasks = nodes.flatMap((node) => priorities.map((priority) => names.tasks(node, priority)))
  return [
    ...tasks.map((name) => ({ name, kind: 'tasks' }) as const),
    { name: names.outcomes, kind: 'outcomes' },
    { name: names.lineage, kind: 'lineage' },
    { name: names.deadLetters, kind: 'shelf' },
  ]
}
