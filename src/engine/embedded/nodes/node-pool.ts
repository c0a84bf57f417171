/**
 * Which nodes there are for a query. Queries that come while nothing runs start what they need and wait for it, and they say
 * so; a start that fails is tried again until the query's own deadline.
 */
import type { NodeFleet } from '../../../allocate/node-fleet.js'
import { type Clock, systemClock } from '../../../model/clock.js'
import { toErrorRecord } from '../../../model/errors.js'
import type { NodeId, NodeStatus } from '../../../model/node.js'

export interface NodePoolOptions {
  readonly fleet: NodeFleet
  readonly memoryBytesPerNode: number
  /** Real time: starts of processes do not follow a virtual clock. */
  readonly clock?: Clock
}

const retryMs = 250

export class NodePool {
  readonly memoryBytesPerNode: number
  readonly #fleet: NodeFleet
  readonly #clock: Clock
  /** Why the last start of a node failed. */
  readonly #failures = new Map<NodeId, string>()
  /** Memory that was asked for other than the usual. */
  readonly #sizes = new Map<NodeId, number>()
  #waiters: (() => void)[] = []

  constructor(options: NodePoolOptions) {
    this.#fleet = options.fleet
    this.memoryBytesPerNode = options.memoryBytesPerNode
    this.#clock = options.clock ?? systemClock
    this.#fleet.subscribe({
      message: () => {},
      changed: () => {
        for (const wake of this.#waiters.splice(0)) wake()
      },
      lost: () => {},
    })
  }

  all(): readonly NodeStatus[] {
    return this.#fleet.nodes()
  }

  ready(): readonly NodeId[] {
    return this.all()
      .filter((node) => node.state === 'ready')
      .map((node) => node.id)
  }

  /** Starts a slot; resolves when it is ready. */
  async start(node: NodeId, memoryBytes: number, signal: AbortSignal): Promise<void> {
    this.#sizes.set(node, memoryBytes)
    try {
      await this.#fleet.start(node, { memoryBytes }, signal)
      this.#failures.delete(node)
    } catch (error) {
      if (!signal.aborted) this.#failures.set(node, toErrorRecord(error).message)
      throw error
    }
  }

  async stop(node: NodeId, signal: AbortSignal): Promise<void> {
    this.#sizes.delete(node)
    await this.#fleet.stop(node, signal)
  }

  /**
   * Ready nodes, at least one. Starts absent slots so that `count` run; with `all` it waits for every process that starts now,
   * once: one that ends meanwhile is not waited for again, or nodes that keep dying would hold up whoever asks for all of them.
   * Rejects only with the signal's reason.
   */
  async want(count: number, all: boolean, signal: AbortSignal): Promise<readonly NodeId[]> {
    const awaited = new Map<NodeId, number>()
    for (;;) {
      signal.throwIfAborted()
      this.#startAbsent(count, signal)
      const nodes = this.all()
      const ready = nodes.filter((node) => node.state === 'ready').map((node) => node.id)
      const starting = nodes.filter((node) => node.state === 'starting')
      for (const { id, incarnation } of starting) if (!awaited.has(id)) awaited.set(id, incarnation)
      const more = all && ready.length < count && starting.some((node) => awaited.get(node.id) === node.incarnation)
      if (ready.length > 0 && !more) return ready
      await this.#change(signal)
    }
  }

  #startAbsent(count: number, signal: AbortSignal): void {
    const nodes = this.all()
    const coming = nodes.filter((node) => node.state !== 'absent' && node.state !== 'draining' && node.state !== 'stopping')
    const absent = nodes.filter((node) => node.state === 'absent')
    for (const { id } of absent.slice(0, Math.max(0, count - coming.length))) {
      this.start(id, this.#sizes.get(id) ?? this.memoryBytesPerNode, signal).catch(() => {})
    }
  }

  /** Which start is waited for, e.g. `n1 is starting`. */
  why(): string {
    const waited = this.all().find((node) => node.state === 'starting' || node.state === 'lost')
    if (waited === undefined) return 'no node is ready'
    const failure = this.#failures.get(waited.id)
    return failure === undefined ? `${waited.id} is starting` : `${waited.id} is starting again: ${failure}`
  }

  async #change(signal: AbortSignal): Promise<void> {
    const nap = new AbortController()
    this.#waiters.push(() => nap.abort())
    await this.#clock.sleep(retryMs, AbortSignal.any([nap.signal, signal])).catch(() => {})
    signal.throwIfAborted()
  }
}
