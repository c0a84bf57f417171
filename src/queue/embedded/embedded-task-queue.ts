import assert from 'node:assert/strict'
import { ForebayError } from '../../model/errors.js'
import type { TaskMessage } from '../../model/messages.js'
import type { NodeId } from '../../model/node.js'
import { type Priority, priorities } from '../../model/priority.js'
import { PriorityLanes } from '../priority-lanes.js'
import type { Consumer, Delivery, QueueStatus, TaskQueue } from '../task-queue.js'

interface Entry {
  readonly node: NodeId
  readonly task: TaskMessage
  readonly priority: Priority
  attempts: number
}

interface Feed {
  readonly slots: number
  readonly deliver: (delivery: Delivery) => void
  /** Delivered and neither settled nor released. */
  readonly unsettled: Set<Entry>
  stopped: boolean
}

export interface EmbeddedTaskQueueOptions {
  /** Most tasks that wait, all nodes together. */
  readonly tasksMax?: number
}

/**
 * The task queue inside the coordinator's process: lanes per node in memory. Tasks do not survive the process, and need not:
 * what must survive (accepted queries, writes) is in the journal and makes its tasks anew.
 */
export class EmbeddedTaskQueue implements TaskQueue {
  readonly #tasksMax: number
  readonly #waiting = new Map<NodeId, PriorityLanes<Entry>>()
  /** Waiting entries by task; delivered ones are in their feed alone. */
  readonly #byTask = new Map<string, Entry>()
  readonly #feeds = new Map<NodeId, Set<Feed>>()
  #closed = false

  constructor(options: EmbeddedTaskQueueOptions = {}) {
    this.#tasksMax = options.tasksMax ?? 100_000
    assert(this.#tasksMax > 0, 'the limit of waiting tasks must be positive')
  }

  async publish(node: NodeId, task: TaskMessage, priority: Priority): Promise<void> {
    if (this.#closed) throw new ForebayError('UNAVAILABLE', 'the task queue is closed')
    if (this.#byTask.size >= this.#tasksMax) {
      throw new ForebayError('QUEUE_FULL', `the task queue holds ${this.#tasksMax} tasks, its limit`, {
        hint: 'send fewer queries at once, or try again later',
      })
    }
    this.#enqueue({ node, task, priority, attempts: 0 })
    this.#pump(node)
  }

  async withdraw(taskId: string): Promise<boolean> {
    const entry = this.#byTask.get(taskId)
    if (entry === undefined) return false
    this.#byTask.delete(taskId)
    return this.#waiting.get(entry.node)?.delete(entry) ?? false
  }

  consume(node: NodeId, slots: number, deliver: (delivery: Delivery) => void): Consumer {
    assert(slots > 0, 'a consumer needs at least one slot')
    const feed: Feed = { slots, deliver, unsettled: new Set(), stopped: false }
    const feeds = this.#feeds.get(node) ?? new Set()
    this.#feeds.set(node, feeds.add(feed))
    queueMicrotask(() => this.#pump(node))
    return {
      stop: async () => {
        feed.stopped = true
        feeds.delete(feed)
        const back = [...feed.unsettled]
        feed.unsettled.clear()
        for (const entry of back) this.#enqueue(entry)
        this.#pump(node)
      },
    }
  }

  /** A waiting task is one that was withdrawn, and none comes later: it never leaves this process. */
  drop({ taskId }: Pick<TaskMessage, 'taskId'>): void {
    void this.withdraw(taskId)
  }

  /** Deliveries happen here, so there is nothing to be told. */
  taken(): void {}

  status(): QueueStatus {
    return { kind: 'embedded', connected: true }
  }

  depth(): Readonly<Record<Priority, number>> {
    const sum: Record<Priority, number> = { proactive: 0, interactive: 0, batch: 0, background: 0 }
    for (const lanes of this.#waiting.values()) {
      const depth = lanes.depth()
      for (const priority of priorities) sum[priority] += depth[priority]
    }
    return sum
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const feeds of this.#feeds.values()) for (const feed of feeds) feed.stopped = true
    this.#feeds.clear()
    this.#waiting.clear()
    this.#byTask.clear()
  }

  #enqueue(entry: Entry): void {
    if (this.#closed) return
    const lanes = this.#waiting.get(entry.node) ?? new PriorityLanes<Entry>()
    this.#waiting.set(entry.node, lanes)
    lanes.add(entry, entry.priority)
    this.#byTask.set(entry.task.taskId, entry)
  }

  #pump(node: NodeId): void {
    const lanes = this.#waiting.get(node)
    if (lanes === undefined) return
    for (const feed of this.#feeds.get(node) ?? []) {
      while (!feed.stopped && feed.unsettled.size < feed.slots) {
        const entry = lanes.take()
        if (entry === undefined) return
        this.#byTask.delete(entry.task.taskId)
        feed.unsettled.add(entry)
        entry.attempts++
        feed.deliver(this.#delivery(feed, entry))
      }
    }
  }

  /** Settling or releasing after the consumer stopped does nothing: the task has gone back already. */
  #delivery(feed: Feed, entry: Entry): Delivery {
    return {
      task: entry.task,
      priority: entry.priority,
      attempts: entry.attempts,
      settle: async () => {
        if (feed.unsettled.delete(entry)) this.#pump(entry.node)
      },
      release: async () => {
        if (!feed.unsettled.delete(entry)) return
        this.#enqueue(entry)
        this.#pump(entry.node)
      },
    }
  }
}
