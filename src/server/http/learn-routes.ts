import type { Readable } from 'node:stream'
import { z } from 'zod'
import { ForebayError } from '../../model/errors.js'
import type { Rooms } from '../rooms.js'
import type { App } from './app.js'

/** `POST /v1/learn`: a query log, plain or gzip, becomes prior experience of the predictor. */
export function learnRoutes(app: App, rooms: Rooms): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  app.post(
    '/v1/learn',
    {
      schema: {
        summary: 'Loads a query log as prior experience.',
        querystring: z.strictObject({}),
        consumes: ['application/x-ndjson', 'application/gzip'],
      },
    },
    async (request) => {
      const body = request.body as Readable | undefined
      if (body === undefined)
        throw new ForebayError('REQUEST_INVALID', 'the body is empty', { hint: 'send the query log as the body' })
      return rooms.learn(body)
    },
  )
}
