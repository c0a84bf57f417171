/** `POST /api/v1/lineage` and `/batch`: OpenLineage events from other programs, answered when they are on disk. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Intake } from '../../lineage/openlineage/intake.js'
import { encodingOf } from '../../lineage/openlineage/unpack.js'
import { ForebayError } from '../../model/errors.js'
import type { Rooms } from '../rooms.js'
import type { App } from './app.js'
import { errorSchema } from './error-envelope.js'

/** Events that the graph may be behind before more of them are put off: a minute or two of work. */
const lagMax = 1_000_000
/** Most reasons and warnings in one answer. */
const toldMax = 1_000

const told = z.object({
  status: z.enum(['success', 'partial_success', 'failure']),
  summary: z.record(z.string(), z.number()),
  failed_events: z.array(z.object({ index: z.number(), reason: z.string(), retriable: z.boolean() })),
  warnings: z.array(z.object({ index: z.number(), warning: z.string() })).optional(),
  error: errorSchema.optional(),
})
const answers = { 200: told, 201: told, 400: told }

export function openLineageRoutes(app: App, rooms: Rooms): void {
  // Bodies stay bytes: they are read beside the event loop where they are large, and kept as they came.
  app.removeAllContentTypeParsers()
  const bodyLimit = rooms.configuration.limits.lineageBytes
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit }, (_request, body, done) => done(null, body))
  for (const [path, summary, list] of [
    ['/api/v1/lineage', 'An OpenLineage event, or a list of them.', false],
    ['/api/v1/lineage/batch', 'A list of OpenLineage events.', true],
  ] as const) {
    app.post(
      path,
      { bodyLimit, schema: { summary, querystring: z.object({}), consumes: ['application/json'], response: answers } },
      async (request, reply) => {
        await take(rooms, request as unknown as FastifyRequest, reply as FastifyReply, list)
      },
    )
  }
}

async function take(rooms: Rooms, request: FastifyRequest, reply: FastifyReply, list: boolean): Promise<FastifyReply> {
  const body = request.body as Buffer | undefined
  if (body === undefined || body.byteLength === 0) throw new ForebayError('REQUEST_INVALID', 'the body is empty')
  const encoding = encodingOf(request.headers['content-encoding'])
  const intake = await putOff(reply, async () => {
    if ((rooms.externalEvents.lag().sqlite ?? 0) > lagMax) {
      throw new ForebayError('QUEUE_FULL', `the lineage graph is more than ${lagMax} events behind`)
    }
    const read = await rooms.intake.read(body, encoding)
    if (read.events.length > 0) await rooms.externalEvents.record(read.events)
    return read
  })
  const status = intake.refused.length > 0 && intake.events.length === 0 ? 400 : list || !intake.single ? 200 : 201
  return reply
    .code(status)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(outcome(intake)))
}

/** A full queue is no fault of the client's: 503 and when to come again, which every client library obeys. */
async function putOff<T>(reply: FastifyReply, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ForebayError) || error.code !== 'QUEUE_FULL') throw error
    reply.header('retry-after', '1')
    throw new ForebayError('UNAVAILABLE', error.message, { hint: 'send the events again in a second', cause: error })
  }
}

/** What became of the events: counts, and the reason for each that was refused. */
function outcome({ received, events, refused, warnings }: Intake): object {
  const [first] = refused
  const state = refused.length === 0 ? 'success' : events.length === 0 ? 'failure' : 'partial_success'
  return {
    status: state,
    summary: { received, successful: events.length, failed: refused.length, retriable: 0, non_retriable: refused.length },
    failed_events: refused.slice(0, toldMax).map(({ index, reason }) => ({ index, reason, retriable: false })),
    ...(warnings.length === 0 ? {} : { warnings: warnings.slice(0, toldMax) }),
    ...(state === 'failure' ? { error: { code: 'REQUEST_INVALID', message: first?.reason ?? '' } } : {}),
  }
}
