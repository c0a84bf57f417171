import type { QueueStatus } from '../task-queue.js'

/** A named line of messages: a queue of RabbitMQ, a topic of Kafka. */
export interface Stream {
  readonly name: string
  /**
   * Queries wait for `tasks` and `outcomes`; `lineage` is for the next coordinator too. All are read once, in order; a `shelf`
   * keeps its messages until they are removed by their ids.
   */
  readonly kind: 'tasks' | 'outcomes' | 'lineage' | 'shelf'
}

export interface BrokerMessage {
  readonly stream: string
  readonly body: Buffer
  /** It will not come again. Until then it does after every lost connection, so that duplicates are normal. */
  done(): void
}

export interface Sending {
  /** Resolves when the broker has confirmed that it keeps the message; a lost connection only delays it. */
  readonly confirmed: Promise<void>
  /** Takes it back if it was not confirmed; then it may or may not arrive, and `confirmed` stays open. */
  cancel(): void
}

export interface Subscription {
  /** Messages of a stream that the broker still holds back. */
  remaining(stream: string): Promise<number>
  /** What is not done comes again to the next subscription. */
  stop(): Promise<void>
}

export interface ShelfItem {
  readonly id: string
  readonly body: Buffer
}

/** What RabbitMQ and Kafka have in common: all that differs between the two adapters of the task queue is behind this. */
export interface Broker {
  /** Makes the streams, durable; CONFIGURATION_INVALID names one that exists with another option. Old tasks are thrown away. */
  declare(streams: readonly Stream[]): Promise<void>
  /** Subscriptions of these streams begin no later than here. */
  mark(streams: readonly string[]): Promise<void>
  send(stream: string, body: Buffer): Sending
  /**
   * Delivers messages of each stream in order, at most `window` that are not done. Resolves when they flow. Where streams begin
   * to flow again one after the other, `anew` is told before the first one does, with a promise that resolves when all do.
   */
  receive(
    streams: readonly string[],
    window: number,
    take: (message: BrokerMessage) => void,
    anew?: (flowing: Promise<unknown>) => void,
  ): Promise<Subscription>
  put(shelf: string, item: ShelfItem): Promise<void>
  list(shelf: string): Promise<readonly ShelfItem[]>
  /** False when there is none of this id. */
  remove(shelf: string, id: string): Promise<boolean>
  status(): QueueStatus
  close(): Promise<void>
}

/** Names of all streams of one coordinator. */
export function streamsOf(prefix: string): {
  readonly tasks: (node: string, priority: string) => string
  readonly outcomes: string
  readonly lineage: string
  readonly deadLetters: string
} {
  return {
    tasks: (node, priority) => `${prefix}.${node}.${priority}`,
    outcomes: `${prefix}.outcomes`,
    lineage: `${prefix}.lineage`,
    deadLetters: `${prefix}.dead-letters`,
  }
}
