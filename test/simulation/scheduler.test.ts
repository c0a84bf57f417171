/**
 * Scheduler, queue and nodes under faults, on a clock of steps: each step one thing happens that could happen, chosen by a
 * seed. Nodes die, come back, drain, lose their spools and answer late. Whatever happens, an answer holds every segment of
 * its query exactly once, every query ends, and nothing is left behind.
 */
import { expect, it } from 'vitest'
import { systemClock } from '../../src/model/clock.js'
import { ForebayError } from '../../src/model/errors.js'
import type { TaskMessage } from '../../src/model/messages.js'
import { priorities } from '../../src/model/priority.js'
import { EmbeddedTaskQueue } from '../../src/queue/embedded/embedded-task-queue.js'
import { Admission } from '../../src/scheduler/admission.js'
import { Dispatcher } from '../../src/scheduler/dispatcher.js'
import { Quarantine } from '../../src/scheduler/quarantine.js'
import type { TaskContext } from '../../src/scheduler/run-task.js'
import { FakeFleet } from './fake-fleet.js'
import { runQuery } from './simulated-query.js'

const seeds = Number(process.env.SIMULATION_SEEDS ?? 200)
const first = Number(process.env.SIMULATION_SEED ?? 1)
/** Seeds that found a fault once: 950651, a cancelled task that went to its node all the same. */
const failedOnce: readonly number[] = [950_651]
const stepsMax = 20_000

/** Mulberry32: small, and the same everywhere. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

class Simulation {
  readonly #random: () => number
  readonly #nodes: number
  readonly #fleet: FakeFleet
  readonly #queue = new EmbeddedTaskQueue()
  readonly #dispatcher: Dispatcher
  readonly #admission: Admission
  readonly #quarantine = new Quarantine(systemClock)
  readonly #late: { node: string; task: TaskMessage }[] = []
  #deaths = 0
  /** Crashes of nodes on which a query's task ran alone: only these may be held against its statement. */
  readonly #blamed = new Map<string, number>()

  constructor(seed: number) {
    this.#random = randomOf(seed)
    this.#nodes = 1 + this.#below(5)
    const slots = 1 + this.#below(3)
    this.#fleet = new FakeFleet(this.#nodes, slots)
    this.#dispatcher = new Dispatcher({
      queue: this.#queue,
      source: this.#queue,
      fleet: this.#fleet,
      slots,
      cancelMsMax: 10_000,
    })
    this.#admission = new Admission({ memoryBytes: 100, runningMax: 4, waitingMax: 100 })
  }

  async run(): Promise<void> {
    const queries = Array.from({ length: 2 + this.#below(6) }, (_, index) => this.#query(`q${index + 1}`))
    const open = new Set(queries)
    const failures: unknown[] = []
    for (const query of queries) {
      query.catch((error) => failures.push(error)).finally(() => open.delete(query))
    }
    let steps = 0
    while (open.size > 0) {
      if (++steps > stepsMax) throw new Error(`${open.size} queries have not ended after ${stepsMax} steps`)
      this.#step()
      await turn()
    }
    await turn()
    if (failures.length > 0) throw failures[0]
    expect(this.#admission.running).toBe(0)
    expect(this.#admission.reservedBytes).toBe(0)
    expect(Object.values(this.#dispatcher.depth())).toEqual([0, 0, 0, 0])
    for (let node = 1; node <= this.#nodes; node++) expect(this.#dispatcher.load(`n${node}`)).toBe(0)
    expect(this.#fleet.violations).toEqual([])
    // Cancelled tasks too have ended: nothing works on for nobody.
    expect(this.#fleet.busy()).toEqual([])
    await this.#dispatcher.close()
  }

  async #query(queryId: string): Promise<void> {
    const leaves = 1 + this.#below(12)
    const segments = Array.from({ length: leaves }, (_, index) => `${queryId}-s${index}`)
    const cancels = this.#random() < 0.15
    const abort = new AbortController()
    const priority = priorities[this.#below(4)] ?? 'batch'
    // As the engine does: who is alone has all memory until it is known how much it needs.
    const [isAlone, needed] = [this.#admission.isIdle, this.#random() * 120]
    const memoryBytes = isAlone ? Number.POSITIVE_INFINITY : needed
    const release = await this.#admission.enter({ queryId, priority, memoryBytes }, abort.signal)
    if (isAlone) setImmediate(() => this.#admission.resize(queryId, needed))
    const context: TaskContext = {
      queryId,
      dispatcher: this.#dispatcher,
      quarantine: this.#quarantine,
      priority,
      signal: abort.signal,
      statement: queryId,
      readyNodes: (signal) => this.#readyNodes(signal),
      bury: () => {},
      onAttempt: ({ task, node, attempt, state }) => {
        if (state === 'running' && this.#random() < 0.1) this.#late.push({ node, task: { ...task, attempt, queuedAt: 0 } })
        if (cancels && state === 'running' && this.#random() < 0.3) abort.abort(new ForebayError('CANCELLED', 'enough'))
      },
    }
    try {
      const nodes = await this.#readyNodes(abort.signal)
      const rows = await runQuery(queryId, segments, nodes, context)
      expect(rows.toSorted()).toEqual(segments.toSorted())
    } catch (error) {
      const code = error instanceof ForebayError ? error.code : String(error)
      // Bytes may be lost more often than a query tries; then it says so. It must never answer wrongly.
      if (!['CANCELLED', 'NODE_LOST', 'UNAVAILABLE', 'STATEMENT_QUARANTINED'].includes(code)) throw error
      if (code === 'CANCELLED') expect(cancels).toBe(true)
      if (code === 'STATEMENT_QUARANTINED') expect(this.#blamed.get(queryId) ?? 0).toBeGreaterThanOrEqual(2)
    } finally {
      release()
    }
  }

  async #readyNodes(signal: AbortSignal): Promise<readonly string[]> {
    for (;;) {
      signal.throwIfAborted()
      const ready = this.#fleet.nodes().filter((node) => node.state === 'ready')
      if (ready.length > 0) return ready.map((node) => node.id)
      for (const node of this.#fleet.gone()) await this.#fleet.start(node)
      await turn()
    }
  }

  /** One thing happens: mostly work goes on, sometimes something breaks. */
  #step(): void {
    const dice = this.#random()
    const busy = this.#pick(this.#fleet.busy())
    if (dice < 0.6 && busy !== undefined) return this.#fleet.finish(busy.node, busy.task)
    const starting = this.#pick(this.#fleet.starting())
    if (dice < 0.8 && starting !== undefined) return this.#fleet.becomeReady(starting)
    const gone = this.#pick(this.#fleet.gone())
    if (dice < 0.9 && gone !== undefined) return void this.#fleet.start(gone)
    const late = this.#pick(this.#late)
    if (dice < 0.94 && late !== undefined) return this.#fleet.sayLate(late.node, late.task)
    const victim = `n${1 + this.#below(this.#nodes)}`
    // Faults end after a while, so that every query has its chance.
    if (this.#deaths++ > 40) return
    if (dice < 0.96) return this.#fleet.die(victim, 'killed')
    if (dice < 0.97) return this.#crash(victim)
    if (dice < 0.985) return void this.#fleet.stop(victim)
    for (const path of this.#fleet.spool.keys()) if (path.startsWith(`/${victim}/`)) this.#fleet.spool.delete(path)
  }

  /** A statement takes its node down, or reaches its memory limit. */
  #crash(node: string): void {
    const running = this.#fleet.busy().filter((each) => each.node === node)
    const [only] = running
    if (only !== undefined && running.length === 1) {
      this.#blamed.set(only.task.queryId, (this.#blamed.get(only.task.queryId) ?? 0) + 1)
    }
    this.#fleet.die(node, this.#random() < 0.5 ? 'crash' : 'memory')
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count)
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[this.#below(items.length)]
  }
}

it(
  `answers rightly or not at all, under faults, with seeds ${first} to ${first + seeds - 1} and those that failed once`,
  async () => {
    for (const seed of [...failedOnce, ...Array.from({ length: seeds }, (_, index) => first + index)]) {
      try {
        await new Simulation(seed).run()
      } catch (error) {
        throw new Error(
          `seed ${seed}: SIMULATION_SEED=${seed} SIMULATION_SEEDS=1 npx vitest run test/simulation/scheduler.test.ts`,
          {
            cause: error,
          },
        )
      }
    }
  },
  Math.max(120_000, seeds * 1_000),
)
