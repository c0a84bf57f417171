import { expect, it } from 'vitest'
import type { Broker, BrokerMessage } from '../../src/queue/brokered/broker.js'
import { BrokerReports } from '../../src/queue/brokered/broker-reports.js'

it('throws a message away once that is no report: a broker takes a second word on it for a mistake', async () => {
  const takes = new Map<string, (message: BrokerMessage) => void>()
  const broker: Partial<Broker> = {
    receive: async ([stream = ''], _, take) => {
      takes.set(stream, take)
      return { remaining: async () => 0, stop: async () => {} }
    },
  }
  const errors: unknown[] = []
  const reports = new BrokerReports(broker as Broker, 'f', 'r')
  await reports.listen({ outcome: () => {}, lineage: async () => true, unreadable: (error) => errors.push(error) })
  for (const stream of ['f.outcomes', 'f.lineage']) {
    let done = 0
    takes.get(stream)?.({ stream, body: Buffer.from('not a report'), done: () => done++ })
    expect(done, stream).toBe(1)
  }
  expect(errors).toHaveLength(2)
})
