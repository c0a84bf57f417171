/**
 * Brokers that die. By default short; `FOREBAY_QUEUE_TASKS=100000 FOREBAY_QUEUE_KILLS=20 FOREBAY_QUERY_KILLS=50` for the whole.
 */
import { connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TaskMessage } from '../../src/model/messages.js'
import { priorities } from '../../src/model/priority.js'
import type { Broker } from '../../src/queue/brokered/broker.js'
import { streamsOf } from '../../src/queue/brokered/broker.js'
import { declaredStreams } from '../../src/queue/brokered/declared-streams.js'
import { encodeTask } from '../../src/queue/brokered/wire.js'
import { openBroker } from '../../src/queue/open-broker.js'
import { parseQueueUrl } from '../../src/queue/queue-url.js'
import { until } from '../engine/engine-under-test.js'
import { asKafkaAdmin, type BrokerName, brokers, removeStreams, urlOf } from './brokers.js'
import { newPrefix, openQueueUnderTest } from './queue-under-test.js'
import { signalServer, startServer, useServer } from './support.js'

const tasks = Number(process.env.FOREBAY_QUEUE_TASKS ?? 10_000)
const kills = Number(process.env.FOREBAY_QUEUE_KILLS ?? 5)

function taskOf(index: number): TaskMessage {
  return {
    taskId: `t${index}`,
    attempt: 1,
    queryId: 'q1',
    tenant: 't',
    template: '',
    role: 'leaf',
    sql: 'SELECT 1',
    inputs: [],
    output: { to: 'segment', segment: `d-${index}`, columns: [] },
    transformation: { type: 'scan', operators: [], shape: '' },
    threads: 'one',
    timeZone: 'UTC',
    memoryBytes: 0,
    deadlineAt: 0,
    queuedAt: 0,
    eventKind: 'task',
  }
}

describe.each(brokers)('%s', (name) => {
  beforeAll(() => startServer(name))
  afterAll(() => startServer(name))

  it(`loses none of ${tasks} tasks and does each once while the broker is killed ${kills} times`, async () => {
    const under = await openQueueUnderTest(name, { nodes: ['n1'] })
    const effects = new Map<string, number>()
    under.queue.consume('n1', 16, (delivery) => {
      effects.set(delivery.task.taskId, (effects.get(delivery.task.taskId) ?? 0) + 1)
      setImmediate(() => void delivery.settle())
    })
    let next = 0
    const publishing = Array.from({ length: 200 }, async () => {
      while (next < tasks) {
        const index = next++
        await under.queue.publish('n1', taskOf(index), priorities[index % 4] ?? 'batch')
      }
    })
    let seenAway = 0
    for (let kill = 1; kill <= kills; kill++) {
      await until(() => effects.size >= (kill * tasks) / (kills + 1), `task ${kill}/${kills + 1} of all`, 120_000)
      signalServer(name, 'SIGKILL')
      await until(() => !under.queue.status().connected, 'the loss being noticed', 20_000)
      seenAway++
      await startServer(name)
      await until(() => under.queue.status().connected, 'the return being noticed', 30_000)
    }
    await Promise.all(publishing)
    await until(() => effects.size >= tasks, 'the last task', 120_000)
    expect(seenAway).toBe(kills)
    expect([...effects.values()].filter((count) => count !== 1)).toEqual([])
    await until(() => Object.values(under.queue.depth()).every((waiting) => waiting === 0), 'an empty queue')
    await under.close()
  }, 1_800_000)

  it('does each task once when every message comes twice and in any order', async () => {
    const prefix = newPrefix()
    const under = await openQueueUnderTest(name, { nodes: ['n1'], prefix })
    const noisy = duplicating(under.publisherBroker)
    const effects = new Map<string, number>()
    under.queue.consume('n1', 8, (delivery) => {
      effects.set(delivery.task.taskId, (effects.get(delivery.task.taskId) ?? 0) + 1)
      void delivery.settle()
    })
    const envelopes = Array.from({ length: 500 }, (_, index) => index).sort(() => Math.random() - 0.5)
    await Promise.all(
      envelopes.map((index) => {
        const envelope = { version: 1, run: 'run-1', incarnation: 1, priority: 'batch', task: taskOf(index) } as const
        return noisy.send(streamsOf(prefix).tasks('n1', 'batch'), encodeTask(envelope)).confirmed
      }),
    )
    await until(() => effects.size === 500, 'all tasks', 20_000)
    expect([...effects.values()].every((count) => count === 1)).toBe(true)
    await under.close()
  }, 60_000)

  it('leaves alone what was meant for another process or run', async () => {
    const under = await openQueueUnderTest(name, { nodes: ['n1'] })
    const got: string[] = []
    under.queue.consume('n1', 8, (delivery) => {
      got.push(delivery.task.taskId)
      void delivery.settle()
    })
    const stream = streamsOf(under.prefix).tasks('n1', 'batch')
    const envelope = { version: 1, run: 'run-1', incarnation: 1, priority: 'batch' } as const
    for (const other of [{ run: 'run-0' }, { incarnation: 0 }, {}]) {
      const task = taskOf(other.run === undefined ? (other.incarnation ?? 2) : 1)
      await under.publisherBroker.send(stream, encodeTask({ ...envelope, ...other, task })).confirmed
    }
    await until(() => got.length > 0, 'the task of this run')
    expect(got).toEqual(['t2'])
    await under.close()
  })

  it('puts what is not a task among the dead letters', async () => {
    const under = await openQueueUnderTest(name, { nodes: ['n1'] })
    const got: string[] = []
    under.queue.consume('n1', 8, (delivery) => {
      got.push(delivery.task.taskId)
      void delivery.settle()
    })
    await under.publisherBroker.send(streamsOf(under.prefix).tasks('n1', 'batch'), Buffer.from('{"hello":')).confirmed
    await under.queue.publish('n1', taskOf(1), 'batch')
    await until(() => got.length === 1, 'the task after it')
    let letters = await under.deadLetters.list()
    for (let tries = 0; letters.length === 0 && tries < 50; tries++) letters = await under.deadLetters.list()
    expect(letters).toHaveLength(1)
    expect(letters[0]?.reason).toMatchObject({ code: 'REQUEST_INVALID', message: expect.stringContaining('{"hello":') })
    expect(await under.deadLetters.remove(letters[0]?.id ?? '')).toBe(true)
    expect(await under.deadLetters.list()).toEqual([])
    expect(await under.deadLetters.remove('nobody')).toBe(false)
    await under.close()
  })

  it('goes on when somebody has deleted all that it declared', async () => {
    const under = await openQueueUnderTest(name, { nodes: ['n1'] })
    const got: string[] = []
    under.queue.consume('n1', 8, (delivery) => {
      got.push(delivery.task.taskId)
      void delivery.settle()
    })
    for (const index of [1, 2, 3]) await under.queue.publish('n1', taskOf(index), 'batch')
    await until(() => got.length === 3, 'the tasks before')
    await removeStreams(name, under.prefix, ['n1'])
    await under.queue.publish('n1', taskOf(4), 'batch')
    await until(() => got.length === 4, 'the task after')
    expect(await under.deadLetters.list()).toEqual([])
    await under.close()
  })

  it('shows a dead letter at once, and to all who look at the same time', async () => {
    const under = await openQueueUnderTest(name, { nodes: ['n1'] })
    const { deadLetters } = under
    const idsOf = async (): Promise<readonly string[]> => (await deadLetters.list()).map(({ id }) => id)
    const reason = { code: 'NODE_LOST', message: 'n1 is gone' } as const
    const kept = deadLetters.add({ id: 'l1', at: 1, attempts: 5, reason })
    expect(await idsOf()).toEqual(['l1'])
    await kept
    expect(await Promise.all([idsOf(), idsOf(), idsOf()])).toEqual([['l1'], ['l1'], ['l1']])
    await deadLetters.add({ id: 'l1', at: 2, attempts: 10, reason })
    expect(await deadLetters.list()).toMatchObject([{ id: 'l1', attempts: 10 }])
    expect(await deadLetters.remove('l1')).toBe(true)
    expect(await deadLetters.list()).toEqual([])
    await under.close()
  })

  it('gives a task up that is given back five times', async () => {
    const under = await openQueueUnderTest(name, { nodes: ['n1'] })
    const tries: number[] = []
    under.queue.consume('n1', 1, (delivery) => {
      tries.push(delivery.attempts)
      void delivery.release()
    })
    await under.queue.publish('n1', taskOf(7), 'batch')
    await until(() => tries.length === 5, 'five tries')
    let letters = await under.deadLetters.list()
    for (let looks = 0; letters.length === 0 && looks < 50; looks++) letters = await under.deadLetters.list()
    expect(letters).toMatchObject([{ id: 't7', attempts: 5, task: { taskId: 't7' } }])
    expect(tries).toEqual([1, 2, 3, 4, 5])
    await under.close()
  })

  it('names the queue and the option that are in the way', async () => {
    const prefix = newPrefix()
    const lineage = streamsOf(prefix).lineage
    await makeOtherwise(name, lineage)
    const broker = await openBroker(parseQueueUrl(urlOf(name), {}), AbortSignal.timeout(10_000))
    const declared = broker.declare(declaredStreams(prefix, ['n1']))
    await expect(declared).rejects.toMatchObject({ code: 'CONFIGURATION_INVALID' })
    await expect(declared).rejects.toThrow(
      new RegExp(`"${lineage}".*(x-max-length is absent, not '1000000'|partitions is 3, not 1)`),
    )
    await broker.close()
    await removeStreams(name, prefix, ['n1'])
  })

  it('speaks TLS with credentials of the environment, and never shows a password', async () => {
    const { urls, credentials } = useServer(name)
    const bare = (urls['tls'] ?? '').replace(/\/\/[^@]*@/, '//')
    const environment = { FOREBAY_QUEUE_USER: credentials['user'] ?? '', FOREBAY_QUEUE_PASSWORD: credentials['password'] ?? '' }
    const broker = await openBroker(parseQueueUrl(bare, environment), AbortSignal.timeout(10_000))
    expect(broker.status().connected).toBe(true)
    await broker.close()
    const wrong = { ...environment, FOREBAY_QUEUE_PASSWORD: 'not-the-secret' }
    const refused = await openBroker(parseQueueUrl(bare, wrong), AbortSignal.timeout(10_000)).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'CONFIGURATION_INVALID', message: expect.stringContaining('refuses the connection') })
    expect(String(refused)).not.toContain('not-the-secret')
    const stranger = parseQueueUrl(bare.replace(/\?.*/, ''), environment)
    await expect(openBroker(stranger, AbortSignal.timeout(10_000))).rejects.toThrow(/certificate|self-signed/)
  })
})

/** Sends everything twice, the second time a little later. */
function duplicating(broker: Broker): Pick<Broker, 'send'> {
  return {
    send: (stream, body) => {
      const first = broker.send(stream, body)
      const again = new Promise((resolve) => setTimeout(resolve, Math.random() * 50)).then(
        () => broker.send(stream, body).confirmed,
      )
      return { confirmed: Promise.all([first.confirmed, again]).then(() => undefined), cancel: first.cancel }
    },
  }
}

async function makeOtherwise(name: BrokerName, stream: string): Promise<void> {
  if (name === 'kafka') {
    const topics = [{ topic: stream, numPartitions: 3 }]
    return asKafkaAdmin((admin) => admin.createTopics({ topics, waitForLeaders: true }))
  }
  const connection = await connect(urlOf('rabbitmq'))
  const channel = await connection.createChannel()
  await channel.assertQueue(stream, { durable: true })
  await connection.close()
}
