import type { Readable } from 'node:stream'
import { constants, gunzipSync } from 'node:zlib'
import { z } from 'zod'
import { headFirst, isGzip } from '../../catalog/import-staging.js'
import { ForebayError } from '../../model/errors.js'
import { type ImportFormat, importFormats } from '../../model/import-format.js'
import { untilAborted } from '../../model/until-aborted.js'
import type { Rooms } from '../rooms.js'
import type { App } from './app.js'
import { idempotencyKey } from './request-schemas.js'
import { untilClosed } from './until-closed.js'

const importQuery = z.strictObject({
  format: z.enum(importFormats).optional().describe('Taken from the content type, or from the bytes, when absent.'),
  mode: z.enum(['auto', 'create', 'insert']).default('auto').describe('`auto` creates the table or appends to it.'),
})

const kindByContentType: Readonly<Record<string, ImportFormat>> = {
  'text/csv': 'csv',
  'application/json': 'json',
  'application/x-ndjson': 'json',
  'application/ndjson': 'json',
  'application/jsonl': 'json',
  'application/vnd.apache.parquet': 'parquet',
}

/** `POST /v1/tables/{name}/import`: a file in the body becomes segments of a written table. */
export function importRoutes(app: App, rooms: Rooms): void {
  // Bodies of this scope are files: they go to the disk as they come and are never parsed here.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  app.post(
    '/v1/tables/:name/import',
    {
      schema: {
        summary: 'A CSV, JSON lines or Parquet file in the body becomes segments of a written table.',
        params: z.object({ name: z.string().min(1).max(200) }),
        querystring: importQuery,
        consumes: ['text/csv', 'application/x-ndjson', 'application/vnd.apache.parquet', 'application/octet-stream'],
      },
    },
    async (request, reply) => {
      const { format, mode } = request.query
      const key = idempotencyKey(request.headers['idempotency-key'])
      const body = request.body as Readable | undefined
      if (body === undefined)
        throw new ForebayError('REQUEST_INVALID', 'the body is empty', { hint: 'send the file as the body' })
      const declared = kindByContentType[(request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '']
      const take = async (signal: AbortSignal): Promise<object> => {
        const { head, whole } = await peek(body, signal)
        const kind = format ?? declared ?? sniff(head)
        const staged = await rooms.staging.stage(whole, {
          format: kind,
          bytesMax: rooms.configuration.limits.importBytes,
          signal,
        })
        try {
          const { name: table } = request.params
          const once = key === undefined ? {} : { once: { key, content: staged.hash } }
          return await rooms.engine.importFiles({ table, paths: [staged.path], kind, mode, ...once }, signal)
        } finally {
          await staged.remove()
        }
      }
      return rooms.imports.run(take, untilClosed(reply.raw))
    },
  )
}

/** The first bytes of a stream, enough to know it by, and a stream that still has them. */
async function peek(
  body: Readable,
  signal: AbortSignal,
): Promise<{ readonly head: Uint8Array; readonly whole: AsyncIterable<Uint8Array> }> {
  const source = headFirst(unlessBroken(body, signal), headBytes)
  const first = await source.next()
  const head = first.done === true ? new Uint8Array() : first.value
  const whole = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield head
      yield* source
    } finally {
      await source.return(undefined)
    }
  }
  return { head, whole: whole() }
}

/** Who goes no further, or waits no longer, leaves the rest to be read: a request that is destroyed gets no answer. */
async function* unlessBroken(body: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const pieces = body.iterator({ destroyOnReturn: false })
  const broken = (cause: unknown): never => {
    throw new ForebayError('REQUEST_INVALID', 'the file broke off before its end', { cause })
  }
  try {
    for (;;) {
      const piece = await untilAborted(pieces.next().catch(broken), signal)
      if (piece.done === true) return
      yield piece.value as Uint8Array
    }
  } finally {
    pieces.return?.().catch(() => {})
  }
}

const headBytes = 256

/** What a file is by its first bytes: Parquet's mark, a JSON value, else CSV. REQUEST_INVALID where they are not even text. */
function sniff(head: Uint8Array): ImportFormat {
  if (Buffer.from(head.subarray(0, 4)).equals(parquetMark)) return 'parquet'
  const text = textOf((isGzip(head) ? unzipped(head) : head).subarray(0, headBytes))
  if (text !== undefined) return /^\uFEFF?\s*[{[]/.test(text) ? 'json' : 'csv'
  throw new ForebayError('REQUEST_INVALID', 'the file is neither CSV, JSON nor Parquet by its first bytes', {
    hint: 'say which of them it is with format=csv, json or parquet (--format on the command line)',
  })
}

const parquetMark = Buffer.from('PAR1')

/** Undefined where it is no text. A character that the end cuts in two is no fault. */
function textOf(head: Uint8Array): string | undefined {
  if (head.includes(0)) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(head, { stream: true })
  } catch {
    return undefined
  }
}

/** The beginning of what was zipped, as far as some bytes tell; what cannot be unzipped stays as it is. */
function unzipped(head: Uint8Array): Uint8Array {
  try {
    return gunzipSync(head.subarray(0, zippedBytes), { finishFlush: constants.Z_SYNC_FLUSH })
  } catch {
    return head
  }
}

/** They become a megabyte at most. */
const zippedBytes = 1_024
