import { randomBytes } from 'node:crypto'
import type { Broker, Subscription } from '../../src/queue/brokered/broker.js'
import { BrokerDeadLetters } from '../../src/queue/brokered/broker-dead-letters.js'
import { BrokerTaskPublisher } from '../../src/queue/brokered/broker-task-publisher.js'
import { BrokerTaskSource } from '../../src/queue/brokered/broker-task-source.js'
import { declaredStreams } from '../../src/queue/brokered/declared-streams.js'
import { openBroker } from '../../src/queue/open-broker.js'
import { parseQueueUrl } from '../../src/queue/queue-url.js'
import type { TaskQueue } from '../../src/queue/task-queue.js'
import { type BrokerName, removeStreams, urlOf } from './brokers.js'

export const newPrefix = (): string => `test-${randomBytes(5).toString('hex')}`

/** Both ends of a queue on a broker, wired as the scheduler and a node are, in one process. */
export interface QueueUnderTest {
  readonly queue: TaskQueue
  readonly publisherBroker: Broker
  readonly sourceBroker: Broker
  readonly deadLetters: BrokerDeadLetters
  readonly prefix: string
  /** Resolves when consumers have begun to read. */
  flowing(): Promise<unknown>
  /** Closes both ends, and removes what they declared. */
  close(): Promise<void>
}

export interface QueueOptions {
  readonly tasksMax?: number
  readonly nodes?: readonly string[]
  readonly prefix?: string
  /** Options of the broker's address: `?name=value`. */
  readonly search?: string
}

export async function openQueueUnderTest(name: BrokerName, options: QueueOptions = {}): Promise<QueueUnderTest> {
  const { tasksMax = 100_000, nodes = ['n1', 'n2'], prefix = newPrefix(), search = '' } = options
  const address = parseQueueUrl(`${urlOf(name)}${search}`, {})
  const publisherBroker = await openBroker(address, AbortSignal.timeout(20_000))
  const plainSource = await openBroker(address, AbortSignal.timeout(20_000))
  await publisherBroker.declare(declaredStreams(prefix, nodes))
  const starting = new Set<Promise<Subscription>>()
  const sourceBroker = new Proxy(plainSource, {
    get: (target, key) => {
      const value = Reflect.get(target, key) as unknown
      if (typeof value !== 'function') return value
      if (key !== 'receive') return value.bind(target)
      return (...given: Parameters<Broker['receive']>) => {
        const started = target.receive(...given)
        starting.add(started)
        return started
      }
    },
  })
  const deadLetters = new BrokerDeadLetters(publisherBroker, prefix)
  const run = 'run-1'
  const publisher = new BrokerTaskPublisher({ broker: publisherBroker, prefix, run, incarnationOf: () => 1, tasksMax })
  const source = await new BrokerTaskSource({
    broker: sourceBroker,
    prefix,
    run,
    incarnation: 1,
    bury: (letter) => deadLetters.add(letter),
  }).open(nodes)
  const close = async (): Promise<void> => {
    await publisher.close()
    await plainSource.close()
    await publisherBroker.close()
    await removeStreams(name, prefix, nodes)
  }
  const queue: TaskQueue = {
    publish: (node, task, priority) => publisher.publish(node, task, priority),
    withdraw: async (taskId) => {
      const withdrawn = await publisher.withdraw(taskId)
      if (withdrawn) source.drop({ taskId })
      return withdrawn
    },
    taken: (taskId) => publisher.taken(taskId),
    depth: () => publisher.depth(),
    status: () => publisher.status(),
    drop: (task) => source.drop(task),
    consume: (node, slots, deliver) =>
      source.consume(node, slots, (delivery) => {
        publisher.taken(delivery.task.taskId)
        deliver(delivery)
      }),
    close,
  }
  return { queue, publisherBroker, sourceBroker, deadLetters, prefix, close, flowing: () => Promise.all(starting) }
}
