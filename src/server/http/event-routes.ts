import { z } from 'zod'
import { ForebayError } from '../../model/errors.js'
import { type EventKind, eventKinds, type Subscription } from '../event-hub.js'
import type { Rooms } from '../rooms.js'
import type { App } from './app.js'

const heartbeatMs = 15_000

const eventsQuery = z.strictObject({
  kinds: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(eventKinds)).min(1))
    .optional(),
})

/** `GET /v1/events`: server-sent events. A listener that is too slow is told how many events it lost. */
export function eventRoutes(app: App, rooms: Rooms): void {
  const streams = new Set<() => void>()
  // Otherwise a listener would keep the server from closing.
  app.addHook('preClose', async () => {
    for (const end of streams) end()
  })
  app.get(
    '/v1/events',
    {
      exposeHeadRoute: false,
      schema: { summary: 'Server-sent events: query, transfer, node, forecast, allocation.', querystring: eventsQuery },
    },
    (request, reply) => {
      const max = rooms.configuration.limits.eventStreams
      if (streams.size >= max) {
        throw new ForebayError('UNAVAILABLE', `${max} listeners have event streams open, which is the limit`, {
          hint: 'close one, or raise limits.eventStreams in the configuration',
        })
      }
      const kinds = new Set<EventKind>(request.query.kinds ?? eventKinds)
      const lastId = /^\d{1,15}$/.exec(String(request.headers['last-event-id'] ?? ''))?.[0]
      reply.hijack()
      const { raw } = reply
      raw.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
      })
      raw.write(': forebay\n\n')
      let subscription: Subscription | undefined
      let writable = true
      const pump = (): void => {
        if (!writable || subscription === undefined) return
        const { events, dropped } = subscription.take()
        let text = ''
        for (const event of events) text += `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event.payload)}\n\n`
        if (dropped > 0) text += `event: dropped\ndata: {"count":${dropped}}\n\n`
        if (text !== '') writable = raw.write(text)
      }
      const heartbeat = setInterval(() => {
        if (writable) writable = raw.write(': heartbeat\n\n')
      }, heartbeatMs)
      const end = (): void => {
        clearInterval(heartbeat)
        subscription?.close()
        streams.delete(end)
        raw.end()
      }
      raw.on('drain', () => {
        writable = true
        pump()
      })
      raw.on('close', end)
      streams.add(end)
      // Wakes are gathered, so that a burst of events is one write.
      let woken = false
      subscription = rooms.hub.subscribe(kinds, lastId === undefined ? undefined : Number(lastId), () => {
        if (woken) return
        woken = true
        setImmediate(() => {
          woken = false
          pump()
        })
      })
    },
  )
}
