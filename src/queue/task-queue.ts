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

/** Carries tasks from the scheduler to nodes, most urgent first, at least once. Data never goes through it. */
export interface TaskQueue {
  /** Queues a task for one node. Rejects with QUEUE_FULL when the limit is reached. Resolves when it would survive what the adapter promises. */
  publish(node: NodeId, task: TaskMessage, priority: Priority): Promise<void>
  /** Takes back a task that was not delivered yet; false when it is too late. */
  withdraw(taskId: string): Promise<boolean>
  /** Delivers a node's tasks, at most `slots` unsettled at once, priorities in order with one slot in twenty for the lowest that waits. */
  consume(node: NodeId, slots: number, deliver: (delivery: Delivery) => void): Consumer
  /** Waiting tasks by priority. */
  depth(): Readonly<Record<Priority, number>>
  close(): Promise<void>
}

export interface Consumer {
  /** Stops deliveries; unsettled tasks go back to the queue. */
  stop(): Promise<void>
}
