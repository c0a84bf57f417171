import { renderTree } from '../lineage/render-tree.js'
import { type CommandContext, text } from './context.js'
import { UsageError } from './exit-code.js'
import { printJson, printLines, printTable } from './output.js'

interface ColumnEdges {
  readonly edges: readonly Readonly<Record<string, unknown>>[]
}

/** `forebay lineage FROM`. */
export async function lineage(context: CommandContext, given = ''): Promise<void> {
  const { options, output, signal } = context
  const from = /^(segment|table|query|node):/.test(given) ? given : guess(given)
  const column = text(options['column'])
  if (column !== undefined) return columns(context, from, column)
  const asOf = text(options['asOf'])
  const store = text(options['store'])
  const asked = new URLSearchParams({
    from,
    direction: String(options['direction']),
    depth: String(options['depth']),
    limit: String(options['limit']),
    ...(asOf === undefined ? {} : { asOf }),
    ...(store === undefined ? {} : { store }),
  })
  const graph = await context.client().json<Parameters<typeof renderTree>[0]>(`/v1/lineage?${asked}`, { signal })
  if (output.json) return printJson(output, graph)
  await printLines(output, [renderTree(graph, { from, direction: String(options['direction']) })])
}

/** What an id without its kind is, by its prefix; a table otherwise. */
function guess(id: string): string {
  if (id === '') throw new UsageError('there is nothing to start from', 'forebay lineage table:NAME')
  if (/^[sdx]-/.test(id)) return `segment:${id}`
  if (id.startsWith('q-')) return `query:${id}`
  return /^(n\d+|storage|client)$/.test(id) ? `node:${id}` : `table:${id}`
}

async function columns(context: CommandContext, from: string, column: string): Promise<void> {
  const { options, output, signal } = context
  if (!from.startsWith('table:'))
    throw new UsageError('--column needs a table to start from', 'forebay lineage table:NAME --column NAME')
  const asked = new URLSearchParams({
    table: from.slice('table:'.length),
    column,
    direction: String(options['direction']),
    depth: String(options['depth']),
  })
  const answer = await context.client().json<ColumnEdges>(`/v1/lineage/columns?${asked}`, { signal })
  if (output.json) return printJson(output, answer)
  const [first] = answer.edges
  if (first === undefined) return printLines(output, [`nothing ${options['direction'] === 'downstream' ? 'uses' : 'feeds'} it`])
  const head = Object.keys(first)
  await printTable(
    output,
    head,
    answer.edges.map((edge) => head.map((name) => edge[name])),
  )
}
