import type { CommandContext } from './context.js'
import { UsageError } from './exit-code.js'
import { outline } from './explain.js'
import type { HttpClient } from './http-client.js'
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
  const queries = await latest(client, signal)
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

/** Queries under way and the last that ended, newest first. */
async function latest(client: HttpClient, signal: AbortSignal): Promise<readonly QueryLine[]> {
  const found = new Map<string, QueryLine>()
  // One after another in the order that a query goes through them: what moves on between two answers is in a later one.
  for (const filter of ['state=queued&', 'state=planning&', 'state=waiting&', 'state=running&', '']) {
    const { queries } = await client.json<{ queries: readonly QueryLine[] }>(`/v1/queries?${filter}limit=10`, { signal })
    for (const line of queries) found.set(line.queryId, line)
  }
  return [...found.values()].sort((a, b) => b.submittedAt.localeCompare(a.submittedAt))
}
