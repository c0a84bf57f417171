/**
 * Brings tasks to nodes and their outcomes back. One call of `run` is one attempt of one task on one node, and it ends in
 * exactly one way: an outcome, the task's error, or the loss of the node. Whoever calls decides about another attempt.
 *
 * A task goes: queued (in the task queue) → held (delivered, but the node is kept free for a task that must run alone) →
 * running → ended. With a queue of its own process the tasks are taken out here and passed on; with a broker nodes take them
 * themselves, and `started` says that they did. `interrupt()` is not a bound in DuckDB, so a cancelled task that has not ended after `cancelMsMax` costs
 * its node the life.
 */
import assert from 'node:assert/strict'
import type { FleetListener, NodeFleet, NodeLoss } from '../allocate/node-fleet.js'
import { ForebayError, fromErrorRecord } from '../model/errors.js'
import type { FromNode, TaskId, TaskMessage, TaskReport, TaskResult } from '../model/messages.js'
import type { NodeId, NodeStatus } from '../model/node.js'
import type { Priority } from '../model/priority.js'
import type { Consumer, Delivery, TaskPublisher, TaskSource } from '../queue/task-queue.js'

export interface TaskOutcome {
  /** The name that the task ran under: a tree gives its tasks new ones in a second round. */
  readonly taskId: TaskId
  readonly node: NodeId
  readonly incarnation: number
  readonly result: TaskResult
  readonly report: TaskReport
}

/** The node of a running task ended. `suspect` when nothing but this task can have done it. */
export class NodeLostError extends ForebayError {
  readonly loss: NodeLoss
  readonly suspect: boolean
  /** True when a statement may have done it, but others ran beside: the next attempt should run alone. */
  readonly shared: boolean

  constructor(loss: NodeLoss, running: number, wasRunning: boolean) {
    super('NODE_LOST', loss.message, { hint: 'the node is replaced; send the query again' })
    const byStatement = wasRunning && (loss.cause === 'crash' || loss.cause === 'memory')
    this.loss = loss
    this.suspect = byStatement && running === 1
    this.shared = byStatement && running > 1
  }
}

export interface DispatcherOptions {
  readonly queue: TaskPublisher
  /** The queue's other end, when tasks are taken out here; absent: nodes do that themselves. */
  readonly source?: TaskSource
  readonly fleet: NodeFleet
  /** Tasks that one node runs at once. */
  readonly slots: number
  /** A cancelled task that has not ended by then has its node killed. */
  readonly cancelMsMax?: number
}

export interface RunOptions {
  readonly priority: Priority
  readonly signal: AbortSignal
  /** Keep the node free of other tasks meanwhile, to find out which one kills. */
  readonly alone?: boolean
  /** Instead of the dispatcher's own, for a task that is known to listen in the end. */
  readonly cancelMsMax?: number | undefined
  readonly onStart?: () => void
}

interface Attempt {
  readonly task: TaskMessage
  readonly node: NodeId
  readonly alone: boolean
  delivery: Delivery | undefined
  running: boolean
  settle(end: { outcome: TaskOutcome } | { error: unknown }): void
  onStart(): void
}

interface Feeder {
  readonly consumer: Consumer | undefined
  readonly held: Attempt[]
  readonly running: Set<Attempt>
  /** Answers that are still being streamed: they count when the node dies. */
  readonly streaming: Set<TaskId>
  /** Set when the node drains: what it runs goes on, and nothing begins on it. */
  leaving: NodeLoss | undefined
}

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #attempts = new Map<TaskId, Attempt>()
  readonly #feeders = new Map<NodeId, Feeder>()
  readonly #unsubscribe: () => void
  #dispatches = 0
  #closed = false

  constructor(options: DispatcherOptions) {
    this.#options = options
    const listener: FleetListener = {
      message: (node, incarnation, message) => this.#receive(node, incarnation, message),
      changed: (status) => this.#changed(status),
      lost: (loss) => this.#lost(loss),
    }
    this.#unsubscribe = options.fleet.subscribe(listener)
    for (const status of options.fleet.nodes()) this.#changed(status)
  }

  /** Waiting tasks by priority. */
  depth(): Readonly<Record<Priority, number>> {
    return this.#options.queue.depth()
  }

  /** Tasks given to a node and not ended. */
  load(node: NodeId): number {
    let load = 0
    for (const attempt of this.#attempts.values()) if (attempt.node === node) load++
    return load
  }

  async run(node: NodeId, task: TaskMessage, options: RunOptions): Promise<TaskOutcome> {
    const { signal, priority } = options
    signal.throwIfAborted()
    if (this.#closed) throw new ForebayError('UNAVAILABLE', 'the scheduler is closed')
    const feeder = this.#feeders.get(node)
    // Whoever chose the node may have done so a while ago: what waits for one that is not there is watched by nobody.
    if (feeder === undefined || feeder.leaving !== undefined) throw new NodeLostError(feeder?.leaving ?? absent(node), 0, false)
    let kill: NodeJS.Timeout | undefined
    const attempt = this.#register(node, task, options)
    const onAbort = (): void => {
      kill = this.#cancel(attempt, options.cancelMsMax ?? this.#options.cancelMsMax ?? 1_000)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      // Not waited for: the outcome may come before a broker's confirmation, and the deadline before either.
      this.#options.queue.publish(node, attempt.task, priority).catch((error: unknown) => attempt.settle({ error }))
      return await attempt.ended
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      clearTimeout(kill)
      signal.removeEventListener('abort', onAbort)
      this.#attempts.delete(task.taskId)
      this.#options.queue.taken(task.taskId)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#unsubscribe()
    for (const attempt of this.#attempts.values()) {
      attempt.settle({ error: new ForebayError('UNAVAILABLE', 'the scheduler is closed') })
    }
    await Promise.all([...this.#feeders.values()].map((feeder) => feeder.consumer?.stop()))
    this.#feeders.clear()
  }

  #register(node: NodeId, task: TaskMessage, options: RunOptions): Attempt & { ended: Promise<TaskOutcome> } {
    assert(!this.#attempts.has(task.taskId), `task "${task.taskId}" is under way`)
    let settle: Attempt['settle'] = () => {}
    const ended = new Promise<TaskOutcome>((resolve, reject) => {
      settle = (end) => ('error' in end ? reject(end.error) : resolve(end.outcome))
    })
    // Whoever waits gets the rejection; without this, one that comes before the waiting would end the process.
    ended.catch(() => {})
    const attempt = {
      task: { ...task, dispatch: ++this.#dispatches, ...(options.alone === true ? { alone: true } : {}) },
      node,
      alone: options.alone ?? false,
      delivery: undefined,
      running: false,
      settle,
      onStart: options.onStart ?? (() => {}),
      ended,
    }
    this.#attempts.set(task.taskId, attempt)
    return attempt
  }

  #cancel(attempt: Attempt, cancelMsMax: number): NodeJS.Timeout | undefined {
    const { fleet } = this.#options
    if (!attempt.running) {
      this.#withdraw(attempt)
      this.#end(attempt, { error: new ForebayError('CANCELLED', 'the task was cancelled') })
      return undefined
    }
    const { taskId, dispatch = 0 } = attempt.task
    fleet.send(attempt.node, { type: 'cancel', taskId, dispatch })
    const timer = setTimeout(() => fleet.kill(attempt.node, `a cancelled task went on for ${cancelMsMax} ms`), cancelMsMax)
    timer.unref()
    return timer
  }

  /** Takes a task back that does not run yet; a node that takes its tasks itself may have it in hand. */
  #withdraw({ task, node }: Attempt): void {
    const { queue, source, fleet } = this.#options
    const { taskId, dispatch = 0 } = task
    void queue.withdraw(taskId)
    if (source === undefined) fleet.send(node, { type: 'cancel', taskId, dispatch })
  }

  #changed(status: NodeStatus): void {
    const feeder = this.#feeders.get(status.id)
    if (status.state === 'ready' && feeder === undefined) {
      const { source, slots } = this.#options
      const consumer = source?.consume(status.id, slots, (delivery) => this.#deliver(status.id, delivery))
      this.#feeders.set(status.id, { consumer, held: [], running: new Set(), streaming: new Set(), leaving: undefined })
      return
    }
    if (status.state === 'ready' || feeder === undefined) return
    if (status.state === 'draining') {
      feeder.leaving = asked(status)
      for (const attempt of this.#of(status.id)) {
        if (attempt.running) continue
        this.#withdraw(attempt)
        this.#end(attempt, { error: new NodeLostError(feeder.leaving, 0, false) })
      }
      return
    }
    // The loss itself is reported by `lost`; a process that was asked to go leaves nothing running behind.
    if (status.state === 'absent' || status.state === 'starting') this.#drop(status.id, asked(status))
  }

  #deliver(node: NodeId, delivery: Delivery): void {
    const attempt = this.#attempts.get(delivery.task.taskId)
    const feeder = this.#feeders.get(node)
    if (attempt === undefined || feeder === undefined || attempt.node !== node) {
      // Given up meanwhile, or an older message of a broker that delivers at least once.
      void delivery.settle()
      return
    }
    attempt.delivery = delivery
    feeder.held.push(attempt)
    this.#advance(node, feeder)
  }

  #advance(node: NodeId, feeder: Feeder): void {
    for (;;) {
      const next = feeder.held[0]
      if (next === undefined) return
      if (feeder.leaving !== undefined) {
        feeder.held.shift()
        this.#end(next, { error: new NodeLostError(feeder.leaving, 0, false) })
        continue
      }
      const guarded = [...feeder.running].some((attempt) => attempt.alone)
      if (guarded || (next.alone && feeder.running.size > 0)) return
      // A process that cannot be spoken to has ended: its loss is told in a moment, and ends what is held too.
      if (!this.#options.fleet.send(node, { type: 'run', task: next.task })) return
      feeder.held.shift()
      this.#begin(feeder, next)
    }
  }

  #begin(feeder: Feeder, attempt: Attempt): void {
    attempt.running = true
    feeder.running.add(attempt)
    attempt.onStart()
  }

  #receive(node: NodeId, incarnation: number, message: FromNode): void {
    if (message.type === 'stream-ended') {
      this.#feeders.get(node)?.streaming.delete(message.taskId)
      return
    }
    if (message.type !== 'finished' && message.type !== 'failed' && message.type !== 'started') return
    const attempt = this.#attempts.get(message.taskId)
    // Fenced: an answer of an older attempt, or of an older process of the slot, is not this attempt's.
    if (attempt === undefined || attempt.node !== node || attempt.task.attempt !== message.attempt) return
    if (message.type === 'started') {
      const feeder = this.#feeders.get(node)
      this.#options.queue.taken(message.taskId)
      if (feeder !== undefined && !attempt.running) this.#begin(feeder, attempt)
      return
    }
    if (message.incarnation !== incarnation) return
    if (message.type === 'failed') {
      this.#end(attempt, { error: fromErrorRecord(message.error) })
      return
    }
    if (message.result.to === 'client' && message.result.streamPath !== undefined) {
      this.#feeders.get(node)?.streaming.add(message.taskId)
    }
    this.#end(attempt, { outcome: { taskId: message.taskId, node, incarnation, result: message.result, report: message.report } })
  }

  #lost(loss: NodeLoss): void {
    this.#drop(loss.node, loss)
  }

  #drop(node: NodeId, loss: NodeLoss): void {
    const feeder = this.#feeders.get(node)
    if (feeder === undefined) return
    this.#feeders.delete(node)
    const running = feeder.running.size + feeder.streaming.size
    for (const attempt of this.#of(node)) {
      if (!attempt.running) void this.#options.queue.withdraw(attempt.task.taskId)
      this.#end(attempt, { error: new NodeLostError(loss, running, attempt.running) }, feeder)
    }
    void feeder.consumer?.stop()
  }

  #of(node: NodeId): readonly Attempt[] {
    return [...this.#attempts.values()].filter((attempt) => attempt.node === node)
  }

  #end(attempt: Attempt, end: Parameters<Attempt['settle']>[0], feeder = this.#feeders.get(attempt.node)): void {
    this.#attempts.delete(attempt.task.taskId)
    const index = feeder?.held.indexOf(attempt) ?? -1
    if (index >= 0) feeder?.held.splice(index, 1)
    feeder?.running.delete(attempt)
    attempt.settle(end)
    // Brings the next task at once, which must not find this one in its way.
    void attempt.delivery?.settle()
    if (feeder !== undefined && this.#feeders.get(attempt.node) === feeder) this.#advance(attempt.node, feeder)
  }
}

function absent(node: NodeId): NodeLoss {
  return { node, incarnation: 0, cause: 'exit', message: `${node} is gone` }
}

function asked(status: NodeStatus): NodeLoss {
  return { node: status.id, incarnation: status.incarnation, cause: 'killed', message: `${status.id} was stopped` }
}
