import kafkajs, { type EachBatchPayload } from 'kafkajs'
import { beforeEach, expect, it, vi } from 'vitest'
import { deadLettersMax } from '../../src/queue/dead-letters.js'
import { KafkaBroker, type KafkaBrokerOptions } from '../../src/queue/kafka/kafka-broker.js'
import { topicOptions } from '../../src/queue/kafka/topology.js'
import { parseQueueUrl } from '../../src/queue/queue-url.js'
import { FakeConsumer } from './fake-kafka-client.js'

const topics = [
  { name: 'f.outcomes', kind: 'outcomes' },
  { name: 'f.lineage', kind: 'lineage' },
] as const

interface Sent {
  readonly key: string
  readonly value: Buffer | null
}

/** A cluster whose topics reach from `low` to `high`; all that was sent to it is in one of them. */
const cluster = { low: 0, high: 0, sent: [] as Sent[], consumer: new FakeConsumer(), deleted: new Set<string>() }

const admin = {
  connect: vi.fn(async () => {}),
  disconnect: async () => {},
  describeCluster: async () => ({}),
  listTopics: async () => topics.map(({ name }) => name).filter((name) => !cluster.deleted.has(name)),
  createTopics: async ({ topics: made }: { readonly topics: readonly { readonly topic: string }[] }) => {
    for (const { topic } of made) cluster.deleted.delete(topic)
  },
  fetchTopicMetadata: async () => {
    if (cluster.deleted.size > 0) throw new Error('This server does not host this topic-partition')
    return { topics: topics.map(({ name }) => ({ name, partitions: [{}] })) }
  },
  describeConfigs: async () => ({
    resources: topics.map((stream) => ({
      resourceName: stream.name,
      configEntries: Object.entries(topicOptions(stream)).map(([configName, configValue]) => ({ configName, configValue })),
    })),
  }),
  fetchTopicOffsets: async () => [{ partition: 0, low: String(cluster.low), high: String(cluster.high) }],
}

/** The real one looks for all topics that it has met before it makes any, and fails where one of them is not there. */
function newAdmin(): typeof admin {
  let hasMet = false
  return {
    ...admin,
    fetchTopicOffsets: () => {
      hasMet = true
      return admin.fetchTopicOffsets()
    },
    createTopics: async (made) => {
      if (hasMet) throw new Error('This server does not host this topic-partition')
      await admin.createTopics(made)
    },
  }
}

async function sendBatch({ topicMessages }: { readonly topicMessages: readonly { readonly messages: readonly Sent[] }[] }) {
  cluster.sent.push(...topicMessages.flatMap(({ messages }) => messages))
  cluster.high = cluster.sent.length
}

vi.mock('kafkajs', async (original) => {
  const { default: actual } = await original<{ readonly default: typeof import('kafkajs') }>()
  class Kafka {
    admin = () => newAdmin()
    producer = () => ({ connect: async () => {}, disconnect: async () => {}, sendBatch })
    consumer = () => cluster.consumer
  }
  return { default: { ...actual, Kafka } }
})

beforeEach(() => {
  Object.assign(cluster, { low: 0, high: 0, sent: [], consumer: new FakeConsumer(), deleted: new Set() })
})

const open = (options: KafkaBrokerOptions = {}): Promise<KafkaBroker> =>
  KafkaBroker.open(parseQueueUrl('kafka://k', {}), AbortSignal.timeout(10_000), options)

/** Where a coordinator that has read lineage up to `kept` begins to read each stream. */
async function startsAt(kept: bigint | undefined): Promise<Readonly<Record<string, string>>> {
  const positions = new Map(kept === undefined ? [] : [['f.lineage', kept]])
  const broker = await open({ positions })
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
  const broker = await open()
  await broker.mark(['f.lineage'])
  const subscription = await broker.receive(['f.lineage'], 1, () => {})
  expect(await subscription.remaining('f.lineage')).toBe(0)
  cluster.high = 0
  expect(await subscription.remaining('f.lineage')).toBe(0)
  cluster.high = 2
  expect(await subscription.remaining('f.lineage')).toBe(2)
  await broker.close()
})

/** Reads all that was sent as one batch. */
class ShelfReader extends FakeConsumer {
  override async run({ eachBatch }: { eachBatch: FakeConsumer['deliver'] }): Promise<void> {
    const messages = cluster.sent.map(({ key, value }, offset) => ({ key: Buffer.from(key), value, offset: String(offset) }))
    const lastOffset = (): string => String(cluster.sent.length - 1)
    await eachBatch({ batch: { messages, lastOffset } } as unknown as EachBatchPayload)
  }
}

const letter = (index: number): Sent => ({ key: `l${index}`, value: Buffer.from('{}') })

it('shows the newest dead letters up to the limit, and removes the others from the topic', async () => {
  cluster.consumer = new ShelfReader()
  const broker = await open()
  await sendBatch({ topicMessages: [{ messages: Array.from({ length: deadLettersMax + 2 }, (_, index) => letter(index)) }] })
  const shown = await broker.list('f.dead-letters')
  expect([shown.length, shown[0]?.id]).toEqual([deadLettersMax, 'l2'])
  await expect
    .poll(() => cluster.sent.slice(deadLettersMax + 2))
    .toEqual([
      { key: 'l0', value: null },
      { key: 'l1', value: null },
    ])
  await broker.close()
})

it('holds dead letters to their limit though nobody looks at them', async () => {
  cluster.consumer = new ShelfReader()
  const broker = await open()
  await sendBatch({ topicMessages: [{ messages: Array.from({ length: deadLettersMax }, (_, index) => letter(index)) }] })
  await broker.put('f.dead-letters', { id: 'newest', body: Buffer.from('{}') })
  await expect.poll(() => cluster.sent.slice(deadLettersMax + 1)).toEqual([{ key: 'l0', value: null }])
  await broker.close()
})

const { KafkaJSConnectionError, KafkaJSNumberOfRetriesExceeded, KafkaJSProtocolError, KafkaJSSASLAuthenticationError } = kafkajs

const connectionError = (message: string, code: string): Error =>
  new KafkaJSNumberOfRetriesExceeded(new KafkaJSConnectionError(`Connection error: ${message}`, { broker: 'k:9093', code }), {
    retryCount: 3,
    retryTime: 500,
  })

const protocolError = (type: string): Error =>
  new KafkaJSProtocolError(Object.assign(new Error('not allowed'), { type, code: 31, retriable: false }))

it.each([
  [connectionError('getaddrinfo ENOTFOUND kafka-tls.internal', 'ENOTFOUND'), 'UNAVAILABLE'],
  [connectionError('connect ECONNREFUSED certificates.internal', 'ECONNREFUSED'), 'UNAVAILABLE'],
  [connectionError('self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'), 'CONFIGURATION_INVALID'],
  [connectionError('the name does not match', 'ERR_TLS_CERT_ALTNAME_INVALID'), 'CONFIGURATION_INVALID'],
  [Reflect.construct(KafkaJSSASLAuthenticationError, ['wrong password']), 'CONFIGURATION_INVALID'],
  [protocolError('CLUSTER_AUTHORIZATION_FAILED'), 'CONFIGURATION_INVALID'],
])('tells a refusal from a broker that is away: %s', async (error, code) => {
  admin.connect.mockRejectedValueOnce(error)
  await expect(KafkaBroker.open(parseQueueUrl('kafka://k', {}), AbortSignal.abort())).rejects.toMatchObject({ code })
})

it('makes a topic again that somebody has deleted', async () => {
  vi.useFakeTimers()
  try {
    const broker = await open()
    await broker.declare(topics)
    cluster.deleted.add('f.outcomes')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(cluster.deleted).toEqual(new Set())
    expect(broker.status()).toEqual({ kind: 'kafka', connected: true })
    await broker.close()
  } finally {
    vi.useRealTimers()
  }
})
