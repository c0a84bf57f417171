import { EventEmitter } from 'node:events'
import { beforeEach, expect, it, vi } from 'vitest'
import type { TaskMessage } from '../../src/model/messages.js'
import type { Priority } from '../../src/model/priority.js'
import { streamsOf } from '../../src/queue/brokered/broker.js'
import { BrokerTaskSource } from '../../src/queue/brokered/broker-task-source.js'
import { encodeTask } from '../../src/queue/brokered/wire.js'
import { parseQueueUrl } from '../../src/queue/queue-url.js'
import { RabbitMqBroker } from '../../src/queue/rabbitmq/rabbitmq-broker.js'
import type { Delivery } from '../../src/queue/task-queue.js'

type Take = (message: { readonly content: Buffer }) => void

/** What waits in each queue, and who reads it now. */
const queues = new Map<string, Buffer[]>()
const readers = new Map<string, Take>()
let connection = new EventEmitter()
/** Queues that were declared. */
const declared = new Set<string>()
/** Why nobody can connect. */
let refusal: Error | undefined

function deliver(queue: string): void {
  const take = readers.get(queue)
  if (take !== undefined) for (const content of queues.get(queue)?.splice(0) ?? []) take({ content })
}

function put(queue: string, content: Buffer): void {
  queues.set(queue, [...(queues.get(queue) ?? []), content])
  deliver(queue)
}

/** The broker goes away, and is there again for the next connection. */
function breakConnection(): void {
  readers.clear()
  connection.emit('close')
}

vi.mock('amqplib', () => {
  const createConfirmChannel = async () =>
    Object.assign(new EventEmitter(), {
      prefetch: async () => {},
      ack: () => {},
      close: async () => {},
      checkQueue: async (queue: string) => ({ messageCount: queues.get(queue)?.length ?? 0 }),
      consume: async (queue: string, take: Take) => {
        readers.set(queue, take)
        queueMicrotask(() => deliver(queue))
      },
    })
  const createChannel = async () =>
    Object.assign(new EventEmitter(), {
      assertQueue: async (queue: string) => void declared.add(queue),
      get: async (queue: string) => {
        if (declared.has(queue)) return false
        throw new Error(`404 (NOT-FOUND): no queue '${queue}'`)
      },
      nackAll: () => {},
      close: async () => {},
    })
  const connect = async () => {
    if (refusal !== undefined) throw refusal
    connection = Object.assign(new EventEmitter(), { createChannel, createConfirmChannel, close: async () => {} })
    return connection
  }
  return { connect }
})

beforeEach(() => {
  queues.clear()
  readers.clear()
  declared.clear()
  refusal = undefined
})

function publish(taskId: string, priority: Priority): void {
  const task = { taskId, attempt: 1, sql: 'SELECT 1' } as TaskMessage
  put(streamsOf('f').tasks('n1', priority), encodeTask({ version: 1, run: 'r', incarnation: 1, priority, task }))
}

it('delivers the most urgent first also when its connection was lost', async () => {
  const broker = await RabbitMqBroker.open(parseQueueUrl('amqp://r', {}), AbortSignal.timeout(10_000))
  const source = new BrokerTaskSource({ broker, prefix: 'f', run: 'r', incarnation: 1, bury: async () => {} })
  const deliveries: Delivery[] = []
  const ids = (): readonly string[] => deliveries.map(({ task }) => task.taskId)
  source.consume('n1', 1, (delivery) => deliveries.push(delivery))
  publish('background-0', 'background')
  await expect.poll(ids).toEqual(['background-0'])
  await deliveries[0]?.settle()

  breakConnection()
  publish('background-1', 'background')
  publish('proactive-1', 'proactive')
  await expect.poll(ids).toEqual(['background-0', 'proactive-1'])
  await deliveries[1]?.settle()
  await expect.poll(ids).toEqual(['background-0', 'proactive-1', 'background-1'])
  await broker.close()
})

const withCode = (message: string, code: string): Error => Object.assign(new Error(message), { code })

it.each([
  [withCode('getaddrinfo ENOTFOUND rabbit-ssl.internal', 'ENOTFOUND'), 'UNAVAILABLE'],
  [withCode('connect ECONNREFUSED certificates.internal', 'ECONNREFUSED'), 'UNAVAILABLE'],
  [withCode('self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'), 'CONFIGURATION_INVALID'],
  [withCode('the name does not match', 'ERR_TLS_CERT_ALTNAME_INVALID'), 'CONFIGURATION_INVALID'],
  [new Error('Handshake terminated by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED"'), 'CONFIGURATION_INVALID'],
])('tells a refusal from a broker that is away: %s', async (error, code) => {
  refusal = error
  await expect(RabbitMqBroker.open(parseQueueUrl('amqp://r', {}), AbortSignal.abort())).rejects.toMatchObject({ code })
})

it('has no dead letters after somebody deleted their queue', async () => {
  const broker = await RabbitMqBroker.open(parseQueueUrl('amqp://r', {}), AbortSignal.timeout(10_000))
  await broker.declare([{ name: 'f.dead-letters', kind: 'shelf' }])
  declared.clear()
  expect(await broker.list('f.dead-letters')).toEqual([])
  await broker.close()
})
