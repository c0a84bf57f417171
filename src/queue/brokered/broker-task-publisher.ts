import { ForebayError } from '../../model/errors.js'
import type { TaskMessage } from '../../model/messages.js'
import type { NodeId } from '../../model/node.js'
import type { Priority } from '../../model/priority.js'
import type { QueueStatus, TaskPublisher } from '../task-queue.js'
import { type Broker, type Sending, streamsOf } from './broker.js'
import { encodeTask } from './wire.js'

export interface BrokerTaskPublisherOptions {
  readonly broker: Broker
  readonly prefix: string
  /** Names this run of the coordinator: tasks of another one are not worked on. */
  readonly run: string
  /** The process that fills a slot now: nobody else works on the task. */
  readonly incarnationOf: (node: NodeId) => number
  /** Most tasks that wait, all nodes together. */
  readonly tasksMax?: number
}

interface Waiting {
  readonly priority: Priority
  readonly sending: Sending
}

/** The scheduler's end of a queue on a broker. What waits is counted here: from `publish` until a node was seen to take it. */
export class BrokerTaskPublisher implements TaskPublisher {
  readonly #options: BrokerTaskPublisherOptions
  readonly #tasksMax: number
  readonly #waiting = new Map<string, Waiting>()

  constructor(options: BrokerTaskPublisherOptions) {
    this.#options = options
    this.#tasksMax = options.tasksMax ?? 100_000
  }

  async publish(node: NodeId, task: TaskMessage, priority: Priority): Promise<void> {
    if (this.#waiting.size >= this.#tasksMax) {
      throw new ForebayError('QUEUE_FULL', `the task queue holds ${this.#tasksMax} tasks, its limit`, {
        hint: 'send fewer queries at once, or try again later',
      })
    }
    const { broker, prefix, run, incarnationOf } = this.#options
    const body = encodeTask({ version: 1, run, incarnation: incarnationOf(node), priority, task })
    const sending = broker.send(streamsOf(prefix).tasks(node, priority), body)
    this.#waiting.set(task.taskId, { priority, sending })
    await sending.confirmed
  }

  /** True until a node was seen to take it; one that the broker has already is dropped by the node, which must be told. */
  async withdraw(taskId: string): Promise<boolean> {
    this.#waiting.get(taskId)?.sending.cancel()
    return this.#waiting.delete(taskId)
  }

  taken(taskId: string): void {
    this.#waiting.delete(taskId)
  }

  depth(): Readonly<Record<Priority, number>> {
    const depth: Record<Priority, number> = { proactive: 0, interactive: 0, batch: 0, background: 0 }
    for (const { priority } of this.#waiting.values()) depth[priority]++
    return depth
  }

  status(): QueueStatus {
    return this.#options.broker.status()
  }

  async close(): Promise<void> {
    for (const { sending } of this.#waiting.values()) sending.cancel()
    this.#waiting.clear()
  }
}
