import { readFileSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { type ErrorRecord, ForebayError, fromErrorRecord } from '../model/errors.js'
import { UsageError, unreadable } from './exit-code.js'

export interface ClientOptions {
  readonly url: string
  readonly tokenFile?: string | undefined
}

export interface CallOptions {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON, or as it comes when it is a stream. */
  readonly body?: unknown
  readonly stream?: Readable
  readonly signal?: AbortSignal | undefined
}

/** A server, as the commands see it. */
export class HttpClient {
  readonly #base: URL
  readonly #token: string | undefined

  constructor(options: ClientOptions) {
    this.#base = parseUrl(options.url)
    this.#token = options.tokenFile === undefined ? undefined : readToken(options.tokenFile)
  }

  get url(): string {
    return this.#base.origin
  }

  /** The JSON answer of a call; its error when it has one. */
  async json<T = unknown>(path: string, options: CallOptions = {}): Promise<T> {
    const text = await this.text(path, options)
    try {
      return JSON.parse(text) as T
    } catch (error) {
      throw new ForebayError('INTERNAL', `${this.url}${path} did not answer with JSON`, {
        hint: 'is it a Forebay server? look at --url',
        cause: error,
      })
    }
  }

  async text(path: string, options: CallOptions = {}): Promise<string> {
    return readText(await this.stream(path, options))
  }

  /** The answer as it comes, when its status is fine. */
  async stream(path: string, options: CallOptions = {}): Promise<IncomingMessage> {
    const response = await this.#send(path, options)
    const status = response.statusCode ?? 0
    if (status >= 200 && status < 300) return response
    const error = failure(status, await readText(response), this.url)
    // Without a file, what a call says comes from the command's arguments alone.
    const isUsage = error.code === 'REQUEST_INVALID' && options.stream === undefined
    throw isUsage ? new UsageError(error.message, error.hint) : error
  }

  /** Status and text of an answer, whatever the status. */
  async probe(path: string, signal: AbortSignal): Promise<{ readonly status: number; readonly text: string }> {
    const response = await this.#send(path, { signal })
    return { status: response.statusCode ?? 0, text: await readText(response) }
  }

  async #send(path: string, options: CallOptions): Promise<IncomingMessage> {
    const secure = this.#base.protocol === 'https:'
    const send = secure ? (await import('node:https')).request : httpRequest
    const json = options.body === undefined ? undefined : JSON.stringify(options.body)
    const headers: Record<string, string> = {
      ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
      ...(json === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(json)) }),
      ...options.headers,
    }
    return new Promise((resolve, reject) => {
      const call = send(
        new URL(path, this.#base),
        {
          method: options.method ?? 'GET',
          headers,
          agent: false,
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        },
        resolve,
      )
      call.on('error', (error: NodeJS.ErrnoException) => reject(unreachable(error, this.url)))
      if (options.stream !== undefined) options.stream.on('error', reject).pipe(call)
      else call.end(json)
    })
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}

function parseUrl(text: string): URL {
  try {
    const url = new URL(text.includes('://') ? text : `http://${text}`)
    if (url.protocol === 'http:' || url.protocol === 'https:') return url
  } catch {
    // Told below, with the other ways of being wrong.
  }
  throw new UsageError(`--url ${JSON.stringify(text)} is not the address of a server`, '--url http://127.0.0.1:4180')
}

function readToken(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw unreadable('--token-file', error as Error)
  }
}

function unreachable(error: NodeJS.ErrnoException, url: string): unknown {
  if (error.name === 'AbortError') return error
  if (error.code === 'ECONNREFUSED' || error.code === 'ENOTFOUND' || error.code === 'EHOSTUNREACH') {
    return new ForebayError('UNAVAILABLE', `no server answers at ${url}`, {
      hint: 'start one with: forebay serve — or name another with --url or FOREBAY_URL',
      cause: error,
    })
  }
  if (error.code === 'EPROTO') {
    return new ForebayError('UNAVAILABLE', `what answers at ${url} does not speak TLS`, {
      hint: `${url.replace('https:', 'http:')} in --url or FOREBAY_URL`,
      cause: error,
    })
  }
  return new ForebayError('UNAVAILABLE', `the connection to ${url} broke: ${error.message}`, {
    hint: url.startsWith('https:')
      ? 'NODE_EXTRA_CA_CERTS=ca.pem, where the certificate is of your own making; else look at the log of the server'
      : 'https: in --url or FOREBAY_URL, where the server has TLS; else forebay status shows what it is doing',
    cause: error,
  })
}

function failure(status: number, text: string, url: string): ForebayError {
  try {
    const { error } = JSON.parse(text) as { error: ErrorRecord }
    if (typeof error.code === 'string') return fromErrorRecord(error)
  } catch {
    // Not our envelope: told below.
  }
  return new ForebayError('INTERNAL', `${url} answered with status ${status}`, { hint: 'is it a Forebay server? look at --url' })
}
