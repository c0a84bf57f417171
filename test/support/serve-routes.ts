import type { AddressInfo } from 'node:net'
import fastify from 'fastify'
import { validatorCompiler } from 'fastify-type-provider-zod'
import type { App } from '../../src/server/http/app.js'
import { errorAnswer } from '../../src/server/http/error-envelope.js'
import type { Rooms } from '../../src/server/rooms.js'

/** Some routes alone, on a free port of this process, with the rooms that they use. */
export async function serveRoutes(
  register: (app: App, rooms: Rooms) => void,
  rooms: object,
): Promise<{ readonly port: number; close(): Promise<unknown> }> {
  const app = fastify() as unknown as App
  app.setValidatorCompiler(validatorCompiler)
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = errorAnswer(error)
    return reply.code(status as 500).send(body)
  })
  register(app, rooms as Rooms)
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() }
}
