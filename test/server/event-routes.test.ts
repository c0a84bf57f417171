/** Listeners over real sockets, on the routes alone. */
import { once } from 'node:events'
import { ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { afterEach, expect, it, vi } from 'vitest'
import { EventHub } from '../../src/server/event-hub.js'
import { eventRoutes } from '../../src/server/http/event-routes.js'
import { serveRoutes } from '../support/serve-routes.js'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const close of closers.splice(0)) await close()
})

/** A hub, and one listener whose stream is open. */
async function listening(idleSocket: number, lastId = ''): Promise<{ readonly hub: EventHub; readonly socket: Socket }> {
  const hub = new EventHub()
  for (let index = 0; index < 100; index += 1) hub.publish('query', { sql: 'x'.repeat(30_000) })
  const served = await serveRoutes(eventRoutes, { hub, configuration: { limits: { eventStreams: 1, idleSocket } } })
  closers.push(served.close)
  const socket = connect(served.port, '127.0.0.1')
  socket.write(`GET /v1/events HTTP/1.1\r\nhost: x\r\n${lastId}\r\n`)
  await vi.waitUntil(() => hub.listeners === 1)
  return { hub, socket }
}

it('writes events one by one, however many a listener missed', async () => {
  const write = vi.spyOn(ServerResponse.prototype, 'write')
  const { socket } = await listening(60_000, 'last-event-id: 0\r\n')
  let text = ''
  for await (const part of socket) {
    text += String(part)
    if (text.includes('id: 100\n') && text.endsWith('\n\n\r\n')) break
  }
  expect(text.match(/^id: \d+$/gm)).toHaveLength(100)
  expect(Math.max(...write.mock.calls.map(([chunk]) => String(chunk).length))).toBeLessThan(31_000)
})

it('lets a listener go that takes nothing any more', async () => {
  const { hub, socket } = await listening(20)
  socket.pause()
  while (hub.listeners > 0) {
    hub.publish('query', { sql: 'x'.repeat(100_000) })
    await setImmediate()
  }
  const ended = once(socket, 'close')
  socket.on('error', () => {}).resume()
  await ended
})
