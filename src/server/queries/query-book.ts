/**
 * The queries that clients know by their id. A query of `POST /v1/query` lives as long as its answer streams; one of
 * `POST /v1/queries` was promised: its request is durable before 202 goes out, its answer is kept, and after a restart what had not
 * ended runs again under the same id (a write carries its id as idempotency key, so that it is never made twice). What
 * ended is remembered for a while here, for ever (as far as retention goes) in the history.
 */
import type { Engine, Execution, QueryResult } from '../../engine/engine.js'
import type { Clock } from '../../model/clock.js'
import { ForebayError, fromErrorRecord, toErrorRecord } from '../../model/errors.js'
import type { QueryRequest, QueryStatus, ResultFormat } from '../../model/query.js'
import type { Journal } from '../../queue/embedded/journal.js'
import { frameResult } from '../http/result-frame.js'
import { newQueryId } from './query-id.js'
import type { KeptResult, ResultStore } from './result-store.js'

export interface QueryBookOptions {
  readonly engine: Pick<Engine, 'submit'>
  readonly clock: Pick<Clock, 'now'>
  readonly results: ResultStore
  /** Requests that were promised an answer, by query. */
  readonly promises: Pick<Journal, 'put' | 'done' | 'entries'>
  /** A query of the history. */
  readonly past: (queryId: string) => Promise<QueryStatus | undefined>
  readonly onError: (error: unknown) => void
}

interface Entry {
  readonly execution: Execution
  /** Settles when the answer is kept; only of promised queries. */
  readonly kept?: Promise<KeptResult>
}

/** A query whose answer streams to its client. */
export interface RunningQuery {
  readonly execution: Execution
  /** To be called when nothing more is sent. */
  readonly over: () => void
}

/** Queries that have ended and are still answered for from memory, and how long their texts are together. */
const endedMax = 1_000
const endedTextMax = 64_000_000

export class QueryBook {
  readonly #options: QueryBookOptions
  readonly #live = new Map<string, Entry>()
  readonly #ended = new Map<string, QueryStatus>()
  /** What gives the answer of a promised query again and changes nothing, as long as the query is in one of the maps above. */
  readonly #again = new Map<string, QueryRequest>()
  #endedText = 0
  /** What an earlier run promised, and did not bring to an end. */
  #promised: readonly (readonly [string, QueryRequest])[]
  /** Promises that are being made durable. */
  #promising = 0
  #closed = false

  constructor(options: QueryBookOptions) {
    this.#options = options
    this.#promised = [...options.promises.entries()] as readonly (readonly [string, QueryRequest])[]
  }

  /** Starts a query whose answer is streamed by the caller, who says when it is over, and may bring an id of its own. */
  run(request: QueryRequest, wantedId?: string): RunningQuery {
    if (wantedId !== undefined && this.#isTaken(wantedId)) throw taken(wantedId)
    const execution = this.#submit(wantedId ?? newQueryId(this.#options.clock.now()), request)
    const { queryId } = execution
    this.#live.set(queryId, { execution })
    return { execution, over: () => this.#end(queryId) }
  }

  /** Promises an answer, under an id of the caller's if it brings one: resolves when the promise is durable and the query has been started. */
  async promise(request: QueryRequest, wantedId?: string): Promise<QueryStatus> {
    if (wantedId !== undefined) {
      const past = await this.#options.past(wantedId)
      if (past !== undefined || this.#isTaken(wantedId)) throw taken(wantedId)
    }
    const queryId = wantedId ?? newQueryId(this.#options.clock.now())
    const kept: QueryRequest = { ...request, idempotencyKey: request.idempotencyKey ?? queryId }
    this.#promising++
    try {
      await this.#options.promises.put(queryId, kept)
      return this.#startPromised(queryId, kept).status()
    } finally {
      this.#promising--
    }
  }

  /** Takes up what an earlier run promised and did not bring to an end. */
  async resume(): Promise<number> {
    const promised = this.#promised
    this.#promised = []
    for (const [queryId, request] of promised) {
      if (this.#options.results.find(queryId) === undefined) this.#startPromised(queryId, request)
      else await this.#options.promises.done(queryId)
    }
    return promised.length
  }

  /** A query's status, live or past. NOT_FOUND when there is none of this id. */
  async status(queryId: string): Promise<QueryStatus> {
    const known = this.#live.get(queryId)?.execution.status() ?? this.#ended.get(queryId) ?? (await this.#options.past(queryId))
    if (known !== undefined) return known
    throw new ForebayError('NOT_FOUND', `there is no query "${queryId}"`, { hint: 'GET /v1/queries lists them' })
  }

  /** Queries under way. */
  running(): readonly QueryStatus[] {
    return [...this.#live.values()].map(({ execution }) => execution.status())
  }

  /** The kept answer of a promised query, when it is there. Rejects with the query's error. */
  async result(queryId: string): Promise<KeptResult> {
    const entry = this.#live.get(queryId)
    if (entry?.kept !== undefined) return entry.kept
    const kept = this.#options.results.find(queryId)
    if (kept !== undefined) return kept
    const status = await this.status(queryId)
    if (status.error !== undefined) throw fromErrorRecord({ ...status.error, queryId })
    throw new ForebayError('NOT_FOUND', `the answer of query "${queryId}" is not kept`, {
      hint: 'only answers of POST /v1/queries are kept, until newer ones need their space; run it again',
      queryId,
    })
  }

  /**
   * The answer of a promised query in another format than the one it is kept in: a SELECT once more, which finds the stored
   * answer as long as the data is the same, and of a write its count alone.
   */
  runAgain(queryId: string, kept: KeptResult, format: ResultFormat): RunningQuery {
    const request = this.#again.get(queryId)
    if (request !== undefined) return this.run({ ...request, format, reuse: true })
    throw new ForebayError('REQUEST_INVALID', `the answer of query "${queryId}" is kept as ${kept.format}`, {
      hint: 'ask for it in that format, or run the query again',
      queryId,
    })
  }

  /** Cancels a query. False when it is over already; NOT_FOUND when it is not known. */
  async cancel(queryId: string, reason: string): Promise<boolean> {
    const entry = this.#live.get(queryId)
    if (entry === undefined) {
      await this.status(queryId)
      return false
    }
    entry.execution.cancel(reason)
    return true
  }

  /** Waits until no query is under way, or until `signal`; then cancels the rest. New promises stay for the next run. */
  async drain(signal: AbortSignal): Promise<void> {
    const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20))
    while ((this.#live.size > 0 || this.#promising > 0) && !signal.aborted) await wait()
    this.#closed = true
    for (const { execution } of this.#live.values()) execution.cancel('the server stops')
  }

  #isTaken(queryId: string): boolean {
    const { promises, results } = this.#options
    if (this.#live.has(queryId) || this.#ended.has(queryId)) return true
    return promises.entries().has(queryId) || results.find(queryId) !== undefined
  }

  #submit(queryId: string, request: QueryRequest): Execution {
    if (this.#closed) throw new ForebayError('UNAVAILABLE', 'the server is stopping')
    return this.#options.engine.submit(queryId, request)
  }

  #startPromised(queryId: string, request: QueryRequest): Execution {
    const execution = this.#submit(queryId, request)
    const kept = this.#keep(execution, request)
    this.#live.set(queryId, { execution, kept })
    // Nobody may be waiting for it: the error is told by the status and by whoever asks for the result.
    kept.catch(() => {})
    return execution
  }

  async #keep(execution: Execution, request: QueryRequest): Promise<KeptResult> {
    const { queryId } = execution
    const { results, promises, onError } = this.#options
    try {
      const result = await execution.result
      this.#counted(queryId, () => this.#again.set(queryId, withoutWriting(request, result)))
      const kept = await results.keep(
        queryId,
        request.format,
        untilBroken(frameResult(execution, result, request.format), execution),
      )
      return kept
    } catch (error) {
      execution.cancel(error instanceof Error ? error.message : String(error))
      throw fromErrorRecord({ ...toErrorRecord(error), queryId })
    } finally {
      this.#end(queryId)
      // A query that the stop of the server cut off stays promised.
      if (!this.#closed) promises.done(queryId).catch(onError)
    }
  }

  #end(queryId: string): void {
    const entry = this.#live.get(queryId)
    if (entry === undefined) return
    this.#live.delete(queryId)
    this.#remember(entry.execution)
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= endedMax && this.#endedText <= endedTextMax) return
      this.#endedText -= this.#textOf(oldest)
      this.#ended.delete(oldest)
      this.#again.delete(oldest)
    }
  }

  #counted(queryId: string, change: () => void): void {
    this.#endedText -= this.#textOf(queryId)
    change()
    this.#endedText += this.#textOf(queryId)
  }

  /** Characters of what may be long about a query that has ended. */
  #textOf(queryId: string): number {
    const status = this.#ended.get(queryId)
    if (status === undefined) return 0
    const { sql, template = '' } = status
    return sql.length + template.length + JSON.stringify(this.#again.get(queryId)?.params ?? {}).length
  }

  /** Keeps what is known of a query, and its last word once there is one: an answer leaves before all about its query is settled. */
  #remember(execution: Execution): void {
    const { queryId } = execution
    const note = (): void => this.#counted(queryId, () => this.#ended.set(queryId, execution.status()))
    note()
    execution.ended.then(() => {
      if (this.#ended.has(queryId)) note()
    }, this.#options.onError)
  }
}

const taken = (queryId: string): ForebayError =>
  new ForebayError('CONFLICT', `there is a query "${queryId}" already`, { hint: 'leave the id to the server' })

/** A statement that wrote something is not run again: what it counted is selected. */
function withoutWriting(request: QueryRequest, { count }: QueryResult): QueryRequest {
  return count === undefined ? request : { ...request, sql: `SELECT ${count}::BIGINT AS "Count"`, params: {} }
}

/** A framed answer whose query failed is not kept: JSON would end it with an `error` member instead of throwing. */
async function* untilBroken(body: AsyncIterable<Uint8Array>, execution: Execution): AsyncGenerator<Uint8Array> {
  yield* body
  const { error } = execution.status()
  if (error !== undefined) throw fromErrorRecord(error)
}
