/**
 * What the recorder's thread does, turn by turn. A turn commits everything that has come in as one transaction with one fsync and
 * acknowledges it. The graph follows in a thread of its own, so that no writer waits for it.
 */
import { mkdirSync } from 'node:fs'
import { ForebayError, toErrorRecord } from '../../model/errors.js'
import { fromSqliteError, inTransaction, writeAheadBytes } from '../database.js'
import { LineageLog, lineageFiles } from '../log/lineage-log.js'
import { makeRoom } from '../log/log-room.js'
import type { Chore } from '../projection/chores.js'
import type { FromGraph, ToGraph } from '../projection/graph-messages.js'
import { GraphSupervisor } from '../projection/graph-supervisor.js'
import type { RecorderStats } from '../recorder-port.js'
import { StoreSupervisor } from '../remote/store-supervisor.js'
import { failInterrupted, saveQueryRow, trimHistory } from './query-history.js'
import type { FromRecorder, QueryRow, RecorderThreadData, ToRecorder, Write } from './recorder-messages.js'

/** Events that come one by one are gathered for so long before the graph takes them: its transactions are better few and large. */
const gatherMs = 50
const upkeepEveryCommits = 200
/** A log that few write into does not take the room. */
const roomAfterCommits = 50
const progressEveryMs = 50
/** Statuses kept in memory while the disk refuses them. */
const queriesHeldMax = 10_000

type CallMessage = Extract<ToRecorder, { type: 'call' }>
type WritesMessage = Extract<ToRecorder, { type: 'writes' }>

export class RecorderCore {
  readonly #data: RecorderThreadData
  readonly #send: (message: FromRecorder) => void
  readonly #onClosed: () => void
  readonly #log: LineageLog
  readonly #graph: GraphSupervisor
  readonly #logPath: string
  #stores: readonly StoreSupervisor[] = []
  readonly #heldQueries = new Map<string, QueryRow>()
  readonly #commitMs: number[] = []
  #writes: WritesMessage[] = []
  #calls: CallMessage[] = []
  #events = 0
  #duplicates = 0
  #commits = 0
  #now: number
  /** What the graph has come to. */
  #graphOffset = 0
  #setAside = 0
  /** The end of the log that the graph was told of. */
  #told = 0
  #tellTimer: NodeJS.Timeout | undefined
  /** Makes room for the log, once. */
  #room: Chore<void> | undefined
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
    this.#logPath = files.log
    this.#logEvents = this.#log.next() - this.#log.from()
    this.#told = this.#log.next()
    if (!data.again) inTransaction(this.#log.database, () => failInterrupted(this.#log.sql, data.now))
    const { folder, limits, now } = data
    this.#graph = new GraphSupervisor({ folder, limits, now }, (message) => this.#hear(message))
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
    this.#upkeepSafely()
    const more = this.#makeRoom()
    this.#report(false)
    if (more || this.#writes.length > 0 || this.#calls.length > 0) this.#schedule()
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
    if (this.#commitMs.push(performance.now() - startedAt) > 1000) this.#commitMs.shift()
    if (++this.#commits % upkeepEveryCommits === 0) this.#upkeepDue = true
    if (this.#commits === roomAfterCommits) this.#room = makeRoom(this.#log.database, this.#logPath, writeAheadBytes)
    if (this.#told < this.#log.next()) this.#tellTimer ??= setTimeout(() => this.#tellGraph(), gatherMs)
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

  /** Lets the graph take what was committed. */
  #tellGraph(): void {
    clearTimeout(this.#tellTimer)
    this.#tellTimer = undefined
    this.#told = this.#log.next()
    if (!this.#closed) this.#graph.post({ type: 'committed', next: this.#told, now: this.#now })
  }

  #hear(message: FromGraph): void {
    if (this.#closed) return
    if (message.type === 'opened') {
      this.#stores = this.#data.stores.map((store) => new StoreSupervisor(store, this.#data.folder, () => this.#report(false)))
      this.#send(message)
      this.#schedule()
    } else if (message.type === 'not-opened') {
      this.#closed = true
      this.#log.close()
      this.#send(message)
      this.#onClosed()
    } else if (message.type === 'progress') {
      this.#graphOffset = message.offset
      this.#setAside = message.setAside
      for (const store of this.#stores) store.wake()
      this.#report(false)
    } else if (message.type === 'truncated') this.#logEvents = this.#log.next() - this.#log.from()
    else {
      // Who has waited for the graph finds what is told of it up to date.
      if (message.type === 'answer') this.#report(true)
      this.#send(message)
    }
  }

  /** Upkeep that fails (a full disk) comes again with the next commits. */
  #upkeepSafely(): void {
    if (!this.#upkeepDue) return
    this.#upkeepDue = false
    try {
      inTransaction(this.#log.database, () => trimHistory(this.#log.sql, this.#data.limits.queriesMax))
    } catch {}
    this.#graph.post({ type: 'upkeep' })
  }

  /** Makes a slice of the log's room; true when more is to be made. A log without it is slower, no more. */
  #makeRoom(): boolean {
    try {
      if (this.#room?.next().done === false) return true
    } catch {}
    this.#room = undefined
    return false
  }

  #answer(call: CallMessage): void {
    const { request, name } = call
    const argument = String(call.arguments[0])
    const answer = (value: unknown): void => this.#send({ type: 'answer', request, value })
    try {
      if (name === 'get') answer(this.#log.sql.first<[string]>('SELECT json FROM documents WHERE key = ?', argument)?.[0])
      else if (name === 'list') answer(this.#list(argument))
      else if (name === 'stores') answer(this.#stores.map((store) => store.state()))
      else if (name === 'close') void this.#close(request)
      else if (name === 'projected') this.#askGraph({ ...call, name, arguments: [this.#log.next()] })
      else if ((name === 'verify' || name === 'rebuild') && argument !== 'sqlite') this.#askStore(request, name, argument)
      else this.#askGraph({ ...call, name })
    } catch (error) {
      this.#send({ type: 'answer', request, error: toErrorRecord(error) })
    }
  }

  #list(prefix: string): unknown {
    const statement = 'SELECT key, json FROM documents WHERE substr(key, 1, length(?)) = ? ORDER BY key'
    return this.#log.sql.all(statement, prefix, prefix)
  }

  #askGraph(call: Extract<ToGraph, { type: 'call' }>): void {
    this.#tellGraph()
    this.#graph.post(call)
  }

  #askStore(request: number, ask: 'verify' | 'rebuild', name: string): void {
    const store = this.#stores.find((candidate) => candidate.name === name)
    if (store === undefined) throw new ForebayError('NOT_FOUND', `there is no lineage store "${name}"`)
    store[ask]().then(
      (value) => this.#send({ type: 'answer', request, value }),
      (error: unknown) => {
        this.#send({ type: 'answer', request, error: toErrorRecord(fromSqliteError(error, 'the lineage graph')) })
      },
    )
  }

  /** Tells the lag and the counts when they have changed; not too often, but the last change always. */
  #report(now: boolean): void {
    const lag: Record<string, number> = { sqlite: this.#log.next() - this.#graphOffset }
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
      setAside: this.#setAside,
    }
  }

  /** Ends the threads of the graphs; nothing is done any more. */
  async endThreads(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#reportTimer)
    clearTimeout(this.#tellTimer)
    await Promise.all([this.#graph.close(), ...this.#stores.map((store) => store.close())])
  }

  async #close(request: number): Promise<void> {
    await this.endThreads()
    this.#room?.return()
    this.#log.close()
    this.#send({ type: 'answer', request })
    this.#onClosed()
  }
}
