/**
 * One query from submission to its end, as the outside holds it. States: queued → planning → waiting → running → finished,
 * failed or cancelled. What ends it early is one abort with one reason: cancel, deadline, or giving way.
 */

import { ForebayError, toErrorRecord } from '../../model/errors.js'
import { clientNode } from '../../model/node.js'
import type { Plan, QueryId, QueryRequest, QueryState, QueryStats, QueryStatus } from '../../model/query.js'
import type { Resources } from '../../model/resources.js'
import type { SegmentId } from '../../model/segment.js'
import type { Execution, QueryResult } from '../engine.js'
import { answerStatement, type StatementAnswer } from './answer-statement.js'
import { literalsHash } from './ask-prediction.js'
import type { EngineParts } from './engine-parts.js'
import { QueryAccounts } from './run/query-accounts.js'
import { QueryProgress } from './run/query-progress.js'
import type { QueryRun } from './run/run-plan.js'

export interface ExecutionOptions {
  readonly parts: EngineParts
  readonly queryId: QueryId
  readonly request: QueryRequest
  /** Work of the engine's own (computing ahead, probes): no history, no arrivals. */
  readonly internal: boolean
  /** Gives up at once when a query of a client comes. */
  readonly givesWay: boolean
  readonly onEnd: () => void
}

export class QueryExecution implements Execution {
  readonly queryId: QueryId
  readonly result: Promise<QueryResult>
  readonly ended: Promise<void>
  readonly #options: ExecutionOptions
  readonly #abort = new AbortController()
  readonly #progress: QueryProgress
  readonly #accounts = new QueryAccounts()
  readonly #deadline: NodeJS.Timeout
  #isSettled = false
  #meanwhile: Promise<void> = Promise.resolve()
  #resolveEnded = (): void => {}

  constructor(options: ExecutionOptions) {
    const { request, parts } = options
    this.#options = options
    this.queryId = options.queryId
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    this.#progress = new QueryProgress(options.queryId, request, parts.clock.now())
    this.#deadline = setTimeout(() => this.#abort.abort(late(request)), Math.min(request.timeoutMs, 2 ** 31 - 1))
    this.#deadline.unref()
    this.#tell()
    this.result = this.#run()
    // A client that went away does not wait for it; the error stands in the status.
    this.result.catch(() => {})
  }

  status(): QueryStatus {
    return this.#progress.status()
  }

  cancel(reason: string): void {
    this.#abort.abort(new ForebayError('CANCELLED', `the query was cancelled: ${reason}`))
  }

  /** CPU milliseconds and bytes that its tasks took so far. */
  cost(): { readonly cpuMs: number; readonly wallMs: number } {
    return { cpuMs: this.#accounts.cpuMs(), wallMs: this.#accounts.wallMs() }
  }

  async #run(): Promise<QueryResult> {
    // Whoever submits has the execution in hand before anything can end it.
    await Promise.resolve()
    try {
      const answer = await answerStatement(this.#options.parts, this.#queryRun(), (plan) => this.#planned(plan))
      if (answer.stream !== undefined) return this.#streamed(answer, answer.stream)
      const bytes = answer.inline ?? new Uint8Array()
      this.#finish(answer, answer.rows, bytes.length)
      const { columns, contentType, count } = answer
      return { columns, contentType, body: once(bytes), ...(count === undefined ? {} : { count }) }
    } catch (error) {
      throw this.#fail(error)
    }
  }

  #queryRun(): QueryRun {
    const { parts, request, givesWay } = this.#options
    const run: QueryRun = {
      queryId: this.queryId,
      request,
      signal: this.#abort.signal,
      progress: this.#progress,
      accounts: this.#accounts,
      deadlineAt: Date.now() + request.timeoutMs,
      enter: (state) => this.#enter(state),
      dispatched: () => {
        this.#accounts.dispatchedAt ??= performance.now()
        this.#progress.startedAt ??= parts.clock.now()
      },
      meanwhile: (work) => {
        const sent = new Promise<void>((resolve) => setImmediate(resolve))
        this.#meanwhile = Promise.all([this.#meanwhile, sent]).then(work).catch(parts.onError)
      },
    }
    if (!givesWay) return run
    return { ...run, onPreempt: () => this.cancel('a query of a client came first') }
  }

  #planned(plan: Plan): void {
    const { parts, request, internal } = this.#options
    const first = this.#progress.fingerprint === undefined
    this.#progress.template = plan.template
    this.#progress.fingerprint = plan.fingerprint
    this.#accounts.planned(plan)
    if (!first || internal || plan.statement.kind !== 'select' || request.priority === 'background') return
    parts.emit({
      type: 'arrival',
      queryId: this.queryId,
      at: this.#progress.submittedAt,
      tenant: request.tenant,
      fingerprint: plan.fingerprint,
      sql: request.sql,
      params: request.params,
      timeZone: request.timeZone,
      literals: literalsHash(plan, request),
      datasets: [...new Set(plan.reads.map((read) => read.dataset))],
    })
  }

  #enter(state: QueryState): void {
    if (this.#progress.state === state) return
    this.#progress.state = state
    if (state === 'running') this.#progress.why = this.#options.parts.queueAway
    this.#tell()
  }

  #streamed(answer: StatementAnswer, stream: NonNullable<StatementAnswer['stream']>): QueryResult {
    const finish = (rows: number, bytes: number): void => this.#finish(answer, rows, bytes)
    const fail = (error: unknown): ForebayError => this.#fail(error)
    const abandon = (): void => {
      this.cancel('its result was not read to the end')
      fail(this.#abort.signal.reason)
    }
    // A result that nobody reads ends with the query's cancel, its deadline or the node's patience.
    this.#abort.signal.addEventListener('abort', () => fail(this.#abort.signal.reason), { once: true })
    stream.ended.catch(fail)
    const accounts = this.#accounts
    async function* body(): AsyncIterable<Uint8Array> {
      let bytes = 0
      let over = false
      try {
        for await (const piece of stream.pieces) {
          bytes += piece.length
          yield piece
        }
        const { rows, report } = await stream.ended
        over = true
        if (report !== undefined) accounts.streamed(answer.node, report)
        finish(rows, bytes)
      } catch (error) {
        over = true
        throw fail(error)
      } finally {
        if (!over) abandon()
      }
    }
    return { columns: answer.columns, contentType: answer.contentType, body: body() }
  }

  #finish(answer: StatementAnswer, rows: number, bytes: number): void {
    if (this.#isSettled) return
    const at = this.#options.parts.clock.now()
    const actual = this.#accounts.actual(rows, bytes)
    this.#progress.actual = actual
    this.#progress.finishedAt = at
    this.#settle('finished')
    // The answer leaves first: whoever waits for it need not wait for those who watch and learn.
    setImmediate(() => void this.#end(() => this.#learn(answer, rows, bytes, at, actual)))
  }

  #learn(answer: StatementAnswer, rows: number, bytes: number, at: number, actual: Resources & QueryStats): void {
    const { parts, internal } = this.#options
    if (answer.segment !== undefined) this.#recordAnswer(answer, answer.segment, rows, bytes)
    const finished = !this.#accounts.reused && !internal
    parts.predictions.observe({ queryId: this.queryId, at, finished, actual, nodes: this.#accounts.nodes() })
  }

  #recordAnswer(answer: StatementAnswer, segment: SegmentId, rows: number, bytes: number): void {
    const { parts, request } = this.#options
    const at = parts.lineage.micros()
    const transfer = {
      segment,
      source: answer.node,
      destination: clientNode,
      via: 'network',
      bytes,
      rows,
      micros: 0,
      at,
    } as const
    parts.lineage.record([
      {
        kind: 'answer',
        id: `answer:${this.queryId}`,
        at,
        queryId: this.queryId,
        tenant: request.tenant,
        template: this.#progress.fingerprint ?? '',
        segment,
        columns: answer.columns,
        transfer,
        reused: this.#accounts.reused,
      },
    ])
  }

  #fail(error: unknown): ForebayError {
    const { parts, request } = this.#options
    const told = toErrorRecord(this.#abort.signal.aborted ? this.#abort.signal.reason : error)
    // A node that notices first knows the deadline and not how long the query was given.
    const record = { ...(told.code === 'DEADLINE_EXCEEDED' ? toErrorRecord(late(request)) : told), queryId: this.queryId }
    const failure = new ForebayError(record.code, record.message, { ...record, cause: error })
    if (this.#isSettled) return failure
    if (record.code === 'INTERNAL') parts.onError(error)
    this.#progress.error = record
    const at = parts.clock.now()
    const actual = this.#accounts.actual(0, 0)
    this.#progress.actual = actual
    this.#progress.finishedAt = at
    this.#settle(record.code === 'CANCELLED' ? 'cancelled' : 'failed')
    void this.#end(() => parts.predictions.observe({ queryId: this.queryId, at, finished: false, actual, nodes: [] }))
    return failure
  }

  /** From here on the query's state does not change; what was predicted of it may still come in. */
  #settle(state: 'finished' | 'failed' | 'cancelled'): void {
    this.#isSettled = true
    clearTimeout(this.#deadline)
    this.#progress.state = state
  }

  /** Tells those who watch and learn, once all is known. What is amiss with them is no failure of the query. */
  async #end(learn: () => void): Promise<void> {
    const { parts, internal, onEnd } = this.#options
    await this.#meanwhile
    try {
      learn()
      if (!internal) parts.recorder.saveQuery(this.status())
    } catch (error) {
      parts.onError(error)
    }
    onEnd()
    this.#resolveEnded()
    this.#tell()
  }

  #tell(): void {
    const { parts, internal } = this.#options
    if (!internal) parts.emit({ type: 'query', status: this.status() })
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  if (bytes.length > 0) yield bytes
}

function late({ timeoutMs }: QueryRequest): ForebayError {
  return new ForebayError('DEADLINE_EXCEEDED', `the query did not finish within ${timeoutMs} ms`)
}
