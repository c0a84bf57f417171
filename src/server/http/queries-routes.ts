import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { QueryState, QueryStatus } from '../../model/query.js'
import type { Rooms } from '../rooms.js'
import { inTrace } from '../tracing/tracing.js'
import { acceptedFormat, contentTypes } from './accept.js'
import type { App } from './app.js'
import { presentQuery } from './present.js'
import { named, sendAnswer, takeOver } from './query-routes.js'
import { idempotencyKey, queryBody, queryRequest, wantedId, wholeNumber } from './request-schemas.js'
import { writeBody } from './result-writer.js'
import { untilClosed } from './until-closed.js'

const states = [
  'queued',
  'planning',
  'waiting',
  'running',
  'finished',
  'failed',
  'cancelled',
] as const satisfies readonly QueryState[]
const formats = Object.values(contentTypes)
const ended: readonly QueryState[] = ['finished', 'failed', 'cancelled']
const idParams = z.object({ id: z.string().min(1).max(200) })
const historyQuery = z.strictObject({
  state: z.enum(states).optional(),
  limit: wholeNumber(1, 1_000).default(100),
  template: z.string().min(1).max(200).optional(),
  next: z.string().min(1).max(500).optional(),
})

/** Queries that go on without a connection, and the history of all of them. */
export function queriesRoutes(app: App, rooms: Rooms): void {
  app.post(
    '/v1/queries',
    {
      schema: {
        summary: 'Promises an answer: 202 with the id to ask for it.',
        body: queryBody,
        response: { 202: z.object({ queryId: z.string(), state: z.enum(states) }) },
      },
    },
    async (request, reply) => {
      const format = acceptedFormat(request.headers.accept)
      const asked = queryRequest(request.body, format, rooms.queryDefaults, idempotencyKey(request.headers['idempotency-key']))
      const id = wantedId(request.headers['x-forebay-query-id'])
      const { started: status, traceparent } = await inTrace(
        rooms.tracing,
        request.headers,
        asked,
        (within) => rooms.queries.promise(within, id),
        ({ queryId }) => queryId,
      )
      if (traceparent !== undefined) reply.header('traceparent', traceparent)
      reply.code(202).headers({ 'x-forebay-query-id': status.queryId, location: `/v1/queries/${status.queryId}` })
      return { queryId: status.queryId, state: status.state }
    },
  )

  app.get(
    '/v1/queries',
    {
      schema: {
        summary: 'The history, newest first; with the state of a query under way, those of them.',
        querystring: historyQuery,
      },
    },
    async (request, reply) => {
      const { state, template, limit, next } = request.query
      // What has not ended is in no history yet.
      if (state !== undefined && !ended.includes(state)) {
        const live = rooms.queries.running().filter((query) => query.state === state && isOf(query, template))
        return { queries: live.toReversed().slice(0, limit).map(presentQuery) }
      }
      const text = await rooms.lineage.queries(
        {
          limit,
          ...(state === undefined ? {} : { state }),
          ...(template === undefined ? {} : { template }),
          ...(next === undefined ? {} : { cursor: next }),
        },
        untilClosed(reply.raw),
      )
      return reply.type('application/json; charset=utf-8').send(text)
    },
  )

  app.get(
    '/v1/queries/:id',
    { schema: { summary: 'State, stages, tasks, progress, prediction.', params: idParams } },
    async (request) => presentQuery(await rooms.queries.status(request.params.id)),
  )

  app.get(
    '/v1/queries/:id/result',
    { schema: { summary: 'The answer of a promised query; waits until it is there.', params: idParams, produces: formats } },
    async (request, reply) => {
      const { id } = request.params
      const kept = await rooms.queries.result(id).catch((error: unknown) => {
        throw named(error, id)
      })
      const format = acceptedFormat(request.headers.accept, kept.format)
      const { idleSocket } = rooms.configuration.limits
      if (format !== kept.format) {
        if (request.method === 'HEAD') {
          // It asks for what is there, not for something to be run.
          reply.raw.writeHead(200, { ...takeOver(reply as FastifyReply, format), 'x-forebay-query-id': id }).end()
          return
        }
        await sendAnswer(reply as FastifyReply, rooms.queries.runAgain(id, kept, format), format, idleSocket)
        return
      }
      const headers = takeOver(reply as FastifyReply, kept.format)
      await writeBody(reply.raw, rooms.results.read(kept), {
        headers: { ...headers, 'content-length': kept.bytes, 'x-forebay-query-id': id },
        idleMs: idleSocket,
        onAbandoned: () => {},
      })
    },
  )

  app.delete(
    '/v1/queries/:id',
    { schema: { summary: 'Cancels a query within two seconds.', params: idParams } },
    async (request) => {
      const { id } = request.params
      const cancelled = await rooms.queries.cancel(id, 'cancelled by the client')
      return { queryId: id, cancelled }
    },
  )
}

const isOf = ({ template, fingerprint }: QueryStatus, wanted: string | undefined): boolean =>
  wanted === undefined || wanted === template || wanted === fingerprint
