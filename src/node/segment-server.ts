import { timingSafeEqual } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import { tokenHeader } from '../model/messages.js'
import type { ResultStreams } from './result-streams.js'
import type { Spool } from './spool.js'

const connectionsMax = 256

/**
 * Serves this node's derived segments (`/segments/ID`, or the file's name instead of the id) and waiting results
 * (`/results/TASK`) on loopback, to whoever shows the run's token. Nothing outside of the spool can be named.
 */
export async function startSegmentServer(
  token: string,
  spool: Spool,
  results: ResultStreams,
): Promise<{ readonly port: number; close(): void }> {
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 15_000 },
    (request, response) => {
      answer(token, spool, results, request, response).catch(() => response.destroy())
    },
  )
  server.maxConnections = connectionsMax
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return { port: portOf(server), close: () => server.closeAllConnections() }
}

async function answer(
  token: string,
  spool: Spool,
  results: ResultStreams,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!isSame(request.headers[tokenHeader], token)) return refuse(response, 401)
  if (request.method !== 'GET') return refuse(response, 405)
  const [, room, name = ''] = /^\/(segments|results)\/([^/?]+)$/.exec(request.url ?? '') ?? []
  const decoded = decode(name)
  if (room === 'segments') return sendSegment(spool.find(decoded), response)
  if (room === 'results' && results.send(decoded, response)) return
  refuse(response, 404)
}

async function sendSegment(path: string | undefined, response: ServerResponse): Promise<void> {
  if (path === undefined) return refuse(response, 404)
  const { size } = await stat(path)
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size })
  pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), response, () => undefined)
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-length': 0 }).end()
}

/** Compares in a time that does not depend on where the first difference is. */
function isSame(given: string | string[] | undefined, token: string): boolean {
  if (typeof given !== 'string') return false
  const a = Buffer.from(given)
  const b = Buffer.from(token)
  return a.length === b.length && timingSafeEqual(a, b)
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return ''
  }
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
