import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface StartOptions {
  /** Data folder; an empty one is made without it. */
  readonly data?: string
  /** State folder; a new one is made, and removed at the end, without it. */
  readonly state?: string
  /** More flags of `forebay serve`, e.g. `['--nodes', '4', '--tree', 'always']`. */
  readonly flags?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly readyMs?: number
}

export interface TestServer {
  readonly url: string
  readonly data: string
  readonly state: string
  readonly pid: number
  /** Everything that it has written to stderr. */
  log(): string
  /** The JSON answer of a call, with its status. */
  call(path: string, options?: CallOptions): Promise<Answer>
  /** Runs SQL; throws an error with the code and message of the envelope. */
  query(sql: string, more?: Record<string, unknown>): Promise<QueryAnswer>
  /** SIGTERM, then waits for the end; resolves with the exit code. */
  stop(): Promise<number | null>
  /** A signal, then waits for the end. */
  kill(signal: NodeJS.Signals): Promise<number | null>
  [Symbol.asyncDispose](): Promise<void>
}

export interface CallOptions {
  readonly method?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}
export interface Answer {
  readonly status: number
  readonly headers: Headers
  // Tests look into answers freely.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
}
export interface QueryAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly unknown[])[]
  readonly queryId: string
  readonly stats: Readonly<Record<string, unknown>>
}

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname

/** Starts `forebay serve` as a process of its own on a free port; resolves when it is ready. */
export async function startServer(options: StartOptions = {}): Promise<TestServer> {
  const root = mkdtempSync(join(tmpdir(), 'forebay-test-'))
  const data = options.data ?? join(root, 'data')
  const state = options.state ?? join(root, 'state')
  mkdirSync(data, { recursive: true })
  const child = spawn(
    process.execPath,
    [main, 'serve', '--port', '0', '--nodes', '2', '--data', data, '--state', state, ...(options.flags ?? [])],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, FOREBAY_LOG_LEVEL: 'warn', ...options.environment } },
  )
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal)
    const code = await exited
    rmSync(root, { recursive: true, force: true, maxRetries: 5 })
    return code
  }
  const url = await readyLine(child, exited, options.readyMs ?? 60_000, () => log).catch(async (error: unknown) => {
    await end('SIGKILL')
    throw error
  })
  const call = (path: string, given: CallOptions = {}): Promise<Answer> => callServer(url, path, given)
  return {
    url,
    data,
    state,
    pid: child.pid ?? 0,
    log: () => log,
    call,
    query: async (sql, more = {}) => {
      const answer = await call('/v1/query', { body: { sql, ...more } })
      if (answer.status === 200 && answer.body.error === undefined) return answer.body as QueryAnswer
      const { code, message } = answer.body.error
      throw Object.assign(new Error(`${code}: ${message}`), answer.body.error)
    },
    stop: () => end('SIGTERM'),
    kill: end,
    [Symbol.asyncDispose]: async () => {
      await end('SIGTERM')
    },
  }
}

async function callServer(url: string, path: string, { method, body, headers, signal }: CallOptions): Promise<Answer> {
  const response = await fetch(url + path, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  })
  const text = await response.text()
  const json = (response.headers.get('content-type') ?? '').includes('json')
  return { status: response.status, headers: response.headers, body: json && text !== '' ? JSON.parse(text) : text }
}

function readyLine(child: ChildProcess, exited: Promise<unknown>, timeoutMs: number, log: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the server is not ready after ${timeoutMs} ms\n${log()}`)), timeoutMs)
    let text = ''
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text += part
      const url = /^forebay ready (\S+)$/m.exec(text)?.[1]
      if (url === undefined) return
      clearTimeout(timer)
      resolve(url)
    })
    void exited.then(() => {
      clearTimeout(timer)
      reject(new Error(`the server ended before it was ready\n${log()}`))
    })
  })
}
