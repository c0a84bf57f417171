import { beforeEach, expect, it, vi } from 'vitest'
import type { FromNode, NodeConfiguration } from '../../src/model/messages.js'
import { QueueLink } from '../../src/node/queue-link.js'
import type { Broker } from '../../src/queue/brokered/broker.js'

/** A broker that confirms when it is told to. */
const broker = { connected: true, confirm: [] as (() => void)[], cancelled: 0 }

vi.mock('../../src/queue/open-broker.js', () => ({
  openBroker: async (): Promise<Partial<Broker>> => ({
    mark: async () => {},
    status: () => ({ kind: 'kafka', connected: broker.connected }),
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
async function openLink() {
  const toParent: FromNode[] = []
  const queue = { url: 'kafka://k', prefix: 'f', run: 'r', slots: 1 }
  const configuration = { id: 'n1', incarnation: 1 } as NodeConfiguration
  const link = await QueueLink.open(configuration, queue, (message) => toParent.push(message))
  return { link, toParent }
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
