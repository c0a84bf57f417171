// A CommonJS module: Node finds no named exports in it.
import kafkajs, { type Admin } from 'kafkajs'
import { ForebayError } from '../../model/errors.js'
import type { Stream } from '../brokered/broker.js'
import { whenKnown } from './when-known.js'

/** Options of each topic. Tasks live as long as a query may; reports until a coordinator has been away for a week. */
export function topicOptions({ kind }: Stream): Readonly<Record<string, string>> {
  const common = { 'max.message.bytes': '9000000' }
  if (kind === 'shelf') return { ...common, 'cleanup.policy': 'compact' }
  const hours = kind === 'tasks' ? 24 : 7 * 24
  return { ...common, 'cleanup.policy': 'delete', 'retention.ms': String(hours * 3_600_000) }
}

/** Makes the topics that are missing, of one partition each, since order matters, and checks the others. */
export async function declareTopics(admin: Admin, streams: readonly Stream[], shown: string): Promise<void> {
  const existing = new Set(await admin.listTopics())
  const missing = streams.filter(({ name }) => !existing.has(name))
  if (missing.length > 0) {
    await admin.createTopics({
      // What it waits for is a leader; a topic that the broker does not know yet would be an error.
      waitForLeaders: false,
      topics: missing.map((stream) => ({
        topic: stream.name,
        numPartitions: 1,
        replicationFactor: -1,
        configEntries: Object.entries(topicOptions(stream)).map(([name, value]) => ({ name, value })),
      })),
    })
    await whenKnown(() => admin.fetchTopicMetadata({ topics: missing.map(({ name }) => name) }))
  }
  const found = streams.filter(({ name }) => existing.has(name))
  if (found.length > 0) await check(admin, found, shown)
}

async function check(admin: Admin, streams: readonly Stream[], shown: string): Promise<void> {
  const { topics } = await admin.fetchTopicMetadata({ topics: streams.map(({ name }) => name) })
  for (const { name, partitions } of topics) {
    if (partitions.length !== 1) throw differs(name, shown, 'partitions', String(partitions.length), '1')
  }
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: streams.map((stream) => ({
      type: kafkajs.ConfigResourceTypes.TOPIC,
      name: stream.name,
      configNames: Object.keys(topicOptions(stream)),
    })),
  })
  for (const stream of streams) {
    const entries = resources.find(({ resourceName }) => resourceName === stream.name)?.configEntries ?? []
    for (const [option, wanted] of Object.entries(topicOptions(stream))) {
      const is = entries.find(({ configName }) => configName === option)?.configValue
      if (is !== undefined && is !== wanted) throw differs(stream.name, shown, option, is, wanted)
    }
  }
}

function differs(topic: string, shown: string, option: string, is: string, wanted: string): ForebayError {
  return new ForebayError(
    'CONFIGURATION_INVALID',
    `topic "${topic}" of ${shown} exists with another option: ${option} is ${is}, not ${wanted}`,
    { hint: 'delete that topic, or give Forebay other names: --queue "kafka://…?prefix=NAME"' },
  )
}
