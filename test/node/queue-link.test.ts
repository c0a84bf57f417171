import { beforeEach, expect, it, vi } from 'vitest'
import type { ErrorCode } from '../../src/model/errors.js'
import type { FromNode, NodeConfiguration, TaskMessage, ToNode } from '../../src/model/messages.js'
import { QueueLink } from '../../src/node/queue-link.js'
import type { Broker, BrokerMessage } from '../../src/queue/brokered/broker.js'
import { encodeTask } from '../../src/queue/brokered/wire.js'

/** A broker that confirms when it is told to. */
const broker = {
  connected: true,
  confirm: [] as (() => void)[],
  cancelled: 0,
  take: (() => {}) as (message: BrokerMessage) => void,
}

vi.mock('../../src/queue/open-broker.js', () => ({
  openBroker: async (): Promise<Partial<Broker>> => ({
    mark: async () => {},
    status: () => ({ kind: 'kafka', connected: broker.connected }),
    receive: async (_streams, _window, take) => {
      broker.take = take
      return { remaining: async () => 0, stop: async () => {} }
    },
    send: () => ({
      confirmed: new Promise((resolve) => broker.confirm.push(resolve)),
      cancel: () => void broker.cancelled++,
    }),
  }),
}))

beforeEach(() => {
  vi.useFakeTimers()
  Object.assign(broker, { connected: true, confirm: [], cancelled: 0 })
})

/** A link, with what the parent hears from it. */
async function openLink(slots = 1) {
  const toParent: FromNode[] = []
  const queue = { url: 'kafka://k', prefix: 'f', run: 'r', slots }
  const configuration = { id: 'n1', incarnation: 1 } as NodeConfiguration
  const link = await QueueLink.open(configuration, queue, (message) => toParent.push(message))
  return { link, toParent }
}

/** A link that takes tasks; `begun` are those that the node was given. */
async function startLink(slots = 1) {
  const { link, toParent } = await openLink(slots)
  const begun: string[] = []
  link.start((message: ToNode) => {
    if (message.type === 'run') begun.push(message.task.taskId)
  })
  await vi.advanceTimersByTimeAsync(0)
  return { link, toParent, begun }
}

async function publish(taskId: string, options: Partial<TaskMessage> = {}): Promise<void> {
  const task = { taskId, attempt: 1, dispatch: 1, sql: 'SELECT 1', ...options } as TaskMessage
  const body = encodeTask({ version: 1, run: 'r', incarnation: 1, priority: 'interactive', task })
  broker.take({ stream: 'f.n1.interactive', body, done: () => {} })
  await vi.advanceTimersByTimeAsync(0)
}

function failure(taskId: string, code: ErrorCode): FromNode {
  return { type: 'failed', taskId, attempt: 1, incarnation: 1, error: { code, message: '' } } as FromNode
}

const lineage: FromNode = { type: 'lineage', batch: 1, events: [] }
const drained: FromNode = { type: 'drained' }

it('goes by its parent when the broker goes away while it drains', async () => {
  const { link, toParent } = await openLink()
  link.send(lineage)
  link.notice({ type: 'drain' })
  await vi.advanceTimersByTimeAsync(5_000)
  expect(toParent).toEqual([])
  broker.connected = false
  await vi.advanceTimersByTimeAsync(5_000)
  expect(toParent).toEqual([lineage])
  expect(broker.cancelled).toBe(1)
  link.send(drained)
  expect(toParent).toEqual([lineage, drained])
})

it('says last that it has drained, also when the broker goes away just then', async () => {
  const { link, toParent } = await openLink()
  const ended: FromNode = { type: 'stream-ended', taskId: 't1', rows: 1, bytes: 1 }
  link.notice({ type: 'drain' })
  link.send(ended)
  link.send(drained)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(toParent).toEqual([])
  broker.connected = false
  await vi.advanceTimersByTimeAsync(5_000)
  expect(toParent).toEqual([ended, drained])
})

it('has drained when the broker has confirmed all that it said', async () => {
  const { link, toParent } = await openLink()
  link.notice({ type: 'drain' })
  link.send({ type: 'stream-ended', taskId: 't1', rows: 1, bytes: 1 })
  link.send({ type: 'stream-ended', taskId: 't2', rows: 1, bytes: 1 })
  link.send(drained)
  broker.confirm[1]?.()
  await vi.advanceTimersByTimeAsync(0)
  expect(toParent).toEqual([])
  broker.confirm[0]?.()
  await vi.advanceTimersByTimeAsync(0)
  expect(toParent).toEqual([drained])
})

it('says by its parent how a cancelled task ended, also when its own deadline was first', async () => {
  const { link, toParent } = await startLink()
  await publish('t1')
  broker.connected = false
  link.notice({ type: 'cancel', taskId: 't1', dispatch: 1 })
  const ended = failure('t1', 'DEADLINE_EXCEEDED')
  link.send(ended)
  expect(toParent).toEqual([{ type: 'started', taskId: 't1', attempt: 1 }, ended])
})

it('begins what waited behind a task that was to run alone and is cancelled', async () => {
  const { link, begun } = await startLink(3)
  await publish('t1')
  await publish('t2', { alone: true })
  await publish('t3')
  expect(begun).toEqual(['t1'])
  link.notice({ type: 'cancel', taskId: 't2', dispatch: 1 })
  expect(begun).toEqual(['t1', 't3'])
})
