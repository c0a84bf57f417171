import type { CommandContext } from './context.js'
import { UsageError } from './exit-code.js'
import { outline } from './explain.js'
import { printJson, printLines, printTable } from './output.js'

interface QueryLine {
  readonly queryId: string
  readonly state: string
  readonly priority: string
  readonly submittedAt: string
  readonly sql: string
  readonly waitingFor?: string
  readonly actual?: { readonly totalMs?: number }
}

/** `forebay status [query]`. */
export async function status(context: CommandContext, queryId?: string): Promise<void> {
  const { options, output, signal } = context
  const cancel = options['cancel'] === true
  if (cancel && queryId === undefined) throw new UsageError('--cancel needs a query', 'forebay status lists the queries')
  const client = context.client()
  if (queryId !== undefined) {
    const path = `/v1/queries/${encodeURIComponent(queryId)}`
    const answer = await client.json(path, { signal, method: cancel ? 'DELETE' : 'GET' })
    return output.json ? printJson(output, answer) : printLines(output, outline(answer, ''))
  }
  const ready = await client.probe('/readyz', signal)
  const { queries } = await client.json<{ queries: readonly QueryLine[] }>('/v1/queries?limit=10', { signal })
  const readiness = JSON.parse(ready.text) as {
    status: string
    checks: readonly { name: string; ok: boolean; detail?: string }[]
  }
  if (output.json) return printJson(output, { url: client.url, ...readiness, queries })
  await printLines(output, [
    `${client.url}: ${readiness.status}`,
    ...readiness.checks.map(({ name, ok, detail }) => `  ${name}: ${ok ? 'ok' : (detail ?? 'failed')}`),
  ])
  await printTable(
    output,
    ['query', 'state', 'priority', 'submitted', 'ms', 'SQL'],
    queries.map((line) => [
      line.queryId,
      line.waitingFor === undefined ? line.state : `${line.state}: ${line.waitingFor}`,
      line.priority,
      line.submittedAt,
      line.actual?.totalMs === undefined ? '' : Math.round(line.actual.totalMs),
      line.sql.slice(0, 200),
    ]),
  )
}
