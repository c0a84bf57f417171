/** The export of a graph over real sockets, on the routes alone. */
import { connect } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { ForebayError } from '../../src/model/errors.js'
import { lineageStoreRoutes } from '../../src/server/http/lineage-store-routes.js'
import { serveRoutes } from '../support/serve-routes.js'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** Routes whose graph is some pieces of text; `open` says how many exports hold a moment of it. */
async function served(pieces: () => Iterable<string>, idleSocket = 60_000) {
  const exports = { begun: 0, open: 0 }
  async function* exported(): AsyncGenerator<string> {
    exports.begun += 1
    exports.open += 1
    try {
      yield* pieces()
    } finally {
      exports.open -= 1
    }
  }
  const limits = { idleSocket }
  const rooms = { recorder: {}, lineageStores: [], lineage: { export: exported }, configuration: { limits } }
  const { port, close } = await serveRoutes(lineageStoreRoutes, rooms)
  closers.push(close)
  return { exports, port, url: `http://127.0.0.1:${port}/v1/lineage/export` }
}

it('sends the text as it comes', async () => {
  const { exports, url } = await served(() => ['{"id":1}\n', '{"id":2}\n'])
  const response = await fetch(`${url}?format=cypher`)
  expect([response.headers.get('content-type'), await response.text()]).toEqual([
    'text/plain; charset=utf-8',
    '{"id":1}\n{"id":2}\n',
  ])
  expect(exports).toEqual({ begun: 1, open: 0 })
})

it('lets the graph go when a reader takes nothing any more', async () => {
  const { exports, port } = await served(function* () {
    for (;;) yield 'x'.repeat(100_000)
  }, 20)
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  socket.pause()
  socket.write('GET /v1/lineage/export HTTP/1.1\r\nhost: x\r\n\r\n')
  await vi.waitUntil(() => exports.begun === 1)
  await vi.waitUntil(() => exports.open === 0, 20_000)
  socket.destroy()
})

it('answers with an error when it cannot begin', async () => {
  const { url } = await served(() => {
    throw new ForebayError('QUEUE_FULL', '4 exports are under way')
  })
  const response = await fetch(url)
  expect([response.status, await response.json()]).toMatchObject([429, { error: { code: 'QUEUE_FULL' } }])
})

it('has no HEAD, which would read all for nothing', async () => {
  const { exports, url } = await served(() => ['x'])
  expect((await fetch(url, { method: 'HEAD' })).status).toBe(404)
  expect(exports.begun).toBe(0)
})
