import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { Outbox, type OutboxOptions, type Outgoing } from '../../src/queue/brokered/outbox.js'

/** A broker that confirms what it takes, unless it is told to fail. */
function outboxUnderTest(limits: Pick<OutboxOptions, 'bytesMax' | 'batchMax' | 'batchBytesMax'> = {}) {
  const batches: string[][] = []
  const broker = { fails: false }
  const outbox = new Outbox({
    retryMs: 1,
    ...limits,
    transmit: async (batch: readonly Outgoing[]) => {
      batches.push(batch.map(({ body }) => body.toString()))
      if (broker.fails) throw new Error('refused')
    },
  })
  const send = (text: string) => outbox.send('tasks', Buffer.from(text))
  return { outbox, broker, batches, send, sent: () => batches.flat() }
}

describe('the outbox to a broker', () => {
  it('sends what gathered while nothing was connected, oldest first, in batches', async () => {
    const { outbox, batches, send } = outboxUnderTest({ batchMax: 2 })
    const sendings = ['a', 'b', 'c'].map(send)
    expect(outbox.size).toBe(3)
    outbox.connected()
    await Promise.all(sendings.map(({ confirmed }) => confirmed))
    expect(batches).toEqual([['a', 'b'], ['c']])
    expect(outbox.size).toBe(0)
  })

  it('sends no more bytes at once than a broker takes, unless one message has more', async () => {
    const { outbox, batches, send } = outboxUnderTest({ batchBytesMax: 4 })
    const sendings = ['aa', 'bb', 'c', 'ddddd', 'e'].map(send)
    outbox.connected()
    await Promise.all(sendings.map(({ confirmed }) => confirmed))
    expect(batches).toEqual([['aa', 'bb'], ['c'], ['ddddd'], ['e']])
  })

  it('sends again what was refused, and what a lost connection left unconfirmed', async () => {
    const { outbox, broker, send, sent } = outboxUnderTest()
    broker.fails = true
    outbox.connected()
    const first = send('a')
    await expect.poll(() => sent().length).toBeGreaterThan(1)
    outbox.disconnected()
    broker.fails = false
    const second = send('b')
    outbox.connected()
    await Promise.all([first.confirmed, second.confirmed])
    expect(sent().slice(-2).toSorted()).toEqual(['a', 'b'])
  })

  it('refuses what goes beyond its limit, and takes it when there is room', async () => {
    const { outbox, send, sent } = outboxUnderTest({ bytesMax: 4 })
    const first = send('aaa')
    expect(() => send('bb')).toThrow(expect.objectContaining({ code: 'QUEUE_FULL' }))
    first.cancel()
    const second = send('bb')
    outbox.connected()
    await second.confirmed
    expect(sent()).toEqual(['bb'])
  })

  it('holds nothing of what was taken back while the broker is away', async () => {
    const { outbox, send } = outboxUnderTest()
    send('it stays')
    const bodies = Array.from({ length: 100 }, (_, index) => {
      const body = Buffer.alloc(10_000, index)
      outbox.send('tasks', body).cancel()
      return new WeakRef(body)
    })
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    // A weak reference lasts until the end of the turn that made it.
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    expect(bodies.filter((body) => body.deref() !== undefined)).toEqual([])
    expect(outbox.size).toBe(1)
  })
})
