import type { Kafka } from 'kafkajs'
import { expect, it } from 'vitest'
import type { BrokerMessage } from '../../src/queue/brokered/broker.js'
import { TopicReader } from '../../src/queue/kafka/topic-reader.js'
import { batchOf, FakeConsumer } from './fake-kafka-client.js'

/** A reader of topic `t`, with what it took and what it says is done. */
function readerOn(client: FakeConsumer, window: number, from = 0n) {
  const kafka = { consumer: () => client.asConsumer() } as unknown as Kafka
  const taken: BrokerMessage[] = []
  const done: bigint[] = []
  const reader = new TopicReader({
    kafka,
    topics: ['t'],
    window,
    from: new Map([['t', from]]),
    take: (message) => taken.push(message),
    onDone: (_, next) => done.push(next),
    onAlive: () => {},
  })
  return { reader, taken, done, bodies: () => taken.map(({ body }) => String(body)) }
}

it('lets messages be done while its connection is made again, and goes on where it paused', async () => {
  const client = new FakeConsumer()
  const { reader, taken, done, bodies } = readerOn(client, 2)
  await reader.start()
  await client.deliver(batchOf('t', [0, 1, 2]))
  expect(bodies()).toEqual(['m0', 'm1'])

  client.isJoined = false
  taken[0]?.done()
  expect(done).toEqual([1n])
  expect(client.resumed).toEqual([])
  await client.deliver(batchOf('t', [2, 3]))
  expect(bodies()).toEqual(['m0', 'm1', 'm2'])

  client.isJoined = true
  taken[1]?.done()
  taken[2]?.done()
  expect(client.resumed).toEqual(['t'])
  expect(done).toEqual([1n, 2n, 3n])
  await reader.stop()
})

it('goes on with a topic that was full when its group was joined again', async () => {
  const client = new FakeConsumer()
  const { reader, taken } = readerOn(client, 2)
  await reader.start()
  await client.deliver(batchOf('t', [0, 1, 2]))
  client.join()
  expect(client.sought.get('t')).toBe('2')
  expect([...client.paused]).toEqual(['t'])
  for (const message of taken) message.done()
  expect([...client.paused]).toEqual([])
  await reader.stop()
})

it.each(['connect', 'subscribe', 'run'])('leaves no client behind when it is stopped while that is at "%s"', async (call) => {
  const client = new FakeConsumer()
  const { reader } = readerOn(client, 2)
  client.during = async (at) => (at === call ? reader.stop() : undefined)
  await reader.start()
  expect(client.calls).toEqual(
    call === 'run' ? ['connect', 'subscribe', 'run', 'disconnect'] : ['connect', 'subscribe', 'disconnect'],
  )
  expect(client.isJoined).toBe(false)
})

it('reads a topic from its start that was made anew, and forgets what was open of the former one', async () => {
  const client = new FakeConsumer()
  const { reader, taken, done, bodies } = readerOn(client, 10, 5_000n)
  await reader.start()
  await client.deliver(batchOf('t', [5_000]))
  await client.deliver(batchOf('t', [0, 1, 2], 3))
  expect(bodies()).toEqual(['m5000', 'm0', 'm1', 'm2'])
  expect(reader.next('t')).toBe(3n)
  taken[1]?.done()
  taken[0]?.done()
  expect(done).toEqual([1n])
  await reader.stop()
})

it('hands out nothing again that an older fetch of the same topic brings', async () => {
  const client = new FakeConsumer()
  const { reader, bodies } = readerOn(client, 10, 7n)
  await reader.start()
  await client.deliver(batchOf('t', [5, 6, 7, 8]))
  expect(bodies()).toEqual(['m7', 'm8'])
  await reader.stop()
})
