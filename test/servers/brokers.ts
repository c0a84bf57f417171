import { connect } from 'amqplib'
import kafkajs, { type Admin } from 'kafkajs'
import { declaredStreams } from '../../src/queue/brokered/declared-streams.js'
import { parseQueueUrl } from '../../src/queue/queue-url.js'
import { useServer } from './support.js'

export const brokers = ['rabbitmq', 'kafka'] as const
export type BrokerName = (typeof brokers)[number]

export function urlOf(name: BrokerName): string {
  return (name === 'rabbitmq' ? useServer('rabbitmq').urls['amqp'] : useServer('kafka').urls['plain']) ?? ''
}

/** Removes what a coordinator with these nodes has declared: everything that stays on a broker makes its next start slower. */
export async function removeStreams(name: BrokerName, prefix: string, nodes: readonly string[]): Promise<void> {
  const streams = declaredStreams(prefix, nodes).map((stream) => stream.name)
  await (name === 'rabbitmq' ? removeQueues(streams) : removeTopics(streams))
}

async function removeQueues(queues: readonly string[]): Promise<void> {
  const connection = await connect(urlOf('rabbitmq'))
  const channel = await connection.createChannel()
  for (const queue of queues) await channel.deleteQueue(queue)
  await connection.close()
}

async function removeTopics(topics: readonly string[]): Promise<void> {
  await asKafkaAdmin(async (admin) => {
    const existing = new Set(await admin.listTopics())
    await admin.deleteTopics({ topics: topics.filter((topic) => existing.has(topic)) })
  })
}

export async function asKafkaAdmin(work: (admin: Admin) => Promise<unknown>): Promise<void> {
  const { hosts } = parseQueueUrl(urlOf('kafka'), {})
  const admin = new kafkajs.Kafka({ brokers: [...hosts], logLevel: kafkajs.logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    await work(admin)
  } finally {
    await admin.disconnect()
  }
}
