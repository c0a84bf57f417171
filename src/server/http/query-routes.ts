import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { Execution, QueryResult } from '../../engine/engine.js'
import { ForebayError } from '../../model/errors.js'
import type { ResultFormat } from '../../model/query.js'
import type { RunningQuery } from '../queries/query-book.js'
import type { Rooms } from '../rooms.js'
import { inTrace } from '../tracing/tracing.js'
import { acceptedFormat, contentTypes } from './accept.js'
import type { App } from './app.js'
import { errorSchema } from './error-envelope.js'
import { idempotencyKey, queryBody, queryRequest, wantedId } from './request-schemas.js'
import { frameResult } from './result-frame.js'
import { writeBody } from './result-writer.js'

const answer = z
  .object({
    columns: z.array(z.object({ name: z.string(), type: z.string() })),
    rows: z.array(z.array(z.unknown())),
    queryId: z.string(),
    stats: z.record(z.string(), z.unknown()),
    error: errorSchema.optional().describe('What broke the rows off, when some had gone out already.'),
  })
  .meta({ id: 'Answer' })

/** `POST /v1/query`: runs a statement and streams its answer; the query ends with the connection. */
export function queryRoutes(app: App, rooms: Rooms): void {
  app.post(
    '/v1/query',
    {
      schema: {
        summary: 'Runs one statement and streams its answer in the format that Accept names.',
        body: queryBody,
        response: {
          200: {
            description: 'The rows, in one of these formats.',
            content: Object.fromEntries(
              Object.values(contentTypes).map((type) => [type, { schema: type === contentTypes.json ? answer : z.string() }]),
            ),
          },
        },
      },
    },
    async (request, reply) => {
      const format = acceptedFormat(request.headers.accept)
      const asked = queryRequest(request.body, format, rooms.queryDefaults, idempotencyKey(request.headers['idempotency-key']))
      const id = wantedId(request.headers['x-forebay-query-id'])
      const { started, traceparent } = await inTrace(
        rooms.tracing,
        request.headers,
        asked,
        (within) => rooms.queries.run(within, id),
        ({ execution }) => execution.queryId,
      )
      if (traceparent !== undefined) reply.header('traceparent', traceparent)
      await sendAnswer(reply as FastifyReply, started, format, rooms.configuration.limits.idleSocket)
    },
  )
}

/** Streams a query's answer; whatever happens to the connection ends the query. */
export async function sendAnswer(
  reply: FastifyReply,
  { execution, over }: RunningQuery,
  format: ResultFormat,
  idleMs: number,
): Promise<void> {
  const onClose = (): void => execution.cancel('the client went away')
  reply.raw.once('close', onClose)
  try {
    const result = await withQueryId(execution, reply)
    reply.raw.off('close', onClose)
    if (reply.raw.destroyed) {
      reply.hijack()
      return
    }
    const headers = takeOver(reply, format)
    await writeBody(reply.raw, frameResult(execution, result, format), {
      headers: { ...headers, 'x-forebay-query-id': execution.queryId },
      idleMs,
      onAbandoned: (reason) => execution.cancel(reason),
    })
  } finally {
    reply.raw.off('close', onClose)
    over()
  }
}

/** Answers from here on by hand: fastify's headers so far, and the format's content type. */
export function takeOver(reply: FastifyReply, format: ResultFormat): Record<string, string> {
  reply.hijack()
  const text = format === 'json' || format === 'csv'
  return {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': text ? `${contentTypes[format]}; charset=utf-8` : contentTypes[format],
  }
}

/** An error of a query carries its id, in the envelope and in the header. */
async function withQueryId(execution: Execution, reply: FastifyReply): Promise<QueryResult> {
  try {
    return await execution.result
  } catch (error) {
    reply.header('x-forebay-query-id', execution.queryId)
    throw named(error, execution.queryId)
  }
}

/** The error with the id of its query. */
export function named(error: unknown, queryId: string): unknown {
  if (!(error instanceof ForebayError) || error.queryId !== undefined) return error
  return new ForebayError(error.code, error.message, {
    queryId,
    cause: error.cause,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.position === undefined ? {} : { position: error.position }),
  })
}
