import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { exportFormats } from '../../lineage/export/graph-formats.js'
import { findStore } from '../lineage-stores.js'
import type { Rooms } from '../rooms.js'
import type { App } from './app.js'
import { writeBody } from './result-writer.js'
import { untilClosed } from './until-closed.js'

const store = z.strictObject({ store: z.string().min(1).max(1_000).optional() }).nullish()
const types = {
  ndjson: 'application/x-ndjson',
  openlineage: 'application/x-ndjson',
  graphml: 'application/graphml+xml',
  cypher: 'text/plain; charset=utf-8',
}

/** The graphs themselves: how far each is, rebuilding, comparing, exporting, letting old events go. */
export function lineageStoreRoutes(app: App, rooms: Rooms): void {
  const { recorder, lineageStores } = rooms

  app.get('/v1/lineage/stores', { schema: { summary: 'The graphs that are kept, and how far each is behind.' } }, async () => {
    const lag = recorder.lag()
    const reads = findStore(lineageStores, rooms.configuration.lineageReads)
    const states = new Map((await recorder.stores()).map((state) => [state.name, state]))
    const row = (name: string, url: string | null) => ({
      name,
      url,
      reads: name === reads,
      lag: lag[name] ?? 0,
      failure: states.get(name)?.failure ?? null,
    })
    return { stores: [row('sqlite', null), ...lineageStores.map(({ name, url }) => row(name, url))] }
  })

  for (const action of ['rebuild', 'verify'] as const) {
    const summary =
      action === 'rebuild' ? 'Drops a graph and makes it again from the log.' : 'Compares a graph with what the log gives.'
    app.post(`/v1/lineage/${action}`, { schema: { summary, body: store } }, (request) =>
      recorder[action](findStore(lineageStores, request.body?.store ?? 'sqlite')),
    )
  }

  app.post(
    '/v1/lineage/prune',
    {
      schema: {
        summary: 'Lets old events go, after a checkpoint of the graph.',
        body: z.strictObject({ olderThanMs: z.number().int().min(0).optional() }).nullish(),
      },
    },
    (request) => recorder.checkpoint(request.body?.olderThanMs),
  )

  app.get(
    '/v1/lineage/export',
    {
      // It would read the whole graph to tell nothing of it.
      exposeHeadRoute: false,
      schema: {
        summary: 'The whole graph as text.',
        querystring: z.strictObject({ format: z.enum(exportFormats).default('ndjson') }),
        produces: [...new Set(Object.values(types))],
      },
    },
    async (request, reply) => {
      const { format } = request.query
      const body = await begun(rooms.lineage.export(format, untilClosed(reply.raw)))
      reply.hijack()
      await writeBody(reply.raw, body, {
        headers: { ...((reply as FastifyReply).getHeaders() as Record<string, string>), 'content-type': types[format] },
        idleMs: rooms.configuration.limits.idleSocket,
        onAbandoned: () => {},
      })
    },
  )
}

/** The bytes of a text that has begun: what keeps it from beginning is thrown here, where an answer can still say so. */
async function begun(text: AsyncIterable<string>): Promise<AsyncIterable<Uint8Array>> {
  const pieces = text[Symbol.asyncIterator]()
  const first = await pieces.next()
  return (async function* (): AsyncGenerator<Uint8Array> {
    try {
      for (let next = first; next.done !== true; next = await pieces.next()) yield Buffer.from(next.value)
    } finally {
      await pieces.return?.()
    }
  })()
}
