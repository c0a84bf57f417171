import type { FooterResult } from '../../model/catalogue.js'
import { entryPoint } from '../../model/entry-point.js'
import { ForebayError, fileUnreadable, toErrorRecord } from '../../model/errors.js'
import { Child } from '../planner/child.js'
import type { FromFooterReader, ToFooterReader } from '../planner/messages.js'
import type { UnionResult } from '../planner.js'

/** Files in one request to the process: an answer stays below a few megabytes and a cancel takes effect soon. */
const filesPerRequest = 32
/** A file whose footer alone takes longer than this is taken for broken. */
const requestMsMax = 20_000

/**
 * Reads footers in a process that is started when it is needed and ended when it has been idle. A broken file may crash it:
 * then the files are halved until the one is found and named, and the others still answer.
 */
export class FooterReader {
  readonly #child = new Child<ToFooterReader, FromFooterReader>(entryPoint('./main.js', import.meta.url))
  readonly #idleMs: number
  readonly #onLost: () => void
  #last: Promise<unknown> = Promise.resolve()
  #lastId = 0
  #closed = false
  #idle: NodeJS.Timeout | undefined

  constructor(idleMs: number, onLost: () => void) {
    this.#idleMs = idleMs
    this.#onLost = onLost
  }

  /** Results in the order of the paths. */
  read(paths: readonly string[], signal: AbortSignal): Promise<readonly FooterResult[]> {
    return this.#inTurn(async () => {
      const results: FooterResult[] = []
      for (let at = 0; at < paths.length; at += filesPerRequest) {
        results.push(...(await this.#readSome(paths.slice(at, at + filesPerRequest), signal)))
      }
      return results
    })
  }

  /** Columns of the files read together. */
  describe(paths: readonly string[], signal: AbortSignal): Promise<UnionResult> {
    return this.#inTurn(async () => {
      const answer = await this.#ask({ type: 'describe', id: ++this.#lastId, paths }, signal)
      if (answer?.type === 'described') return answer.result
      return { error: toErrorRecord(fileUnreadable(`one of ${paths.length} files cannot be read: the reader crashed on them`)) }
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idle)
    await this.#child.kill()
  }

  async #readSome(paths: readonly string[], signal: AbortSignal, isRetry = false): Promise<readonly FooterResult[]> {
    const answer = await this.#ask({ type: 'footers', id: ++this.#lastId, paths }, signal)
    if (answer?.type === 'footers') return answer.footers
    const [only, ...more] = paths
    if (only !== undefined && more.length === 0) {
      // The process may have died of something else: a file is named only after it did it twice.
      if (!isRetry) return this.#readSome(paths, signal, true)
      return [{ path: only, error: toErrorRecord(fileUnreadable(`file "${only}" is not readable: it crashed the reader`)) }]
    }
    const half = paths.length >> 1
    return [...(await this.#readSome(paths.slice(0, half), signal)), ...(await this.#readSome(paths.slice(half), signal))]
  }

  /** The answer, or undefined when the process crashed or hung on the request. */
  async #ask(message: ToFooterReader, signal: AbortSignal): Promise<FromFooterReader | undefined> {
    if (signal.aborted) throw new ForebayError('CANCELLED', 'reading footers was cancelled')
    const kill = (): void => void this.#child.kill()
    const timer = setTimeout(kill, requestMsMax)
    signal.addEventListener('abort', kill, { once: true })
    try {
      await this.#start()
      return await this.#child.ask(message)
    } catch (error) {
      if (error instanceof ForebayError) throw error
      if (signal.aborted) throw new ForebayError('CANCELLED', 'reading footers was cancelled')
      this.#onLost()
      return undefined
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', kill)
    }
  }

  async #start(): Promise<void> {
    try {
      await this.#child.start()
    } catch (cause) {
      throw new ForebayError('UNAVAILABLE', 'the footer reader could not be started', { cause })
    }
  }

  /** One request after the other; after the last one the process may go. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    clearTimeout(this.#idle)
    const turn = this.#last.then(work)
    this.#last = turn
      .catch(() => undefined)
      .then(() => {
        clearTimeout(this.#idle)
        if (this.#closed) return this.#child.kill()
        this.#idle = setTimeout(() => void this.#child.kill(), this.#idleMs)
        this.#idle.unref()
        return undefined
      })
    return turn
  }
}
