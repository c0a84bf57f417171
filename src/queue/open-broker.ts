import type { Broker } from './brokered/broker.js'
import type { KafkaBrokerOptions } from './kafka/kafka-broker.js'
import type { QueueAddress } from './queue-url.js'

/** Connects to the broker of an address; its client is loaded only now. Rejects at the signal's abort, or when it is refused. */
export async function openBroker(address: QueueAddress, signal: AbortSignal, options: KafkaBrokerOptions = {}): Promise<Broker> {
  if (address.kind === 'rabbitmq') {
    const { RabbitMqBroker } = await import('./rabbitmq/rabbitmq-broker.js')
    return RabbitMqBroker.open(address, signal)
  }
  const { KafkaBroker } = await import('./kafka/kafka-broker.js')
  return KafkaBroker.open(address, signal, options)
}
