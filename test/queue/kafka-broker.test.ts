import { beforeEach, expect, it, vi } from 'vitest'
import { KafkaBroker } from '../../src/queue/kafka/kafka-broker.js'
import { topicOptions } from '../../src/queue/kafka/topology.js'
import { parseQueueUrl } from '../../src/queue/queue-url.js'
import { FakeConsumer } from './fake-kafka-client.js'

const topics = [
  { name: 'f.outcomes', kind: 'outcomes' },
  { name: 'f.lineage', kind: 'lineage' },
] as const

/** A cluster whose topics reach from `low` to `high`. */
const cluster = { low: 0, high: 0, consumer: new FakeConsumer() }

const admin = {
  connect: async () => {},
  disconnect: async () => {},
  listTopics: async () => topics.map(({ name }) => name),
  fetchTopicMetadata: async () => ({ topics: topics.map(({ name }) => ({ name, partitions: [{}] })) }),
  describeConfigs: async () => ({
    resources: topics.map((stream) => ({
      resourceName: stream.name,
      configEntries: Object.entries(topicOptions(stream)).map(([configName, configValue]) => ({ configName, configValue })),
    })),
  }),
  fetchTopicOffsets: async () => [{ partition: 0, low: String(cluster.low), high: String(cluster.high) }],
}

vi.mock('kafkajs', async (original) => {
  const { default: kafkajs } = await original<{ readonly default: typeof import('kafkajs') }>()
  class Kafka {
    admin = () => admin
    producer = () => ({ connect: async () => {}, disconnect: async () => {} })
    consumer = () => cluster.consumer
  }
  return { default: { ...kafkajs, Kafka } }
})

beforeEach(() => {
  Object.assign(cluster, { low: 0, high: 0, consumer: new FakeConsumer() })
})

/** Where a coordinator that has read lineage up to `kept` begins to read each stream. */
async function startsAt(kept: bigint | undefined): Promise<Readonly<Record<string, string>>> {
  const positions = new Map(kept === undefined ? [] : [['f.lineage', kept]])
  const broker = await KafkaBroker.open(parseQueueUrl('kafka://k', {}), AbortSignal.timeout(10_000), { positions })
  await broker.declare(topics)
  await broker.receive(
    topics.map(({ name }) => name),
    1,
    () => {},
  )
  await broker.close()
  return Object.fromEntries(cluster.consumer.sought)
}

it('goes on with lineage where the former run stopped, and from the start where none did or the topic is another one', async () => {
  Object.assign(cluster, { low: 3, high: 10 })
  expect(await startsAt(7n)).toMatchObject({ 'f.lineage': '7' })
  expect(await startsAt(10n)).toMatchObject({ 'f.lineage': '10' })
  expect(await startsAt(undefined)).toMatchObject({ 'f.lineage': '3' })
  expect(await startsAt(5_000n)).toMatchObject({ 'f.lineage': '3' })
  expect(await startsAt(1n)).toMatchObject({ 'f.lineage': '3' })
})

it('begins with the outcomes of its own run', async () => {
  Object.assign(cluster, { low: 3, high: 10 })
  expect(await startsAt(undefined)).toMatchObject({ 'f.outcomes': '10' })
})

it('has all of a topic before it that was made anew since it was read', async () => {
  Object.assign(cluster, { low: 0, high: 5_000 })
  const broker = await KafkaBroker.open(parseQueueUrl('kafka://k', {}), AbortSignal.timeout(10_000))
  await broker.mark(['f.lineage'])
  const subscription = await broker.receive(['f.lineage'], 1, () => {})
  expect(await subscription.remaining('f.lineage')).toBe(0)
  cluster.high = 0
  expect(await subscription.remaining('f.lineage')).toBe(0)
  cluster.high = 2
  expect(await subscription.remaining('f.lineage')).toBe(2)
  await broker.close()
})
