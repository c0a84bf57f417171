/**
 * One slot `n1`, `n2`, …: what survives when its process is replaced. States:
 *
 *   absent ──start──> starting ──ready──> ready ──stop──> draining ──drained──> stopping ──exit──> absent
 *                        │                  │
 *                        └──────exit────────┴──> lost ──(after the back-off)──> starting
 *
 * Every process gets the next incarnation number. A message is passed on only while its own process fills the slot, so an
 * answer of an older one never arrives.
 */
import { ForebayError } from '../../model/errors.js'
import type { FromNode, NodeConfiguration, ToNode } from '../../model/messages.js'
import type { NodeId, NodeState, NodeStatus, Role } from '../../model/node.js'
import type { FleetListener } from '../node-fleet.js'
import { NodeProcess, type ProcessExit } from './node-process.js'
import { restartDelayMs } from './restart-delay.js'

export interface SlotTimes {
  readonly pingEveryMs: number
  readonly silenceMsMax: number
  readonly memoryCheckEveryMs: number
  /** A process that has not said `ready` by then is killed. */
  readonly startMsMax: number
  /** A process that has not drained by then is stopped all the same. */
  readonly drainMsMax: number
}

export interface NodeSlotOptions {
  readonly id: NodeId
  readonly entry: URL
  readonly times: SlotTimes
  readonly configure: (id: NodeId, incarnation: number, memoryBytes: number) => NodeConfiguration
  /** Resident memory at which a process with this configured memory is killed. */
  readonly residentBytesMax: (memoryBytes: number) => number
  readonly listener: FleetListener
}

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** A process that was ready for so long has come up well, whatever ended it then. */
const workedMsMin = 1_000

export class NodeSlot {
  readonly #options: NodeSlotOptions
  readonly #roles = new Set<Role>()
  #state: NodeState = 'absent'
  #wanted = false
  #incarnation = 0
  #memoryBytes = 0
  #process: NodeProcess | undefined
  #url: string | undefined
  #vital = { cpuSeconds: 0, memoryBytes: 0, runningTasks: 0, warmBytes: 0 }
  /** When the process said that it was ready; undefined while it starts. */
  #readyAt: number | undefined
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #starters: Waiter[] = []
  #stoppers: Waiter[] = []

  constructor(options: NodeSlotOptions) {
    this.#options = options
  }

  status(): NodeStatus {
    return {
      id: this.#options.id,
      kind: 'duckdb',
      state: this.#state,
      incarnation: this.#incarnation,
      roles: [...this.#roles],
      ...(this.#process?.pid === undefined ? {} : { pid: this.#process.pid }),
      ...(this.#url === undefined ? {} : { url: this.#url }),
      cpuSeconds: this.#vital.cpuSeconds,
      memoryBytes: this.#process?.residentBytes || this.#vital.memoryBytes,
      memoryLimitBytes: this.#memoryBytes,
      warmBytes: this.#vital.warmBytes,
      runningTasks: this.#vital.runningTasks,
    }
  }

  /** Resolves when the slot's process is ready; rejects when it ended before. A start with other memory replaces the process. */
  async start(memoryBytes: number): Promise<void> {
    if (this.#wanted && this.#memoryBytes !== memoryBytes) await this.stop()
    this.#wanted = true
    this.#memoryBytes = memoryBytes
    if (this.#state === 'ready') return
    const started = new Promise<void>((resolve, reject) => this.#starters.push({ resolve, reject }))
    if (this.#state === 'absent') this.#spawn()
    await started
  }

  /** Drains, then ends the process; resolves when it is gone. */
  async stop(): Promise<void> {
    this.#wanted = false
    // One that drains already keeps the time that it was given.
    if (this.#state !== 'draining') clearTimeout(this.#timer)
    if (this.#process === undefined) {
      this.#enter('absent')
      this.#settleStarters(new ForebayError('UNAVAILABLE', `${this.#options.id} was stopped`))
      return
    }
    const stopped = new Promise<void>((resolve, reject) => this.#stoppers.push({ resolve, reject }))
    if (this.#state === 'ready') {
      this.#enter('draining')
      this.#process.send({ type: 'drain' })
      this.#after(this.#options.times.drainMsMax, () => this.#finish('did not drain in time'))
    } else if (this.#state === 'starting') {
      this.#finish('was stopped while it started')
    }
    await stopped
  }

  send(message: ToNode): boolean {
    if (this.#state !== 'ready' && this.#state !== 'draining') return false
    if (message.type === 'run') this.#roles.add(message.task.role)
    return this.#process?.send(message) ?? false
  }

  kill(reason: string): void {
    this.#process?.kill('killed', `${this.#options.id} was killed: ${reason}`)
  }

  #spawn(): void {
    const incarnation = ++this.#incarnation
    this.#enter('starting')
    this.#readyAt = undefined
    this.#vital = { cpuSeconds: 0, memoryBytes: 0, runningTasks: 0, warmBytes: 0 }
    const { id, times } = this.#options
    try {
      const child = this.#fork(incarnation)
      this.#process = child
      this.#after(times.startMsMax, () => child.kill('unresponsive', `${id} was not ready after ${times.startMsMax} ms`))
    } catch (error) {
      // Node throws some refusals of the system, such as ENOMEM; the others come as the end of the process.
      const message = error instanceof Error ? error.message : String(error)
      this.#exited(incarnation, { cause: 'exit', message: `${id} could not be started: ${message}` })
    }
  }

  #fork(incarnation: number): NodeProcess {
    const { id, entry, times, configure, residentBytesMax } = this.#options
    const child: NodeProcess = new NodeProcess({
      ...times,
      entry,
      configuration: configure(id, incarnation, this.#memoryBytes),
      residentBytesMax: residentBytesMax(this.#memoryBytes),
      onMessage: (message) => {
        if (this.#process === child) this.#receive(incarnation, message)
      },
      onExit: (exit) => {
        if (this.#process === child) this.#exited(incarnation, exit)
      },
    })
    return child
  }

  #receive(incarnation: number, message: FromNode): void {
    if (message.type === 'ready') {
      clearTimeout(this.#timer)
      this.#url = `http://127.0.0.1:${message.port}`
      this.#readyAt = performance.now()
      this.#enter('ready')
      this.#settleStarters()
    }
    if (message.type === 'vital-signs') this.#vital = message
    if (message.type === 'drained') this.#finish('has drained')
    this.#options.listener.message(this.#options.id, incarnation, message)
  }

  #finish(why: string): void {
    clearTimeout(this.#timer)
    this.#enter('stopping')
    this.#process?.kill('killed', `${this.#options.id} ${why}`)
  }

  #exited(incarnation: number, exit: ProcessExit): void {
    clearTimeout(this.#timer)
    const asked = this.#state === 'stopping'
    // Whoever asked for a start since then waits for the next process.
    const awaited = !asked && this.#state !== 'draining'
    this.#process = undefined
    this.#url = undefined
    this.#vital = { ...this.#vital, memoryBytes: 0, runningTasks: 0, warmBytes: 0 }
    this.#enter(this.#wanted ? 'lost' : 'absent')
    for (const waiter of this.#stoppers.splice(0)) waiter.resolve()
    if (!asked) this.#options.listener.lost({ node: this.#options.id, incarnation, ...exit })
    if (awaited) this.#settleStarters(new ForebayError('UNAVAILABLE', exit.message))
    if (!this.#wanted) {
      this.#settleStarters(new ForebayError('UNAVAILABLE', `${this.#options.id} was stopped`))
      return
    }
    // One that worked and was killed is replaced at once; only what does not come up is tried more and more seldom.
    const worked = this.#readyAt !== undefined && performance.now() - this.#readyAt >= workedMsMin
    this.#failures = worked ? 0 : this.#failures + 1
    this.#after(restartDelayMs(this.#failures), () => {
      if (this.#wanted && this.#process === undefined) this.#spawn()
    })
  }

  #settleStarters(error?: unknown): void {
    for (const waiter of this.#starters.splice(0)) {
      if (error === undefined) waiter.resolve()
      else waiter.reject(error)
    }
  }

  #enter(state: NodeState): void {
    if (this.#state === state) return
    this.#state = state
    this.#options.listener.changed(this.status())
  }

  #after(ms: number, act: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(act, ms)
    this.#timer.unref()
  }
}
