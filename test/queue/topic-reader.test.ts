import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs'
import { expect, it } from 'vitest'
import type { BrokerMessage } from '../../src/queue/brokered/broker.js'
import { TopicReader } from '../../src/queue/kafka/topic-reader.js'

/** A client that throws outside of a group, as the real one does; only what a reader calls is there. */
class FakeClient {
  readonly events = { GROUP_JOIN: 'join', FETCH: 'fetch', CRASH: 'crash' }
  readonly resumed: string[] = []
  isJoined = false
  deliver: (payload: EachBatchPayload) => Promise<void> = async () => {}
  #joined = (): void => {}

  on(event: string, listener: () => void): void {
    if (event === 'join') this.#joined = listener
  }
  async connect(): Promise<void> {}
  async subscribe(): Promise<void> {}
  async disconnect(): Promise<void> {}
  seek(): void {}
  async run({ eachBatch }: { eachBatch: FakeClient['deliver'] }): Promise<void> {
    this.deliver = eachBatch
    this.isJoined = true
    this.#joined()
  }
  pause(): void {
    this.#need()
  }
  resume([{ topic }]: [{ topic: string }]): void {
    this.#need()
    this.resumed.push(topic)
  }
  #need(): void {
    if (!this.isJoined) throw new Error('Consumer group was not initialized, consumer#run must be called first')
  }
}

function batchOf(topic: string, offsets: readonly number[]): EachBatchPayload {
  const messages = offsets.map((offset) => ({ offset: String(offset), value: Buffer.from(`m${offset}`) }))
  return {
    batch: { topic, messages },
    resolveOffset: () => {},
    isRunning: () => true,
    isStale: () => false,
  } as unknown as EachBatchPayload
}

it('lets messages be done while its connection is made again, and goes on where it paused', async () => {
  const client = new FakeClient()
  const kafka = { consumer: () => client as unknown as Consumer } as unknown as Kafka
  const taken: BrokerMessage[] = []
  const done: bigint[] = []
  const reader = new TopicReader({
    kafka,
    topics: ['t'],
    window: 2,
    from: new Map(),
    take: (message) => taken.push(message),
    onDone: (_, next) => done.push(next),
    onAlive: () => {},
  })
  await reader.start()
  await client.deliver(batchOf('t', [0, 1, 2]))
  expect(taken.map(({ body }) => String(body))).toEqual(['m0', 'm1'])

  client.isJoined = false
  taken[0]?.done()
  expect(done).toEqual([1n])
  expect(client.resumed).toEqual([])
  await client.deliver(batchOf('t', [2, 3]))
  expect(taken.map(({ body }) => String(body))).toEqual(['m0', 'm1', 'm2'])

  client.isJoined = true
  taken[1]?.done()
  taken[2]?.done()
  expect(client.resumed).toEqual(['t'])
  expect(done).toEqual([1n, 2n, 3n])
  await reader.stop()
})
