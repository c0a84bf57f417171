import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { Pool } from 'undici'
import { type Transport, TransportError } from './event-sender.js'

export interface HttpTransportOptions {
  /** `http://marquez:5000`; a path in it stays in front of the endpoint. */
  readonly url: string
  /** `api/v1/lineage`. */
  readonly endpoint: string
  readonly apiKey?: string
  readonly compression: 'none' | 'gzip'
}

const pack = promisify(gzip)

/** Posts each event by itself, as OpenLineage's own clients do. */
export class HttpTransport implements Transport {
  readonly #pool: Pool
  readonly #path: string
  readonly #options: HttpTransportOptions

  constructor(options: HttpTransportOptions) {
    const url = new URL(options.url)
    this.#options = options
    this.#path = `${url.pathname.replace(/\/$/, '')}/${options.endpoint.replace(/^\//, '')}`
    this.#pool = new Pool(url.origin, { connections: 1, pipelining: 1 })
  }

  async send(event: string, signal: AbortSignal): Promise<void> {
    const { apiKey, compression } = this.#options
    const body = compression === 'gzip' ? await pack(event) : event
    const headers = {
      'content-type': 'application/json',
      ...(compression === 'gzip' ? { 'content-encoding': 'gzip' } : {}),
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    }
    const status = await this.#post(body, headers, signal)
    if (status >= 200 && status < 300) return
    const retriable = status >= 500 || status === 429 || status === 408
    throw new TransportError(`the receiver of OpenLineage events answered ${status}`, retriable)
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  async #post(body: string | Buffer, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<number> {
    try {
      const response = await this.#pool.request({ method: 'POST', path: this.#path, headers, body, signal })
      await response.body.dump()
      return response.statusCode
    } catch (error) {
      throw new TransportError(`OpenLineage events cannot be sent: ${(error as Error).message}`, true, error)
    }
  }
}
