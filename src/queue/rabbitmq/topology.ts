import type { Channel } from 'amqplib'
import { ForebayError } from '../../model/errors.js'
import type { Stream } from '../brokered/broker.js'
import { deadLettersMax } from '../dead-letters.js'
import type { QueueAddress } from '../queue-url.js'

/**
 * Options of each queue. What queries wait for is in classic queues, which deliver a message while it is being written; it is
 * confirmed when it is on the disk of its broker. `replicated` puts it in quorum queues as lineage and dead letters are: a majority of the
 * brokers has a message before it is delivered. The broker's own count of deliveries must never take a message away: every lost connection counts as
 * one, and we count attempts ourselves (newer brokers have a limit of 20 where none is given).
 */
export function queueArguments({ kind }: Stream, replicated: boolean): Readonly<Record<string, string | number>> {
  const quick = !replicated && (kind === 'tasks' || kind === 'outcomes')
  const durable = quick ? { 'x-queue-type': 'classic' } : { 'x-queue-type': 'quorum', 'x-delivery-limit': 1_000_000 }
  if (kind === 'shelf') return { ...durable, 'x-max-length': deadLettersMax, 'x-overflow': 'drop-head' }
  return { ...durable, 'x-max-length': 1_000_000, 'x-overflow': 'reject-publish' }
}

/** Declares the queues on a channel of their own, which a difference closes. */
export async function declareQueues(
  channel: Channel,
  streams: readonly Stream[],
  { shown, replicated }: QueueAddress,
): Promise<void> {
  for (const stream of streams) {
    try {
      await channel.assertQueue(stream.name, { durable: true, arguments: queueArguments(stream, replicated) })
    } catch (error) {
      throw differs(error as Error, stream.name, shown) ?? error
    }
  }
}

/** RabbitMQ names the first option in which an existing queue is not what was asked for. */
function differs(error: Error, queue: string, shown: string): ForebayError | undefined {
  const match = /inequivalent arg '([^']+)' for queue '[^']+' in vhost '[^']*': received (.*) but current is (.*?)"?$/.exec(
    error.message,
  )
  if (match === null) return undefined
  const [, option = '', wanted = '', found = ''] = match
  const readable = (value: string): string =>
    value.startsWith('none') ? 'absent' : value.replace(/^the value /, '').replace(/ of type '\w+'$/, '')
  return new ForebayError(
    'CONFIGURATION_INVALID',
    `queue "${queue}" of ${shown} exists with another option: ${option} is ${readable(found)}, not ${readable(wanted)}`,
    { hint: 'delete that queue, or give Forebay other names: --queue "amqp://…?prefix=NAME"', cause: error },
  )
}
