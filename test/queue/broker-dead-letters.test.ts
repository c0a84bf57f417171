import { expect, it } from 'vitest'
import type { Broker } from '../../src/queue/brokered/broker.js'
import { BrokerDeadLetters } from '../../src/queue/brokered/broker-dead-letters.js'

it('is not available while its broker goes away, whatever the client of the broker says', async () => {
  const gone = async (): Promise<never> => {
    throw new Error('Channel ended, no reply will be forthcoming')
  }
  const status: Broker['status'] = () => ({ kind: 'rabbitmq', connected: true })
  const broker: Partial<Broker> = { list: gone, remove: gone, status }
  const letters = new BrokerDeadLetters(broker as Broker, 'f')
  const unavailable = { code: 'UNAVAILABLE', message: expect.stringContaining('Channel ended') }
  await expect(letters.list()).rejects.toMatchObject(unavailable)
  await expect(letters.remove('t1')).rejects.toMatchObject(unavailable)
})
