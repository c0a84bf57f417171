import { z } from 'zod'
import { ForebayError } from '../../model/errors.js'
import { type EventKind, eventKinds, type ServerEvent, type Subscription } from '../event-hub.js'
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

/** `GET /v1/events`: server-sent events. A listener that is too slow is told how many events it lost; one that takes no byte for a while is cut off. */
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
      schema: {
        summary: 'Server-sent events: query, transfer, node, forecast, allocation.',
        querystring: eventsQuery,
        produces: ['text/event-stream'],
      },
    },
    (request, reply) => {
      const max = rooms.configuration.limits.eventStreams
      if (streams.size >= max) {
        throw new ForebayError('UNAVAILABLE', `${max} listeners have event streams open, which is the limit`, {
          hint: 'close one, or raise limits.eventStreams in the configuration',
        })
      }
      const { idleSocket } = rooms.configuration.limits
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
      let cutOff: NodeJS.Timeout | undefined
      let writable = true
      const send = (text: string): boolean => {
        writable = raw.write(text)
        if (!writable) cutOff = setTimeout(() => raw.destroy(), idleSocket)
        return writable
      }
      // Event by event, so that what the socket does not take stays in the hub's bounded queue.
      const pump = (): void => {
        let more = writable
        while (more) {
          const event = subscription?.take()
          more = event !== undefined && send(lines(event))
        }
      }
      const heartbeat = setInterval(() => {
        if (writable) send(': heartbeat\n\n')
      }, heartbeatMs)
      const end = (): void => {
        clearInterval(heartbeat)
        clearTimeout(cutOff)
        subscription?.close()
        streams.delete(end)
        // Who takes nothing now would keep the server from closing all the same.
        if (writable) raw.end()
        else raw.destroy()
        writable = false
      }
      raw.on('drain', () => {
        clearTimeout(cutOff)
        writable = streams.has(end)
        pump()
      })
      raw.on('close', end)
      streams.add(end)
      // Wakes are gathered: what is written in one turn of the loop leaves together.
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

const lines = ({ id, kind, data }: ServerEvent): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${kind}\ndata: ${data}\n\n`
