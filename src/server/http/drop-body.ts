import type { IncomingMessage } from 'node:http'

const bytesMax = 64e6
const msMax = 5_000

/**
 * Reads what is left of a request's body, and drops it. A connection that ends while its client still writes is reset, and the
 * answer on its way is lost with it. Not for ever: who sends without end, or hardly, may get none.
 */
export function dropBody(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    if (request.readableEnded || request.destroyed) {
      resolve()
      return
    }
    let bytes = 0
    const over = (): void => {
      clearTimeout(timer)
      request.off('data', count).off('end', over).off('close', over)
      resolve()
    }
    const count = (chunk: Buffer): void => {
      bytes += chunk.byteLength
      if (bytes > bytesMax) over()
    }
    const timer = setTimeout(over, msMax)
    request.on('data', count).once('end', over).once('close', over)
  })
}
