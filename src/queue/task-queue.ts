import type { TaskMessage } from '../model/messages.js'
import type { NodeId } from '../model/node.js'
import type { Priority } from '../model/priority.js'

/** One task handed to a node. Exactly one of the ways to settle is called, once. */
export interface Delivery {
  readonly task: TaskMessage
  readonly priority: Priority
  /** 1 for the first time; counted by us, not by a broker. */
  readonly attempts: number
  /** Done: it will not come again. */
  settle(): Promise<void>
  /** Back to the queue, for another try. */
  release(): Promise<void>
}

/** Whether what carries the tasks can be reached. */
export interface QueueStatus {
  readonly kind: 'embedded' | 'rabbitmq' | 'kafka'
  readonly connected: boolean
  /** Why not, a lower-case sentence without credentials. */
  readonly detail?: string
}

/** The scheduler's end: tasks go in here. Data never goes through it. */
export interface TaskPublisher {
  /** Queues a task for one node. Rejects with QUEUE_FULL at the limit. Resolves when it would survive what the adapter promises. */
  publish(node: NodeId, task: TaskMessage, priority: Priority): Promise<void>
  /** Takes back a task that was not taken yet; false when it is too late. A node that has it in hand must be told to `drop` it. */
  withdraw(taskId: string): Promise<boolean>
  /** Somebody saw a node start the task: it waits no longer. */
  taken(taskId: string): void
  /** Waiting tasks by priority. */
  depth(): Readonly<Record<Priority, number>>
  status(): QueueStatus
  close(): Promise<void>
}

/** A node's end: tasks come out here, most urgent first, at least once. Embedded it is the same object in the same process. */
export interface TaskSource {
  /** Delivers a node's tasks, at most `slots` unsettled at once, priorities in order with one slot in twenty for the lowest that waits. */
  consume(node: NodeId, slots: number, deliver: (delivery: Delivery) => void): Consumer
  /** A withdrawn task is not delivered any more, whether it is here already or still comes. */
  drop(task: Pick<TaskMessage, 'taskId' | 'dispatch'>): void
}

export interface TaskQueue extends TaskPublisher, TaskSource {}

export interface Consumer {
  /** Stops deliveries; unsettled tasks go back to the queue. */
  stop(): Promise<void>
}
