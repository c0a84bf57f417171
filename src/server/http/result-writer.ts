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
  /** Called when the client went away, was cut off, or the body broke off, before all was sent. */
  readonly onAbandoned: (reason: string) => void
}

/**
 * Streams a body with status 200. Resolves when all was sent or the transfer was broken off; never rejects. What a body gave
 * before it broke off still goes to the client.
 */
export async function writeBody(response: ServerResponse, body: AsyncIterable<Uint8Array>, options: WriteOptions): Promise<void> {
  const source = body[Symbol.asyncIterator]()
  const client = new Client(response)
  const first = new FirstPacket(response)
  response.writeHead(200, options.headers)
  try {
    for (;;) {
      const next = await client.unlessGone(source.next())
      if (next.done === true) break
      if (!first.take(next.value)) await client.send(next.value, options.idleMs)
    }
    response.end(first.rest())
  } catch (error) {
    options.onAbandoned(error instanceof Error ? error.message : String(error))
    source.return?.()?.then(undefined, () => {})
    const rest = first.rest()
    if (!client.isGone) await client.flush(rest, options.idleMs).catch(() => {})
    // Ends the connection without the last chunk's mark: the client sees an incomplete transfer.
    response.destroy()
  }
}

const packetBytesMax = 65_536
/** What a client must take within `idleMs`: smaller pieces cost time with fast clients (a third of it at 16 kB, over loopback). */
const pieceBytesMax = 65_536

/**
 * Small answers leave in one packet: what comes within this turn of the loop is written together. By hand, since a response
 * that is ended while it is corked loses what it holds under Node 24.
 */
class FirstPacket {
  readonly #response: ServerResponse
  #held: Uint8Array[] | undefined = []
  #bytes = 0

  constructor(response: ServerResponse) {
    this.#response = response
    setImmediate(() => this.#flush())
  }

  /** Keeps the chunk for the packet; false when the packet has left, or leaves now since the chunk has no room in it. */
  take(chunk: Uint8Array): boolean {
    if (this.#held === undefined) return false
    if (this.#bytes + chunk.byteLength > packetBytesMax) {
      this.#flush()
      return false
    }
    this.#held.push(chunk)
    this.#bytes += chunk.byteLength
    return true
  }

  /** What was not written yet, which from now on is the caller's. */
  rest(): Buffer {
    const held = this.#held ?? []
    this.#held = undefined
    return Buffer.concat(held)
  }

  #flush(): void {
    const rest = this.rest()
    if (rest.byteLength > 0) this.#response.write(rest)
  }
}

/** The other end of a response. A source that is slow to notice must not keep a query alive whose client has gone. */
class Client {
  readonly #response: ServerResponse
  #gone = false
  /** Ends the wait that is under way. One slot, not a race with a long-lived promise, which would keep every chunk in memory. */
  #abandon: (() => void) | undefined

  constructor(response: ServerResponse) {
    this.#response = response
    response.once('close', () => {
      this.#gone = true
      this.#abandon?.()
    })
  }

  /** True also when it is there and takes nothing. */
  get isGone(): boolean {
    return this.#gone || this.#response.destroyed
  }

  unlessGone<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const abandon = (): void => reject(new ForebayError('CANCELLED', 'the client went away'))
      work.then(resolve, reject)
      if (this.isGone) abandon()
      else this.#abandon = abandon
    })
  }

  /**
   * Writes and waits for room. Rejects when the client has gone or takes nothing for too long. In pieces, since a response
   * says of a large chunk only when all of it was taken, which is long after a slow client has begun to.
   */
  async send(chunk: Uint8Array, idleMs: number): Promise<void> {
    for (let at = 0; at < chunk.byteLength; at += pieceBytesMax) {
      const piece = chunk.subarray(at, at + pieceBytesMax)
      if (!this.#response.write(piece)) await this.#taken(idleMs, (taken) => this.#response.once('drain', taken))
    }
  }

  /** Writes and waits until nothing is left to be taken. Rejects as `send` does. */
  flush(chunk: Uint8Array, idleMs: number): Promise<void> {
    return this.#taken(idleMs, (taken) => this.#response.write(chunk, () => taken()))
  }

  async #taken(idleMs: number, listen: (taken: () => void) => void): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const taken = new Promise<void>((resolve, reject) => {
      listen(resolve)
      timer = setTimeout(() => {
        this.#gone = true
        reject(new ForebayError('CANCELLED', 'the client takes no bytes of its answer'))
      }, idleMs)
    })
    try {
      await this.unlessGone(taken)
    } finally {
      clearTimeout(timer)
    }
  }
}
