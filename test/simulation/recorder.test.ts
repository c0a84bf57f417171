/**
 * The way of lineage events from nodes into the log, under faults, with time and chance from a seed: nodes gather and send, the feed
 * records and acknowledges, the recorder fails, stalls and dies at every moment, nodes and the coordinator die. Whatever happens,
 * what was acknowledged is in the log, nothing is in it twice, and when the faults are over everything that was sent is there.
 */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { FleetListener, NodeFleet } from '../../src/allocate/node-fleet.js'
import { LineageFeed } from '../../src/engine/embedded/lineage-feed.js'
import { systemClock } from '../../src/model/clock.js'
import { ForebayError } from '../../src/model/errors.js'
import type { LineageEvent, TaskEvent } from '../../src/model/lineage-event.js'
import { LineageOutbox } from '../../src/node/lineage-outbox.js'
import { taskEvent } from '../lineage/lineage-fixtures.js'
import { Seeded } from '../support/seeded.js'

const seeds = Number(process.env.SIMULATION_SEEDS ?? 200)
const first = Number(process.env.SIMULATION_SEED ?? 1)
const outboxLimits = { eventsPerBatch: 4, delayMs: 20, eventsMax: 40 }

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

interface Pending {
  readonly events: readonly LineageEvent[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** The log, as a disk would keep it, and what is on its way there. */
class FaultyLog {
  readonly durable = new Set<string>()
  writes = 0
  #pending: Pending[] = []

  record(events: readonly LineageEvent[]): Promise<void> {
    return new Promise((resolve, reject) => this.#pending.push({ events, resolve, reject }))
  }

  /** Everything that waits becomes durable in one commit, and hears so. */
  commit(): void {
    for (const { events, resolve } of this.#take()) {
      this.#write(events)
      resolve()
    }
  }

  /** The disk is full: nothing of it is kept. */
  refuse(): void {
    for (const { reject } of this.#take()) reject(new ForebayError('DISK_EXCEEDED', 'the lineage log is full'))
  }

  /** The thread dies, before or after its commit; nobody knows which. */
  die(committed: boolean): void {
    for (const { events, reject } of this.#take()) {
      if (committed) this.#write(events)
      reject(new ForebayError('UNAVAILABLE', 'the recorder died'))
    }
  }

  /** The process dies: nobody hears anything any more. */
  vanish(committed: boolean): void {
    for (const { events } of this.#take()) if (committed) this.#write(events)
  }

  #take(): readonly Pending[] {
    return this.#pending.splice(0)
  }

  #write(events: readonly LineageEvent[]): void {
    for (const { id } of events) {
      if (this.durable.has(id)) continue
      this.durable.add(id)
      this.writes++
    }
  }
}

interface SimulatedNode {
  incarnation: number
  outbox: LineageOutbox
  /** Events by batch that this process has sent. */
  readonly sent: Map<number, readonly TaskEvent[]>
}

class Simulation {
  readonly #random: Seeded
  readonly #log = new FaultyLog()
  readonly #nodes = new Map<string, SimulatedNode>()
  /** Messages under way to the coordinator, in order by node. */
  readonly #channel: {
    readonly node: string
    readonly incarnation: number
    readonly batch: number
    readonly events: readonly TaskEvent[]
  }[] = []
  #listeners: FleetListener[] = []
  #feed: LineageFeed
  #events = 0
  /** Ids that nodes may forget, since they were told that the log has them: looked up after each step, and once more at the end. */
  readonly #acknowledged = new Set<string>()
  readonly #kept = new Set<string>()
  /** Ids that have reached a coordinator which is still alive. */
  #arrived = new Set<string>()

  constructor(seed: number) {
    this.#random = new Seeded(seed)
    const nodes = 1 + this.#random.below(4)
    for (let node = 1; node <= nodes; node++) this.#nodes.set(`n${node}`, this.#process(`n${node}`, 1))
    this.#feed = this.#coordinator()
  }

  async run(): Promise<void> {
    for (let step = 0; step < 150; step++) {
      this.#step()
      await vi.advanceTimersByTimeAsync(this.#random.below(31))
      this.#check()
    }
    // No more faults: everything comes to rest.
    for (let round = 0; round < 20; round++) {
      while (this.#channel.length > 0) this.#deliver()
      this.#log.commit()
      await vi.advanceTimersByTimeAsync(1_000)
      this.#check()
    }
    const missing = [...this.#arrived, ...this.#kept].filter((id) => !this.#log.durable.has(id))
    expect(missing).toEqual([])
    for (const { outbox, sent } of this.#nodes.values()) {
      expect(outbox.held).toBe(0)
      expect([...sent.values()].flat().filter(({ id }) => !this.#log.durable.has(id))).toEqual([])
    }
    expect(this.#log.writes).toBe(this.#log.durable.size)
    await this.#feed.close()
  }

  #step(): void {
    const dice = this.#random.below(100)
    if (dice < 40) this.#work()
    else if (dice < 65) this.#deliver()
    else if (dice < 82) this.#log.commit()
    else if (dice < 88) this.#log.refuse()
    else if (dice < 92) this.#log.die(this.#random.chance(0.5))
    else if (dice < 97) this.#killNode()
    else this.#killCoordinator()
  }

  /** A node ends a task; one that nobody takes events from refuses it. */
  #work(): void {
    const [, node] = this.#random.pick([...this.#nodes])
    if (node.outbox.isFull) return
    node.outbox.add(taskEvent(`e${++this.#events}`, {}))
  }

  #deliver(): void {
    const message = this.#channel.shift()
    if (message === undefined) return
    const { node, incarnation, batch, events } = message
    for (const { id } of events) this.#arrived.add(id)
    for (const listener of this.#listeners) listener.message(node, incarnation, { type: 'lineage', batch, events })
  }

  /** What the process had not sent is gone with it; what it had sent may still arrive. */
  #killNode(): void {
    const [name, node] = this.#random.pick([...this.#nodes])
    this.#nodes.set(name, this.#process(name, node.incarnation + 1))
  }

  /** The nodes end with it, and their channels. */
  #killCoordinator(): void {
    this.#log.vanish(this.#random.chance(0.5))
    this.#channel.length = 0
    this.#listeners = []
    this.#arrived = new Set()
    vi.clearAllTimers()
    for (const [name, node] of this.#nodes) this.#nodes.set(name, this.#process(name, node.incarnation + 1))
    this.#feed = this.#coordinator()
  }

  #check(): void {
    for (const id of this.#acknowledged) {
      if (!this.#log.durable.has(id)) throw new Error(`${id} was acknowledged and is not in the log`)
      this.#acknowledged.delete(id)
      this.#kept.add(id)
    }
    for (const { outbox } of this.#nodes.values()) expect(outbox.held).toBeLessThanOrEqual(outboxLimits.eventsMax)
  }

  #process(name: string, incarnation: number): SimulatedNode {
    const sent = new Map<number, readonly TaskEvent[]>()
    const outbox = new LineageOutbox((batch, events) => {
      // A process that was replaced has no channel any more.
      if (this.#nodes.get(name)?.outbox !== outbox) return
      sent.set(batch, events)
      this.#channel.push({ node: name, incarnation, batch, events })
    }, outboxLimits)
    return { incarnation, outbox, sent }
  }

  #coordinator(): LineageFeed {
    const fleet = {
      subscribe: (listener: FleetListener) => {
        this.#listeners.push(listener)
        return () => {}
      },
      nodes: () => [...this.#nodes].map(([id, { incarnation }]) => ({ id, incarnation })),
      send: (name: string, message: { readonly type: string; readonly batch?: number }) => {
        const node = this.#nodes.get(name)
        if (node === undefined || message.type !== 'lineage-acknowledged' || message.batch === undefined) return false
        for (const { id } of node.sent.get(message.batch) ?? []) this.#acknowledged.add(id)
        node.outbox.acknowledge(message.batch)
        return true
      },
    } as unknown as NodeFleet
    const recorder = {
      record: (events: readonly LineageEvent[]) => this.#log.record(events),
      saveQuery: () => {},
      put: async () => {},
      get: async () => undefined,
      reconcile: async () => 0,
    }
    return new LineageFeed({ recorder, fleet, clock: systemClock, onError: () => {} })
  }
}

it(
  `loses no acknowledged event and doubles none, under faults, with seeds ${first} to ${first + seeds - 1}`,
  async () => {
    for (let seed = first; seed < first + seeds; seed++) {
      try {
        await new Simulation(seed).run()
      } catch (error) {
        throw new Error(
          `seed ${seed}: SIMULATION_SEED=${seed} SIMULATION_SEEDS=1 npx vitest run test/simulation/recorder.test.ts`,
          {
            cause: error,
          },
        )
      } finally {
        vi.clearAllTimers()
      }
    }
  },
  Math.max(120_000, seeds * 1_000),
)
