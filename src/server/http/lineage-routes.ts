import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { ForebayError } from '../../model/errors.js'
import { findStore } from '../lineage-stores.js'
import type { Rooms } from '../rooms.js'
import type { App } from './app.js'
import { takeOver } from './query-routes.js'
import { instant, wholeNumber } from './request-schemas.js'
import { writeBody } from './result-writer.js'
import { untilClosed } from './until-closed.js'

const json = 'application/json; charset=utf-8'
const name = z.string().min(1).max(1_000)
const direction = z.enum(['upstream', 'downstream', 'both'])

const traceQuery = z.strictObject({
  from: z.string().regex(/^(segment|table|query|node):./, 'must be segment:ID, table:NAME, query:ID or node:ID'),
  direction: direction.default('both'),
  depth: wholeNumber(1, 50).default(10),
  limit: wholeNumber(1, 100_000).default(1_000),
  asOf: instant.optional(),
  /** Which graph answers; the one of the configuration when absent. */
  store: name.optional(),
})
const columnsQuery = z.strictObject({
  table: name,
  column: name.optional(),
  direction: direction.default('upstream'),
  depth: wholeNumber(1, 50).default(20),
})
const transfersQuery = z.strictObject({
  segment: name.optional(),
  query: name.optional(),
  source: name.optional(),
  destination: name.optional(),
  since: instant.optional(),
  limit: wholeNumber(1, 10_000).default(1_000),
  next: name.optional(),
})

/** Where data went and what was done to it. The answers come as text from the reader's thread. */
export function lineageRoutes(app: App, rooms: Rooms): void {
  const { lineage } = rooms
  const storeOf = (given: string): string => findStore(rooms.lineageStores, given)

  app.get(
    '/v1/lineage',
    { schema: { summary: 'The graph around a vertex.', querystring: traceQuery } },
    async (request, reply) => {
      const { asOf, store, ...rest } = request.query
      const named = { ...(asOf === undefined ? {} : { asOf }), ...(store === undefined ? {} : { store: storeOf(store) }) }
      const text = await lineage.trace({ ...rest, ...named }, untilClosed(reply.raw))
      return reply.type(json).send(text)
    },
  )

  app.get(
    '/v1/lineage/columns',
    { schema: { summary: 'Columns that a column comes from, or goes into.', querystring: columnsQuery } },
    async (request, reply) => {
      const { column, ...rest } = request.query
      const text = await lineage.columns({ ...rest, ...(column === undefined ? {} : { column }) }, untilClosed(reply.raw))
      return reply.type(json).send(text)
    },
  )

  app.get(
    '/v1/transfers',
    { schema: { summary: 'The raw log of transfers, oldest first, in pages.', querystring: transfersQuery } },
    async (request, reply) => {
      const { next, ...filters } = request.query
      const given = Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined))
      const asked = { ...given, limit: filters.limit, ...(next === undefined ? {} : { cursor: next }) }
      return reply.type(json).send(await lineage.transfers(asked, untilClosed(reply.raw)))
    },
  )

  app.get(
    '/v1/hot-segments',
    {
      schema: {
        summary: 'Segments by decayed degree, hottest first.',
        querystring: z.strictObject({ limit: wholeNumber(1, 10_000).default(20), store: name.optional() }),
      },
    },
    async (request, reply) => {
      const { limit, store = rooms.configuration.lineageReads } = request.query
      const hottest = await lineage.hottest(limit, rooms.clock.now(), untilClosed(reply.raw), storeOf(store))
      const warmOn = rooms.engine.warmOn(hottest.map(({ id }) => id))
      return hottest.map(({ id, dataset, degree, hotness }) => ({ id, dataset, degree, hotness, warmOn: warmOn.get(id) ?? [] }))
    },
  )

  const idParams = z.object({ id: name })
  app.get('/v1/segments/:id', { schema: { summary: 'The vertex of a segment.', params: idParams } }, async (request, reply) => {
    const { id } = request.params
    const text = await lineage.segment(id, untilClosed(reply.raw))
    if (text !== undefined) return reply.type(json).send(text)
    throw new ForebayError('NOT_FOUND', `there is no segment "${id}"`, {
      hint: 'GET /v1/hot-segments and GET /v1/tables/{name} name some',
    })
  })

  app.get(
    '/v1/segments/:id/data',
    {
      // Only encoding the segment tells what its headers would say.
      exposeHeadRoute: false,
      schema: {
        summary: 'The bytes of a segment as a Parquet file.',
        params: idParams,
        produces: ['application/vnd.apache.parquet'],
      },
    },
    async (request, reply) => {
      const result = await rooms.engine.segmentData(request.params.id, untilClosed(reply.raw))
      await writeBody(reply.raw, result.body, {
        headers: takeOver(reply as FastifyReply, 'parquet'),
        idleMs: rooms.configuration.limits.idleSocket,
        onAbandoned: () => {},
      })
    },
  )
}
