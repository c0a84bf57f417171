import type { CommandContext } from './context.js'
import { bytesText, printJson, printTable } from './output.js'

interface NodeLine {
  readonly id: string
  readonly kind: string
  readonly state: string
  readonly incarnation: number
  readonly roles: readonly string[]
  readonly loadScore: number
  readonly cpu: number
  readonly memoryBytes: number
  readonly warmBytes: number
  readonly runningTasks: number
}

/** `forebay nodes`. */
export async function nodes(context: CommandContext): Promise<void> {
  const { output, signal } = context
  const answer = await context.client().json<readonly NodeLine[]>('/v1/nodes', { signal })
  if (output.json) return printJson(output, answer)
  await printTable(
    output,
    ['node', 'kind', 'state', 'incarnation', 'roles', 'load score', 'CPU seconds', 'memory', 'warm', 'tasks'],
    answer.map((node) => [
      node.id,
      node.kind,
      node.state,
      node.incarnation,
      node.roles.join(', '),
      node.loadScore.toFixed(2),
      node.cpu.toFixed(1),
      bytesText(node.memoryBytes),
      bytesText(node.warmBytes),
      node.runningTasks,
    ]),
  )
}
