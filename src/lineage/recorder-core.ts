/**
 * What the recorder's thread does, turn by turn. A turn commits everything that has come in as one transaction with one fsync and
 * acknowledges it; then projection gets a slice, now and then while writers wait, else at once, and a chore (checkpoint,
 * truncation, rebuild) gets one of its slices. So writers, readers and upkeep all go on under any load.
 */
import { mkdirSync } from 'node:fs'
import { ForebayError, toErrorRecord } from '../model/errors.js'
import {
  type Chore,
  catchUpWithCheckpoint,
  checkpointAndTruncate,
  isBehindCheckpoint,
  offsetAt,
  rebuildGraph,
  verifyGraph,
} from './chores.js'
import { fromSqliteError, inTransaction, writeAheadBytes } from './database.js'
import { GraphDatabase } from './graph-database.js'
import { LineageLog, lineageFiles } from './lineage-log.js'
import { makeRoom } from './log-room.js'
import { failInterrupted, saveQueryRow, trimHistory } from './query-history.js'
import type { CallName, FromRecorder, QueryRow, RecorderThreadData, ToRecorder, Write } from './recorder-messages.js'
import type { GraphReport, RecorderStats } from './recorder-port.js'
import { excessEvents, isOld } from './retention.js'
import { StoreSupervisor } from './store-supervisor.js'

/** A slice of projection when little is to be done; what is far behind gets longer ones, whose events add up to fewer rows. */
const sliceMsMin = 10
const sliceMsMax = 100
/** Events behind for each millisecond of a slice. */
const eventsPerSliceMs = 50
/** While writers come, projection pauses this many times as long as its slice was: transactions are better few and large. */
const pausePerSlice = 4
/** Writers who wrote so recently are taken to come again. */
const busyMs = 5
/** Events behind at which projection no longer lets writers go first. */
const lagPatience = 50_000
const upkeepEveryCommits = 200
/** A log that few write into does not take the room. */
const roomAfterCommits = 50
const progressEveryMs = 50
/** Pause before a graph that could not be written is tried again. */
const retryMs = 1000
/** Results of a query that are kept for as long as its history, on the average; most have one. */
const resultsPerQuery = 2
/** Statuses kept in memory while the disk refuses them. */
const queriesHeldMax = 10_000

type CallMessage = Extract<ToRecorder, { type: 'call' }>
type WritesMessage = Extract<ToRecorder, { type: 'writes' }>

export class RecorderCore {
  readonly #data: RecorderThreadData
  readonly #send: (message: FromRecorder) => void
  readonly #onClosed: () => void
  readonly #log: LineageLog
  readonly #graph: GraphDatabase
  readonly #graphPath: string
  readonly #logPath: string
  readonly #stores: readonly StoreSupervisor[]
  readonly #chores: {
    readonly run: Chore<unknown>
    readonly projects: boolean
    readonly done: (error?: unknown, value?: unknown) => void
  }[] = []
  readonly #heldQueries = new Map<string, QueryRow>()
  readonly #commitMs: number[] = []
  readonly #awaiting: { readonly offset: number; readonly request: number }[] = []
  #writes: WritesMessage[] = []
  #calls: CallMessage[] = []
  #events = 0
  #duplicates = 0
  #commits = 0
  #now: number
  #msPerEvent = 0.1
  #projectAfter = 0
  #projectedAt = 0
  /** How long the slice was. */
  #projectionTook = 0
  #committedAt = 0
  #projectTimer: NodeJS.Timeout | undefined
  #reportedAt = 0
  #reported = ''
  #reportTimer: NodeJS.Timeout | undefined
  #logEvents: number
  #upkeepDue = true
  #scheduled = false
  #closed = false

  constructor(data: RecorderThreadData, send: (message: FromRecorder) => void, onClosed: () => void) {
    mkdirSync(data.folder, { recursive: true })
    this.#data = data
    this.#send = send
    this.#onClosed = onClosed
    this.#now = data.now
    const files = lineageFiles(data.folder)
    this.#log = LineageLog.open(files.log, data.limits.logBytesMax)
    this.#graph = new GraphDatabase(files.graph, this.#log, (event) => send({ type: 'set-aside', event }))
    this.#graphPath = files.graph
    this.#logPath = files.log
    this.#logEvents = this.#log.next() - this.#log.from()
    inTransaction(this.#log.database, () => failInterrupted(this.#log.sql, data.now))
    if (isBehindCheckpoint(this.#log, this.#graph)) this.#startOver()
    this.#stores = data.stores.map((store) => new StoreSupervisor(store, data.folder, () => this.#report(false)))
    this.#schedule()
  }

  receive(message: ToRecorder): void {
    if (message.type === 'writes') this.#writes.push(message)
    else this.#calls.push(message)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#turn()
    })
  }

  #turn(): void {
    this.#commit()
    for (const call of this.#calls.splice(0)) this.#answer(call)
    if (this.#closed) return
    const more = this.#isTooSoon() ? this.#projectSoon() : this.#project(this.#sliceMs())
    this.#answerProjected()
    const chores = this.#runChore()
    this.#report(false)
    if (more || chores || this.#writes.length > 0 || this.#calls.length > 0) this.#schedule()
  }

  /** Makes everything that waits durable. */
  #commit(): void {
    const messages = this.#writes
    const last = messages.at(-1)
    if (last === undefined) return
    this.#writes = []
    this.#now = last.now
    const startedAt = performance.now()
    try {
      const { added, offered } = inTransaction(this.#log.database, () => this.#writeAll(messages))
      this.#heldQueries.clear()
      this.#events += added
      this.#logEvents += added
      this.#duplicates += offered - added
      this.#send({ type: 'settled', upTo: last.last })
    } catch (error) {
      this.#log.refresh()
      this.#holdQueries(messages)
      this.#send({ type: 'settled', upTo: last.last, error: toErrorRecord(fromSqliteError(error, 'the lineage log')) })
    }
    this.#committedAt = performance.now()
    if (this.#commitMs.push(this.#committedAt - startedAt) > 1000) this.#commitMs.shift()
    if (++this.#commits % upkeepEveryCommits === 0) this.#upkeepDue = true
    if (this.#commits === roomAfterCommits)
      this.#chores.push({ run: makeRoom(this.#logPath, writeAheadBytes), projects: false, done: () => {} })
  }

  #writeAll(messages: readonly WritesMessage[]): { readonly added: number; readonly offered: number } {
    let added = 0
    let offered = 0
    for (const row of this.#heldQueries.values()) saveQueryRow(this.#log.sql, row)
    for (const { writes, now } of messages) {
      for (const write of writes) {
        if (write.type === 'events') {
          offered += write.ids.length
          added += this.#log.append(write.ids, write.bodies, now)
        } else this.#writeOther(write)
      }
    }
    return { added, offered }
  }

  #writeOther(write: Exclude<Write, { type: 'events' }>): void {
    const { sql } = this.#log
    if (write.type === 'query') saveQueryRow(sql, write.row)
    else if (write.type === 'put') sql.run('INSERT OR REPLACE INTO documents VALUES (?, ?)', write.key, write.json)
    else sql.run('DELETE FROM documents WHERE key = ?', write.key)
  }

  #holdQueries(messages: readonly WritesMessage[]): void {
    for (const { writes } of messages) {
      for (const write of writes) {
        if (write.type === 'query' && this.#heldQueries.size < queriesHeldMax) this.#heldQueries.set(write.row[0], write.row)
      }
    }
  }

  #sliceMs(): number {
    const behind = this.#log.next() - this.#graph.offset()
    return Math.min(sliceMsMax, Math.max(sliceMsMin, behind / eventsPerSliceMs))
  }

  /** Whether writers come now, and projection had its slice a moment ago. */
  #isTooSoon(): boolean {
    const now = performance.now()
    const busy = now - this.#committedAt < busyMs && now - this.#projectedAt < pausePerSlice * this.#projectionTook
    return busy && this.#log.next() - this.#graph.offset() < lagPatience
  }

  /** Sees to it that projection goes on when the writers pause. */
  #projectSoon(): boolean {
    this.#projectTimer ??= setTimeout(() => {
      this.#projectTimer = undefined
      this.#schedule()
    }, busyMs)
    return false
  }

  /** Projects for at most some milliseconds; true when more is left. A graph that cannot be written is tried again later. */
  #project(budgetMs: number): boolean {
    if (this.#chores.some((chore) => chore.projects) || performance.now() < this.#projectAfter) return false
    try {
      return this.#advance(budgetMs)
    } catch {
      return this.#projectLater()
    }
  }

  #projectLater(): boolean {
    this.#projectAfter = performance.now() + retryMs
    setTimeout(() => this.#schedule(), retryMs + 1).unref()
    return false
  }

  #advance(budgetMs: number): boolean {
    if (isBehindCheckpoint(this.#log, this.#graph)) {
      this.#startOver()
      return true
    }
    const left = this.#log.next() - this.#graph.offset()
    if (left <= 0) return false
    const startedAt = performance.now()
    const count = this.#graph.advance(Math.max(1, Math.min(left, Math.ceil(budgetMs / this.#msPerEvent))))
    this.#projectedAt = performance.now()
    this.#projectionTook = this.#projectedAt - startedAt
    if (count > 0) this.#msPerEvent = Math.max(0.005, 0.8 * this.#msPerEvent + (0.2 * this.#projectionTook) / count)
    for (const store of this.#stores) store.wake()
    return left > count
  }

  #runChore(): boolean {
    const chore = this.#chores[0]
    if (chore === undefined) return this.#upkeepSafely()
    try {
      const step = chore.run.next()
      if (step.done !== true) return true
      chore.done(undefined, step.value)
    } catch (error) {
      chore.done(error)
    }
    this.#chores.shift()
    return true
  }

  /** Upkeep that fails (a full disk) comes again with the next commits. */
  #upkeepSafely(): boolean {
    try {
      return this.#upkeep()
    } catch {
      return false
    }
  }

  /** Begins what the limits ask for. */
  #upkeep(): boolean {
    if (!this.#upkeepDue) return false
    this.#upkeepDue = false
    const { limits } = this.#data
    const { sql } = this.#log
    inTransaction(this.#log.database, () => trimHistory(sql, limits.queriesMax))
    const from = this.#log.from()
    const oldest = sql.first<[number]>('SELECT arrived FROM log ORDER BY offset LIMIT 1')?.[0]
    const extent = { events: this.#logEvents, from, next: this.#log.next(), bytes: this.#log.bytes(), oldest }
    const excess = excessEvents(extent, limits)
    const old = isOld(extent, limits, this.#now) ? offsetAt(this.#log, this.#now - limits.eventAgeMsMax) : 0
    const upTo = Math.max(excess === 0 ? 0 : from + excess, old)
    if (upTo <= from) return false
    this.#queueTruncation(upTo, () => {})
    return true
  }

  #queueTruncation(upTo: number, done: (error?: unknown, value?: unknown) => void): void {
    const resultsMax = resultsPerQuery * this.#data.limits.queriesMax
    const run = checkpointAndTruncate(this.#log, this.#graph, this.#graphPath, upTo, resultsMax)
    this.#chores.push({
      run,
      projects: false,
      done: (error, value) => {
        this.#logEvents = this.#log.next() - this.#log.from()
        this.#report(true)
        done(error, value)
      },
    })
  }

  /** Loads the checkpoint before anything else is projected; one that cannot be loaded now is tried again later. */
  #startOver(): void {
    this.#chores.push({
      run: catchUpWithCheckpoint(this.#log, this.#graph),
      projects: true,
      done: (error) => {
        if (error !== undefined) this.#projectLater()
      },
    })
  }

  #answer(call: CallMessage): void {
    const { request } = call
    try {
      if (call.name === 'projected') this.#awaiting.push({ offset: this.#log.next(), request })
      else if (call.name === 'checkpoint')
        this.#answerLater(request, (done) => this.#queueTruncation(this.#demandedTruncation(call.arguments[0] as number), done))
      else if (call.name === 'verify') this.#verify(request, String(call.arguments[0]))
      else if (call.name === 'rebuild') this.#rebuild(request, String(call.arguments[0]))
      else if (call.name === 'close') void this.#close(request)
      else this.#send({ type: 'answer', request, value: this.#lookUp(call.name, String(call.arguments[0])) })
    } catch (error) {
      this.#send({ type: 'answer', request, error: toErrorRecord(error) })
    }
  }

  #lookUp(name: CallName, key: string): unknown {
    const { sql } = this.#log
    if (name === 'get') return sql.first<[string]>('SELECT json FROM documents WHERE key = ?', key)?.[0]
    if (name === 'list') {
      return sql.all('SELECT key, json FROM documents WHERE substr(key, 1, length(?)) = ? ORDER BY key', key, key)
    }
    if (name === 'stores') return this.#stores.map((store) => store.state())
    return this.#graph.existing()
  }

  #demandedTruncation(olderThanMs: number | undefined): number {
    const { limits } = this.#data
    const age = Math.min(limits.eventAgeMsMax, olderThanMs ?? limits.eventAgeMsMax)
    return Math.max(this.#log.next() - limits.eventsMax, offsetAt(this.#log, this.#now - age))
  }

  #verify(request: number, name: string): void {
    this.#answerLater(request, (done) => {
      if (name === 'sqlite') this.#chores.push({ run: verifyGraph(this.#log, this.#graphPath), projects: false, done })
      else this.#answerFrom(this.#store(name).verify(), done)
    })
  }

  #rebuild(request: number, name: string): void {
    if (name === 'sqlite') {
      this.#answerLater(request, (done) => {
        this.#chores.push({ run: rebuildGraph(this.#log, this.#graph, this.#graphPath), projects: true, done })
      })
      return
    }
    const store = this.#store(name)
    this.#answerLater(request, (done) => this.#answerFrom(store.rebuild(), done))
  }

  #store(name: string): StoreSupervisor {
    const store = this.#stores.find((candidate) => candidate.name === name)
    if (store === undefined) throw new ForebayError('NOT_FOUND', `there is no lineage store "${name}"`)
    return store
  }

  #answerFrom(report: Promise<GraphReport>, done: (error?: unknown, value?: unknown) => void): void {
    report.then(
      (value) => done(undefined, value),
      (error: unknown) => done(error),
    )
  }

  #answerLater(request: number, start: (done: (error?: unknown, value?: unknown) => void) => void): void {
    start((error, value) => {
      if (error === undefined) this.#send({ type: 'answer', request, value })
      else this.#send({ type: 'answer', request, error: toErrorRecord(fromSqliteError(error, 'the lineage graph')) })
    })
  }

  #answerProjected(): void {
    const offset = this.#graph.offset()
    if (this.#awaiting[0] === undefined || this.#awaiting[0].offset > offset) return
    this.#report(true)
    while (this.#awaiting[0] !== undefined && this.#awaiting[0].offset <= offset) {
      const first = this.#awaiting.shift()
      if (first !== undefined) this.#send({ type: 'answer', request: first.request })
    }
  }

  /** Tells the lag and the counts when they have changed; not too often, but the last change always. */
  #report(now: boolean): void {
    const lag: Record<string, number> = { sqlite: this.#log.next() - this.#graph.offset() }
    for (const store of this.#stores) lag[store.name] = this.#log.next() - store.offset()
    const text = JSON.stringify([lag, this.#events, this.#duplicates, this.#logEvents, this.#commits])
    if (text === this.#reported) return
    const wait = this.#reportedAt + progressEveryMs - performance.now()
    if (!now && wait > 0) {
      this.#reportTimer ??= setTimeout(() => this.#reportLater(), wait)
      return
    }
    this.#reportedAt = performance.now()
    this.#reported = text
    this.#send({ type: 'progress', lag, stats: this.#stats() })
  }

  #reportLater(): void {
    this.#reportTimer = undefined
    if (!this.#closed) this.#report(true)
  }

  #stats(): RecorderStats {
    const sorted = this.#commitMs.toSorted((a, b) => a - b)
    const quantile = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
    return {
      events: this.#events,
      duplicates: this.#duplicates,
      commits: this.#commits,
      commitMsP50: quantile(0.5),
      commitMsP99: quantile(0.99),
      logEvents: this.#logEvents,
      logFrom: this.#log.next() - this.#logEvents,
      logBytes: this.#log.bytes(),
      setAside: this.#graph.setAside(),
    }
  }

  async #close(request: number): Promise<void> {
    this.#closed = true
    clearTimeout(this.#reportTimer)
    clearTimeout(this.#projectTimer)
    await Promise.all(this.#stores.map((store) => store.close()))
    for (const chore of this.#chores) chore.run.return(undefined)
    this.#graph.close()
    this.#log.close()
    this.#send({ type: 'answer', request })
    this.#onClosed()
  }
}
