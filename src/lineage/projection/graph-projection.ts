/**
 * What the graph's thread does, turn by turn, beside the recorder's: a turn projects a slice of the log, then a chore (checkpoint,
 * truncation, rebuild) gets one of its slices. Commits do not wait for it; what it writes into the log itself (marks, checkpoints)
 * are short transactions between theirs.
 */
import { toErrorRecord } from '../../model/errors.js'
import { fromSqliteError } from '../database.js'
import { LineageLog, lineageFiles } from '../log/lineage-log.js'
import { excessEvents, isOld } from '../log/retention.js'
import {
  type Chore,
  catchUpWithCheckpoint,
  checkpointAndTruncate,
  isBehindCheckpoint,
  offsetAt,
  rebuildGraph,
  truncationBegun,
  verifyGraph,
} from './chores.js'
import { GraphDatabase } from './graph-database.js'
import type { FromGraph, GraphThreadData, ToGraph } from './graph-messages.js'

/** A slice when little is to be done; what is far behind gets longer ones, whose events add up to fewer rows. */
const sliceMsMin = 10
const sliceMsMax = 100
/** Events behind for each millisecond of a slice. */
const eventsPerSliceMs = 50
/** While writers come, projection pauses this many times as long as its slice was. */
const pausePerSlice = 1
/** A slice that the disk held up is no reason to pause for long. */
const pauseMsMax = 100
/** Writers who wrote so recently are taken to come again. */
const busyMs = 100
/** Events behind at which projection no longer pauses. */
const lagPatience = 50_000
/** Pause before a graph that could not be written is tried again. */
const retryMs = 1000

type CallMessage = Extract<ToGraph, { type: 'call' }>
type Done = (error?: unknown, value?: unknown) => void

export class GraphProjection {
  readonly #data: GraphThreadData
  readonly #send: (message: FromGraph) => void
  readonly #onClosed: () => void
  readonly #log: LineageLog
  readonly #graph: GraphDatabase
  readonly #graphPath: string
  readonly #chores: { readonly run: Chore<unknown>; readonly projects: boolean; readonly done: Done }[] = []
  readonly #awaiting: { readonly offset: number; readonly request: number }[] = []
  #now: number
  #msPerEvent = 0.1
  #projectAfter = 0
  #committedAt = Number.NEGATIVE_INFINITY
  #projectedAt = Number.NEGATIVE_INFINITY
  /** How long the last slice was. */
  #projectionTook = 0
  #pauseTimer: NodeJS.Timeout | undefined
  #upkeepDue = true
  #upkeepFails = false
  #scheduled = false
  #closed = false

  constructor(data: GraphThreadData, send: (message: FromGraph) => void, onClosed: () => void) {
    this.#data = data
    this.#send = send
    this.#onClosed = onClosed
    this.#now = data.now
    const files = lineageFiles(data.folder)
    this.#log = LineageLog.openBeside(files.log, data.limits.logBytesMax)
    this.#graph = new GraphDatabase(files.graph, this.#log, (event) => send({ type: 'set-aside', event }))
    this.#graphPath = files.graph
    if (isBehindCheckpoint(this.#log, this.#graph)) this.#startOver()
    const begun = truncationBegun(this.#log)
    if (begun !== undefined) this.#queueTruncation(begun, (error) => this.#tellUpkeep(error))
    send({ type: 'opened' })
    this.#tellProgress()
    this.#schedule()
  }

  receive(message: ToGraph): void {
    if (this.#closed) return
    if (message.type === 'committed') {
      this.#now = message.now
      this.#committedAt = performance.now()
      this.#log.reaches(message.next)
    } else if (message.type === 'upkeep') this.#upkeepDue = true
    else this.#answer(message)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (!this.#closed) this.#turn()
    })
  }

  #turn(): void {
    const more = this.#pauses() ? false : this.#project()
    this.#answerProjected()
    const chores = this.#runChore()
    if (more || chores) this.#schedule()
  }

  /** Whether projection waits for a while, since writers come; sees to it that it goes on after that. */
  #pauses(): boolean {
    const now = performance.now()
    const until = this.#projectedAt + Math.min(pauseMsMax, pausePerSlice * this.#projectionTook)
    const isBusy = now - this.#committedAt < busyMs && this.#log.next() - this.#graph.offset() < lagPatience
    if (!isBusy || now >= until || this.#awaiting.length > 0) return false
    this.#pauseTimer ??= setTimeout(() => {
      this.#pauseTimer = undefined
      this.#schedule()
    }, until - now)
    return true
  }

  /** Projects a slice; true when more is left. A graph that cannot be written is tried again later. */
  #project(): boolean {
    if (this.#chores.some((chore) => chore.projects) || performance.now() < this.#projectAfter) return false
    try {
      return this.#advance()
    } catch {
      return this.#projectLater()
    }
  }

  #projectLater(): boolean {
    this.#projectAfter = performance.now() + retryMs
    setTimeout(() => this.#schedule(), retryMs + 1).unref()
    return false
  }

  #advance(): boolean {
    if (isBehindCheckpoint(this.#log, this.#graph)) {
      this.#startOver()
      return true
    }
    const left = this.#log.next() - this.#graph.offset()
    if (left <= 0) return false
    const sliceMs = Math.min(sliceMsMax, Math.max(sliceMsMin, left / eventsPerSliceMs))
    const startedAt = performance.now()
    const count = this.#graph.advance(Math.max(1, Math.min(left, Math.ceil(sliceMs / this.#msPerEvent))))
    this.#projectedAt = performance.now()
    this.#projectionTook = this.#projectedAt - startedAt
    if (count > 0) this.#msPerEvent = Math.max(0.005, 0.8 * this.#msPerEvent + (0.2 * this.#projectionTook) / count)
    this.#tellProgress()
    return left > count
  }

  #tellProgress(): void {
    this.#send({ type: 'progress', offset: this.#graph.offset(), setAside: this.#graph.setAside() })
  }

  #runChore(): boolean {
    const chore = this.#chores[0]
    if (chore === undefined) return this.#upkeepSafely()
    try {
      const step = chore.run.next()
      if (step.done !== true) return true
      this.#tellProgress()
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
    const from = this.#log.from()
    const next = this.#log.next()
    const oldest = this.#log.sql.first<[number]>('SELECT arrived FROM log ORDER BY offset LIMIT 1')?.[0]
    const extent = { events: next - from, from, next, bytes: this.#log.bytes(), oldest }
    const excess = excessEvents(extent, limits)
    const old = isOld(extent, limits, this.#now) ? offsetAt(this.#log, this.#now - limits.eventAgeMsMax) : 0
    const upTo = Math.max(excess === 0 ? 0 : from + excess, old)
    if (upTo <= from) return false
    this.#queueTruncation(upTo, (error) => this.#tellUpkeep(error))
    return true
  }

  /** A log that cannot be truncated grows: told once, until it can. */
  #tellUpkeep(error: unknown): void {
    if (error !== undefined && !this.#upkeepFails) {
      this.#send({ type: 'failure', error: toErrorRecord(fromSqliteError(error, 'a checkpoint of the lineage graph')) })
    }
    this.#upkeepFails = error !== undefined
  }

  #queueTruncation(upTo: number, done: Done): void {
    const { queriesMax } = this.#data.limits
    this.#chores.push({
      run: checkpointAndTruncate(this.#log, this.#graph, this.#graphPath, upTo, queriesMax),
      projects: false,
      done: (error, value) => {
        this.#send({ type: 'truncated' })
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

  #answer({ name, request, arguments: [argument] }: CallMessage): void {
    const done: Done = (error, value) => {
      if (error === undefined) this.#send({ type: 'answer', request, value })
      else this.#send({ type: 'answer', request, error: toErrorRecord(fromSqliteError(error, 'the lineage graph')) })
    }
    try {
      if (name === 'projected') this.#awaiting.push({ offset: argument as number, request })
      else if (name === 'existing') done(undefined, this.#graph.existing())
      else if (name === 'checkpoint') this.#queueTruncation(this.#demandedTruncation(argument as number | undefined), done)
      else if (name === 'verify') this.#chores.push({ run: verifyGraph(this.#log, this.#graphPath), projects: false, done })
      else if (name === 'rebuild') {
        this.#chores.push({ run: rebuildGraph(this.#log, this.#graph, this.#graphPath), projects: true, done })
      } else this.#close(request)
    } catch (error) {
      done(error)
    }
  }

  #demandedTruncation(olderThanMs: number | undefined): number {
    const { limits } = this.#data
    const age = Math.min(limits.eventAgeMsMax, olderThanMs ?? limits.eventAgeMsMax)
    return Math.max(this.#log.next() - limits.eventsMax, offsetAt(this.#log, this.#now - age))
  }

  #answerProjected(): void {
    const offset = this.#graph.offset()
    while (this.#awaiting[0] !== undefined && this.#awaiting[0].offset <= offset) {
      const first = this.#awaiting.shift()
      if (first !== undefined) this.#send({ type: 'answer', request: first.request })
    }
  }

  #close(request: number): void {
    this.#closed = true
    clearTimeout(this.#pauseTimer)
    for (const chore of this.#chores) chore.run.return(undefined)
    this.#graph.close()
    this.#log.close()
    this.#send({ type: 'answer', request })
    this.#onClosed()
  }
}
