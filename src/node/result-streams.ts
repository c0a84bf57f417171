import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { ForebayError } from '../model/errors.js'

/** Encoded bytes on their way to whoever fetches them; pulled, so that a slow reader slows the query down. */
export interface ResultSource {
  readonly contentType: string
  pieces(): AsyncIterable<Uint8Array>
}

interface Waiting {
  readonly source: ResultSource
  readonly signal: AbortSignal
  readonly onGone: (reason: ForebayError) => void
  readonly resolve: (bytes: number) => void
  readonly reject: (error: unknown) => void
  readonly timer: NodeJS.Timeout
}

/** Results that wait to be fetched once, each by `GET /results/TASK`. */
export class ResultStreams {
  readonly #waiting = new Map<string, Waiting>()
  readonly #fetchWithinMs: number

  constructor(fetchWithinMs = 30_000) {
    this.#fetchWithinMs = fetchWithinMs
  }

  /**
   * Offers a result; resolves to the bytes sent when it was read to the end, rejects when it was broken off or never fetched.
   * `onGone` is told at once of a reader that goes away: the next rows may be long in coming, and nobody wants them.
   */
  offer(
    taskId: string,
    source: ResultSource,
    signal: AbortSignal,
    onGone: (reason: ForebayError) => void = () => {},
  ): Promise<number> {
    if (signal.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const leave = (error: unknown): void => {
        const waiting = this.#waiting.get(taskId)
        if (waiting === undefined) return
        this.#waiting.delete(taskId)
        clearTimeout(waiting.timer)
        reject(error)
      }
      const late = new ForebayError('CANCELLED', `nobody fetched the result within ${this.#fetchWithinMs} ms`)
      const timer = setTimeout(() => leave(late), this.#fetchWithinMs)
      this.#waiting.set(taskId, { source, signal, onGone, resolve, reject, timer })
      signal.addEventListener('abort', () => leave(signal.reason), { once: true })
    })
  }

  /** Sends a waiting result; false when there is none of this name (any more). */
  send(taskId: string, response: ServerResponse): boolean {
    const waiting = this.#waiting.get(taskId)
    if (waiting === undefined) return false
    this.#waiting.delete(taskId)
    clearTimeout(waiting.timer)
    sendPieces(waiting, response).then(waiting.resolve, (error: unknown) => {
      // Ending the response now would make a broken answer look whole.
      response.destroy()
      waiting.reject(error)
    })
    return true
  }
}

async function sendPieces({ source, signal: stopped, onGone }: Waiting, response: ServerResponse): Promise<number> {
  const gone = new AbortController()
  const signal = AbortSignal.any([gone.signal, stopped])
  response.once('close', () => {
    const reason = new ForebayError('CANCELLED', 'the reader of the result went away')
    gone.abort(reason)
    if (!response.writableFinished) onGone(reason)
  })
  response.writeHead(200, { 'content-type': source.contentType })
  let bytes = 0
  for await (const piece of source.pieces()) {
    signal.throwIfAborted()
    if (piece.length === 0) continue
    bytes += piece.length
    if (!response.write(piece)) await drain(response, signal)
  }
  signal.throwIfAborted()
  response.end()
  return bytes
}

async function drain(response: ServerResponse, signal: AbortSignal): Promise<void> {
  try {
    await once(response, 'drain', { signal })
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  }
}
