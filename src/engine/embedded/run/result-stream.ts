import { ForebayError, fromErrorRecord } from '../../../model/errors.js'
import { tokenHeader } from '../../../model/messages.js'
import type { NodeId } from '../../../model/node.js'
import type { EngineParts, StreamEnd } from '../engine-parts.js'

export interface ResultStream {
  readonly pieces: AsyncIterable<Uint8Array>
  /** Resolves when the node has said that all went out; rejects with what broke it. */
  readonly ended: Promise<StreamEnd>
}

/** A node that broke off a stream says why within this time, or not at all. */
const lastWordsMsMax = 2_000

function sleepUnref(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}

/** Opens the stream of a large answer. Until the first piece is read nothing has gone to the client. */
export async function resultStream(
  parts: EngineParts,
  node: NodeId,
  path: string,
  taskId: string,
  signal: AbortSignal,
): Promise<ResultStream> {
  const url = parts.fleet.nodes().find((each) => each.id === node)?.url
  if (url === undefined) throw new ForebayError('NODE_LOST', `${node} ended before its answer was read`)
  const end = parts.streamEnd(node, taskId)
  end.catch(() => {})
  // Loaded with the first large answer: it would be 35 ms of each start.
  const { request } = await import('undici')
  const response = await request(`${url}${path}`, { headers: { [tokenHeader]: parts.token }, signal, bodyTimeout: 0 })
  if (response.statusCode !== 200) {
    response.body.destroy()
    throw new ForebayError('NODE_LOST', `${node} refused its answer: status ${response.statusCode}`)
  }
  const ended = end.then((said) => {
    if (said.error !== undefined) throw fromErrorRecord(said.error)
    return said
  })
  ended.catch(() => {})
  const onAbort = (): void => {
    response.body.destroy()
  }
  signal.addEventListener('abort', onAbort, { once: true })
  async function* pieces(): AsyncIterable<Uint8Array> {
    try {
      for await (const piece of response.body) yield piece as Uint8Array
    } catch (error) {
      signal.throwIfAborted()
      // The node says why it broke off, if it still lives; else its loss is the reason.
      await Promise.race([ended, sleepUnref(lastWordsMsMax)])
      throw new ForebayError('NODE_LOST', `the answer broke off on ${node}`, { cause: error })
    } finally {
      signal.removeEventListener('abort', onAbort)
      response.body.destroy()
    }
  }
  return { pieces: pieces(), ended: Promise.race([ended, abortOf(signal)]) }
}

function abortOf(signal: AbortSignal): Promise<never> {
  const aborted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  aborted.catch(() => {})
  return aborted
}
