/** The HTTP server: its limits, its doors and its routes. What a route does stands in the file named after it. */

import type { Socket } from 'node:net'
import swagger from '@fastify/swagger'
import fastify, {
  type FastifyBaseLogger,
  type FastifyReply,
  type FastifySchemaCompiler,
  type FastifyServerOptions,
  LogController,
} from 'fastify'
import { jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import type { Logger } from 'pino'
import type { z } from 'zod'
import { ForebayError } from '../../model/errors.js'
import { plainProblem } from '../plain-problem.js'
import type { Rooms } from '../rooms.js'
import type { App } from './app.js'
import { catalogueRoutes } from './catalogue-routes.js'
import { crossOriginHeaders, isPreflight, preflightHeaders } from './cross-origin.js'
import { deadLetterRoutes } from './dead-letter-routes.js'
import { describeCall } from './describe-call.js'
import { dropBody } from './drop-body.js'
import { type ErrorAnswer, errorAnswer } from './error-envelope.js'
import { eventRoutes } from './event-routes.js'
import { makeGuard } from './guard.js'
import { healthRoutes } from './health-routes.js'
import { importRoutes } from './import-routes.js'
import { learnRoutes } from './learn-routes.js'
import { lineageRoutes } from './lineage-routes.js'
import { lineageStoreRoutes } from './lineage-store-routes.js'
import { nodeRoutes } from './node-routes.js'
import { openLineageRoutes } from './openlineage-routes.js'
import { predictRoutes } from './predict-routes.js'
import { queriesRoutes } from './queries-routes.js'
import { queryRoutes } from './query-routes.js'
import { tableRoutes } from './table-routes.js'

const loopbackNames = ['127.0.0.1', 'localhost', '[::1]']

/** Sent with every answer: an answer of the API is never a page, and what it quotes may be an attacker's text. */
const securityHeaders = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
}

const headersMs = 10_000

/** Escaped JSON may be this many times as long as the SQL in it. */
const jsonOverhead = 3

/** Checks the body, query string, … of a request; `errorAnswer` tells what is wrong with it. */
const checkPart: FastifySchemaCompiler<z.ZodType> =
  ({ schema }) =>
  (part) => {
    const checked = schema.safeParse(part, { error: plainProblem })
    return checked.success ? { value: checked.data } : { error: checked.error }
  }

/** Builds the server; it does not listen yet. */
export async function buildApp(rooms: Rooms, log: Logger): Promise<App> {
  const { configuration, credentials } = rooms
  const app = fastify({
    ...serverOptions(rooms, log),
    ...(credentials.tls === undefined ? {} : { https: { ...credentials.tls } }),
  } as FastifyServerOptions) as unknown as App
  app.setValidatorCompiler(checkPart)
  // Otherwise JSON that is sent as text would be taken for a body that is no object.
  app.removeContentTypeParser('text/plain')
  // Answers are made by our own code from typed records: the schemas of answers document them and do not cost time.
  app.setSerializerCompiler(() => (body) => JSON.stringify(body))
  const allowed = new Set(configuration.allowedOrigins.map((origin) => new URL(origin).origin))
  const guard = makeGuard({
    token: credentials.token,
    hosts: [...loopbackNames, configuration.host, ...configuration.allowedHosts],
    origins: allowed,
  })
  app.addHook('onRequest', async (request, reply) => {
    const { headers, method } = request
    const { origin } = headers
    reply.headers(securityHeaders)
    if (origin !== undefined && allowed.has(origin)) reply.headers(crossOriginHeaders(origin))
    const preflight = isPreflight(method, headers)
    guard(headers, request.url.split('?', 1)[0] ?? '', preflight)
    if (preflight) return reply.code(204).headers(preflightHeaders).send()
  })
  app.setErrorHandler(async (error, request, reply) => {
    const answer = errorAnswer(error)
    if (answer.body.error.code === 'INTERNAL') request.log.error({ err: error }, 'request failed')
    if (answer.body.error.code === 'REQUEST_TOO_LARGE') await dropBody(request.raw)
    // Node drops the rest of a body of which nothing was read; of any other it would wait for somebody to read on.
    if (!request.raw.complete && request.raw.readableDidRead) reply.header('connection', 'close')
    sendError(reply as FastifyReply, answer)
    return reply
  })
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0]?.slice(0, 200)
    const error = new ForebayError('NOT_FOUND', `there is no call ${request.method} ${path}`, {
      hint: 'GET /openapi.json lists every call',
    })
    sendError(reply as FastifyReply, errorAnswer(error))
  })
  limitSockets(app, configuration.limits)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Forebay',
        version: rooms.version,
        description: 'SQL over a hierarchy of nodes, lineage of every transfer, prediction, and proactive allocation.',
        license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      // On loopback none is asked.
      security: [{}, { token: [] }],
    },
    transform: describeCall,
    transformObject: jsonSchemaTransformObject,
  })
  const routes = [
    queryRoutes,
    queriesRoutes,
    predictRoutes,
    tableRoutes,
    importRoutes,
    lineageRoutes,
    lineageStoreRoutes,
    nodeRoutes,
    deadLetterRoutes,
    eventRoutes,
    learnRoutes,
    healthRoutes,
    openLineageRoutes,
    catalogueRoutes,
  ]
  for (const register of routes) await app.register(async (scope) => register(scope as unknown as App, rooms))
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
  await app.ready()
  return app
}

/** Of fastify's own messages only those that somebody has to read. */
function httpLog(log: Logger): Logger {
  return log.child({ part: 'http' }, log.level === 'info' ? { level: 'warn' } : {})
}

function sendError(reply: FastifyReply, answer: ErrorAnswer): void {
  reply.code(answer.status).type('application/json; charset=utf-8').send(JSON.stringify(answer.body))
}

function serverOptions({ configuration }: Rooms, log: Logger): FastifyServerOptions {
  return {
    loggerInstance: httpLog(log) as unknown as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: configuration.limits.sqlBytes * jsonOverhead + 65_536,
    requestTimeout: configuration.limits.requestTimeout,
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 2_000 },
    frameworkErrors: (error, _request, reply) => {
      sendError(reply.headers(securityHeaders) as FastifyReply, errorAnswer(error))
    },
    clientErrorHandler: refuseMalformed,
  }
}

function limitSockets(app: App, { connections, requestTimeout }: Rooms['configuration']['limits']): void {
  app.server.maxConnections = connections
  // Node swaps the two times where that of the headers is longer than that of all.
  app.server.headersTimeout = requestTimeout === 0 ? headersMs : Math.min(headersMs, requestTimeout)
  // How often Node looks for requests that are too slow.
  Object.assign(app.server, { connectionsCheckingInterval: 2_000 })
}

/** Bytes that are not HTTP, or come too slowly: one answer, then the connection ends. */
function refuseMalformed(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
  const large = error.code === 'HPE_HEADER_OVERFLOW'
  const message = slow ? 'the request did not arrive in time' : large ? 'the headers are too large' : 'the request is not HTTP'
  const times = `its headers must come within ${headersMs / 1000} s, all of it within limits.requestTimeout of the configuration`
  const status = slow ? '408 Request Timeout' : large ? '431 Request Header Fields Too Large' : '400 Bad Request'
  const body = JSON.stringify({ error: { code: 'REQUEST_INVALID', message, ...(slow ? { hint: times } : {}) } })
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}
