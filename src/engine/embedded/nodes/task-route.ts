/** How tasks get to nodes and back: a queue in this process and the channels of its children, or a broker. */
import type { NodeFleet } from '../../../allocate/node-fleet.js'
import type { NodeQueue } from '../../../model/messages.js'
import type { NodeId } from '../../../model/node.js'
import { BrokerDeadLetters } from '../../../queue/brokered/broker-dead-letters.js'
import { BrokerReports } from '../../../queue/brokered/broker-reports.js'
import { BrokerTaskPublisher } from '../../../queue/brokered/broker-task-publisher.js'
import type { BrokeredQueue } from '../../../queue/brokered/brokered-queue.js'
import type { DeadLetters } from '../../../queue/dead-letters.js'
import { EmbeddedTaskQueue } from '../../../queue/embedded/embedded-task-queue.js'
import { JournalDeadLetters } from '../../../queue/embedded/journal-dead-letters.js'
import type { TaskPublisher, TaskSource } from '../../../queue/task-queue.js'
import type { LineageFeed } from '../lineage-feed.js'
import { ReportingFleet } from './reporting-fleet.js'

export interface TaskRoute {
  readonly fleet: NodeFleet
  readonly queue: TaskPublisher
  readonly source?: TaskSource
  readonly deadLetters: DeadLetters
  /** Reports flow from here on. */
  open(lineage: LineageFeed, onError: (error: unknown) => void): Promise<void>
  /** Nodes have gone: what they still said is taken, then everything is closed. */
  drain(): Promise<void>
  close(): Promise<void>
}

const drainMsMax = 3_000

/** A queue in this process. */
export function embeddedRoute(fleet: NodeFleet, deadLettersPath: string): TaskRoute {
  const queue = new EmbeddedTaskQueue()
  const deadLetters = new JournalDeadLetters(deadLettersPath)
  const close = async (): Promise<void> => {
    await queue.close()
    await deadLetters.close()
  }
  return { fleet, queue, source: queue, deadLetters, open: async () => {}, drain: async () => {}, close }
}

/** A queue on a broker, from which nodes take their tasks themselves. */
export function brokeredRoute(plainFleet: NodeFleet, brokered: BrokeredQueue): TaskRoute {
  const { broker, prefix, run } = brokered
  const fleet = new ReportingFleet(plainFleet)
  const incarnationOf = (node: NodeId): number => fleet.nodes().find(({ id }) => id === node)?.incarnation ?? 0
  const queue = new BrokerTaskPublisher({ broker, prefix, run, incarnationOf })
  const reports = new BrokerReports(broker, prefix, run)
  return {
    fleet,
    queue,
    deadLetters: new BrokerDeadLetters(broker, prefix),
    open: (lineage, onError) =>
      reports.listen({
        outcome: (node, incarnation, message) => fleet.report(node, incarnation, message),
        lineage: (events) => lineage.take(events),
        unreadable: onError,
      }),
    drain: () => reports.drained(AbortSignal.timeout(drainMsMax)),
    close: async () => {
      await reports.stop()
      await queue.close()
      await brokered.close()
    },
  }
}

/** What a node must know to take its tasks from the broker. */
export function nodeQueue({ url, prefix, run }: BrokeredQueue, slots: number): NodeQueue {
  return { url, prefix, run, slots }
}
