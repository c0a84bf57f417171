import { pipeline } from 'node:stream/promises'
import { type CommandContext, durationMs, text } from './context.js'
import { printJson, printLines, printTable } from './output.js'
import { writeOutput } from './output-file.js'

interface Report {
  readonly store: string
  readonly vertices: number
  readonly edges: number
  readonly hash: string
  readonly events: number
  readonly setAside: number
  readonly identical: boolean
}
interface StoreRow {
  readonly name: string
  readonly url: string | null
  readonly reads: boolean
  readonly lag: number
  readonly failure: string | null
}

/** `forebay lineage stores`. */
export async function stores(context: CommandContext): Promise<void> {
  const { output } = context
  const rows = await listed(context)
  if (output.json) return printJson(output, { stores: rows })
  await printTable(
    output,
    ['store', 'url', 'answers', 'events behind', 'failure'],
    rows.map(({ name, url, reads, lag, failure }) => [name, url ?? '', reads ? 'yes' : '', lag, failure ?? '']),
  )
}

/** `forebay lineage rebuild`. */
export async function rebuild(context: CommandContext): Promise<void> {
  await report(context, [await ask(context, 'rebuild', String(context.options['store']))])
}

/** `forebay lineage verify`: fails when a graph is not what the log gives. */
export async function verify(context: CommandContext): Promise<void> {
  const store = text(context.options['store'])
  const names = store === undefined ? (await listed(context)).map(({ name }) => name) : [store]
  const reports: Report[] = []
  for (const name of names) reports.push(await ask(context, 'verify', name))
  await report(context, reports)
}

/** `forebay lineage export`. */
export async function exportGraph(context: CommandContext): Promise<void> {
  const { options, output, signal } = context
  const path = `/v1/lineage/export?format=${String(options['format'])}`
  const client = context.client()
  const graph = () => client.stream(path, { signal })
  const file = text(options['output'])
  if (file === undefined) await pipeline(await graph(), output.stdout, { end: false })
  else await writeOutput(file, graph)
}

/** `forebay lineage prune`. */
export async function prune(context: CommandContext): Promise<void> {
  const { options, output, signal } = context
  const olderThan = text(options['olderThan'])
  const body = olderThan === undefined ? {} : { olderThanMs: durationMs(olderThan, '--older-than', '7d', 0) }
  const pruned = await context
    .client()
    .json<{ offset: number; truncated: number }>('/v1/lineage/prune', { method: 'POST', body, signal })
  if (output.json) return printJson(output, pruned)
  await printLines(output, [`${pruned.truncated} events let go; the checkpoint holds all up to ${pruned.offset}`])
}

async function listed(context: CommandContext): Promise<readonly StoreRow[]> {
  const { signal } = context
  return (await context.client().json<{ stores: readonly StoreRow[] }>('/v1/lineage/stores', { signal })).stores
}

function ask(context: CommandContext, action: 'rebuild' | 'verify', store: string): Promise<Report> {
  const { signal } = context
  return context.client().json<Report>(`/v1/lineage/${action}`, { method: 'POST', body: { store }, signal })
}

async function report(context: CommandContext, reports: readonly Report[]): Promise<void> {
  const { output } = context
  if (output.json) await printJson(output, { reports })
  else {
    await printTable(
      output,
      ['store', 'vertices', 'edges', 'events', 'set aside', 'hash', 'as the log gives it'],
      reports.map(({ store, vertices, edges, events, setAside, hash, identical }) => [
        store,
        vertices,
        edges,
        events,
        setAside,
        hash.slice(0, 16),
        identical ? 'yes' : 'NO',
      ]),
    )
  }
  const wrong = reports.filter(({ identical }) => !identical).map(({ store }) => store)
  if (wrong.length > 0) throw new Error(`the graph in ${wrong.join(', ')} is not what the log gives; rebuild it`)
}
