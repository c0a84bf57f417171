import type { CommandContext } from './context.js'
import { printJson, printLines, printTable } from './output.js'

interface DeadLetterLine {
  readonly id: string
  readonly at: string
  readonly attempts: number
  readonly reason: { readonly code: string; readonly message: string }
  readonly queryId?: string
  readonly role?: string
}

/** `forebay dead-letters`: the list, or `--replay ID`. */
export async function deadLetters(context: CommandContext): Promise<void> {
  const { options, output, signal } = context
  const client = context.client()
  const id = options['replay']
  if (typeof id === 'string') {
    const path = `/v1/dead-letters/${encodeURIComponent(id)}/replay`
    const done = await client.json<{ node: string; rows: number; wallMs: number }>(path, { signal, method: 'POST' })
    if (output.json) return printJson(output, done)
    return printLines(output, [`${id} finished on ${done.node}: ${done.rows} rows in ${Math.round(done.wallMs)} ms`])
  }
  const answer = await client.json<{ readonly deadLetters: readonly DeadLetterLine[] }>('/v1/dead-letters', { signal })
  if (output.json) return printJson(output, answer)
  await printTable(
    output,
    ['task', 'since', 'attempts', 'query', 'role', 'reason'],
    answer.deadLetters.map(({ id: task, at, attempts, queryId = '', role = '', reason }) => [
      task,
      at,
      attempts,
      queryId,
      role,
      `${reason.code}: ${reason.message}`,
    ]),
  )
}
