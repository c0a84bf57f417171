/**
 * Sends bytes as they are made. Nothing more is read from their source while the client's socket is full, and a client that
 * takes nothing for a while is cut off, so that it cannot hold a node.
 */
import type { ServerResponse } from 'node:http'
import { ForebayError } from '../../model/errors.js'

export interface WriteOptions {
  readonly headers: Readonly<Record<string, string | number>>
  /** A client that takes no byte for so long is cut off. */
  readonly idleMs: number
  /** Called when the client went away, or was cut off, before all was sent. */
  readonly onAbandoned: (reason: string) => void
}

/** Streams a body with status 200. Resolves when all was sent or the transfer was broken off; never rejects. */
export async function writeBody(response: ServerResponse, body: AsyncIterable<Uint8Array>, options: WriteOptions): Promise<void> {
  const onClose = (): void => {
    if (!response.writableFinished) options.onAbandoned('the client went away')
  }
  response.once('close', onClose)
  response.writeHead(200, options.headers)
  // Small answers leave in one packet: what is written in this turn of the loop goes out together.
  response.cork()
  setImmediate(() => response.uncork())
  try {
    for await (const chunk of body) await send(response, chunk, options.idleMs)
    response.end()
  } catch (error) {
    options.onAbandoned(error instanceof Error ? error.message : String(error))
    // Ends the connection without the last chunk's mark: the client sees an incomplete transfer.
    response.destroy()
  }
}

/** Writes and waits for room. Rejects when the client has gone or takes nothing for too long. */
async function send(response: ServerResponse, chunk: Uint8Array, idleMs: number): Promise<void> {
  if (response.destroyed) throw new ForebayError('CANCELLED', 'the client went away')
  if (chunk.byteLength === 0 || response.write(chunk)) return
  await new Promise<void>((resolve, reject) => {
    const settle = (reason?: string): void => {
      clearTimeout(timer)
      response.off('drain', onDrain)
      response.off('close', onClose)
      if (reason === undefined) resolve()
      else reject(new ForebayError('CANCELLED', reason))
    }
    const onDrain = (): void => settle()
    const onClose = (): void => settle('the client went away')
    const timer = setTimeout(() => settle('the client takes no bytes of its answer'), idleMs)
    response.on('drain', onDrain)
    response.on('close', onClose)
  })
}
