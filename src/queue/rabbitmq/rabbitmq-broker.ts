/**
 * RabbitMQ. One connection with a channel for publishing and one per subscription; it is made again whenever it is lost, and
 * then everything is as before: queues are declared (a broker may have lost them), subscriptions receive again what is not
 * done, and what is not confirmed is sent again. A message that no queue took comes back, which counts as not confirmed.
 */
import type { ChannelModel, ConfirmChannel, ConsumeMessage } from 'amqplib'
import { connect } from 'amqplib'
import { systemClock } from '../../model/clock.js'
import { ForebayError } from '../../model/errors.js'
import type { Broker, BrokerMessage, Sending, ShelfItem, Stream, Subscription } from '../brokered/broker.js'
import { Outbox, type Outgoing } from '../brokered/outbox.js'
import type { QueueAddress } from '../queue-url.js'
import { refusesTls } from '../refused-tls.js'
import type { QueueStatus } from '../task-queue.js'
import { declareQueues } from './topology.js'

interface Reader {
  readonly streams: readonly string[]
  readonly window: number
  readonly take: (message: BrokerMessage) => void
  readonly anew: (flowing: Promise<unknown>) => void
  channel: ConfirmChannel | undefined
}

const heartbeatSeconds = 5
const connectMsMax = 5_000
const backOffMs = [50, 100, 200, 500, 1_000, 2_000]

export class RabbitMqBroker implements Broker {
  readonly #address: QueueAddress
  readonly #outbox: Outbox
  readonly #readers = new Set<Reader>()
  readonly #closing = new AbortController()
  #streams: readonly Stream[] = []
  #connection: ChannelModel | undefined
  #publishing: ConfirmChannel | undefined
  #status: QueueStatus
  #sequence = 0
  /** One look at a shelf at a time: what another look holds would be missing from it. */
  #browsing: Promise<unknown> = Promise.resolve()
  readonly #returned = new Set<string>()

  private constructor(address: QueueAddress) {
    this.#address = address
    this.#status = { kind: 'rabbitmq', connected: false, detail: `${address.shown} was not reached yet` }
    this.#outbox = new Outbox({ transmit: (batch, confirmed) => this.#transmit(batch, confirmed) })
  }

  /** Connects, trying again until the signal's abort. A refusal (wrong password, no such vhost) rejects at once. */
  static async open(address: QueueAddress, signal: AbortSignal): Promise<RabbitMqBroker> {
    const broker = new RabbitMqBroker(address)
    try {
      await broker.#reconnect(signal)
    } catch (error) {
      await broker.close()
      throw error
    }
    return broker
  }

  async declare(streams: readonly Stream[]): Promise<void> {
    this.#streams = streams
    const connection = this.#need()
    await declareOn(connection, streams, this.#address)
    const channel = await connection.createChannel()
    for (const { name, kind } of streams) if (kind === 'tasks') await channel.purgeQueue(name)
    await channel.close()
  }

  /** A queue keeps what comes while nobody reads. */
  async mark(): Promise<void> {}

  send(stream: string, body: Buffer): Sending {
    return this.#outbox.send(stream, body)
  }

  async receive(
    streams: readonly string[],
    window: number,
    take: (message: BrokerMessage) => void,
    anew: (flowing: Promise<unknown>) => void = () => {},
  ): Promise<Subscription> {
    const reader: Reader = { streams, window, take, anew, channel: undefined }
    this.#readers.add(reader)
    // Lost just now: the next connection takes it up.
    if (this.#connection !== undefined) await this.#read(this.#connection, reader).catch(() => {})
    return {
      remaining: async (stream) => {
        try {
          // Not known while there is no channel: as if there were something.
          return (await reader.channel?.checkQueue(stream))?.messageCount ?? 1
        } catch {
          return 1
        }
      },
      stop: async () => {
        this.#readers.delete(reader)
        const { channel } = reader
        reader.channel = undefined
        await closed(channel)
      },
    }
  }

  async put(shelf: string, item: ShelfItem): Promise<void> {
    await this.#outbox.send(shelf, item.body, item.id).confirmed
  }

  async list(shelf: string): Promise<readonly ShelfItem[]> {
    const items = new Map<string, ShelfItem>()
    await this.#browse(shelf, (item) => {
      items.set(item.id, item)
      return false
    })
    return [...items.values()]
  }

  async remove(shelf: string, id: string): Promise<boolean> {
    return this.#browse(shelf, (item) => item.id === id)
  }

  status(): QueueStatus {
    return this.#status
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#outbox.disconnected()
    await closed(this.#connection)
  }

  #need(): ChannelModel {
    if (this.#connection !== undefined) return this.#connection
    throw new ForebayError('UNAVAILABLE', this.#status.detail ?? `${this.#address.shown} is not connected`)
  }

  async #reconnect(signal: AbortSignal): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        await this.#connect()
        return
      } catch (error) {
        const refused = refusal(error as Error, this.#address)
        if (refused !== undefined) throw refused
        this.#away(`${this.#address.shown} cannot be reached: ${textOf(error)}`)
      }
      if (signal.aborted) throw new ForebayError('UNAVAILABLE', this.#status.detail ?? '')
      await systemClock.sleep(backOffMs[Math.min(tries, backOffMs.length - 1)] ?? 0, signal).catch(() => {})
      if (signal.aborted) throw new ForebayError('UNAVAILABLE', this.#status.detail ?? '')
    }
  }

  async #connect(): Promise<void> {
    const { hosts, vhost, user = 'guest', password = 'guest', tls } = this.#address
    const [host = '', port = ''] = (hosts[0] ?? '').split(/:(?=\d+$)/)
    const connection = await connect(
      {
        protocol: tls === undefined ? 'amqp' : 'amqps',
        hostname: host.replace(/^\[|\]$/g, ''),
        port: Number(port),
        username: user,
        password,
        vhost,
        heartbeat: heartbeatSeconds,
      },
      {
        noDelay: true,
        timeout: connectMsMax,
        clientProperties: { connection_name: `forebay ${process.pid}` },
        ...(tls === undefined ? {} : { ...tls, ca: tls.ca === undefined ? undefined : [tls.ca] }),
      },
    )
    connection.on('error', () => {}) // the close that follows tells it
    connection.on('close', (error) => this.#lost(connection, error))
    connection.on('blocked', (reason) => this.#away(`${this.#address.shown} takes no messages now: ${reason}`))
    connection.on('unblocked', () => {
      this.#status = { kind: 'rabbitmq', connected: true }
    })
    try {
      await declareOn(connection, this.#streams, this.#address)
      const publishing = await connection.createConfirmChannel()
      publishing.on('error', () => void closed(connection))
      publishing.on('return', ({ properties }) => this.#returned.add(String(properties.messageId)))
      this.#publishing = publishing
      for (const reader of this.#readers) {
        const flowing = this.#read(connection, reader)
        reader.anew(flowing)
        await flowing
      }
    } catch (error) {
      connection.removeAllListeners('close')
      await closed(connection)
      throw error
    }
    if (this.#closing.signal.aborted) return void closed(connection)
    this.#connection = connection
    this.#status = { kind: 'rabbitmq', connected: true }
    this.#outbox.connected()
  }

  #lost(connection: ChannelModel, error: Error | undefined): void {
    if (this.#connection !== connection) return
    this.#connection = undefined
    this.#publishing = undefined
    for (const reader of this.#readers) reader.channel = undefined
    this.#outbox.disconnected()
    this.#away(`${this.#address.shown} is gone: ${error === undefined ? 'the connection was closed' : textOf(error)}`)
    if (this.#closing.signal.aborted) return
    void this.#comeBack()
  }

  async #comeBack(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted && this.#connection === undefined) {
      // Refused now, though it was not before: perhaps a password that is being changed.
      await this.#reconnect(signal).catch((error: unknown) => this.#away(textOf(error)))
      if (this.#connection === undefined) await systemClock.sleep(backOffMs.at(-1) ?? 0, signal).catch(() => {})
    }
  }

  #away(detail: string): void {
    this.#status = { kind: 'rabbitmq', connected: false, detail }
  }

  async #transmit(batch: readonly Outgoing[], confirmed: (index: number) => void): Promise<void> {
    const channel = this.#publishing
    if (channel === undefined) throw new Error('not connected')
    const sendOne = ({ stream, body, key }: Outgoing, index: number): Promise<void> =>
      new Promise((resolve, reject) => {
        const messageId = String(++this.#sequence)
        const options = { persistent: true, mandatory: true, messageId, ...(key === undefined ? {} : { correlationId: key }) }
        channel.sendToQueue(stream, body, options, (error) => {
          if (error !== null || this.#returned.delete(messageId)) return reject(error ?? new Error(`no queue "${stream}"`))
          confirmed(index)
          resolve()
        })
      })
    const results = await Promise.allSettled(batch.map(sendOne))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed === undefined) return
    // A queue that somebody deleted is made again; readers of it are made with the next connection.
    if (/no queue/.test(textOf(failed.reason))) await closed(this.#connection)
    throw failed.reason
  }

  async #read(connection: ChannelModel, reader: Reader): Promise<void> {
    const channel = await connection.createConfirmChannel()
    channel.on('error', () => {}) // the close that follows tells it
    channel.on('close', () => {
      // Closed alone (a delivery was held for too long, or a queue deleted): from the start.
      if (reader.channel === channel && this.#connection === connection) void closed(connection)
    })
    await channel.prefetch(reader.window)
    reader.channel = channel
    for (const stream of reader.streams) {
      await channel.consume(stream, (message) => {
        if (message === null) void closed(connection)
        else if (reader.channel === channel) reader.take(this.#message(channel, reader, stream, message))
      })
    }
  }

  #message(channel: ConfirmChannel, reader: Reader, stream: string, message: ConsumeMessage): BrokerMessage {
    return {
      stream,
      body: message.content,
      done: () => {
        try {
          if (reader.channel === channel) channel.ack(message)
        } catch {
          // The channel went away this moment: the message comes again, and is known then.
        }
      },
    }
  }

  /** Looks at every message of a shelf; those for which `take` is true are removed. The others go back in their order. */
  #browse(shelf: string, take: (item: ShelfItem) => boolean): Promise<boolean> {
    const looked = this.#browsing.then(() => this.#look(shelf, take))
    this.#browsing = looked.catch(() => {})
    return looked
  }

  async #look(shelf: string, take: (item: ShelfItem) => boolean): Promise<boolean> {
    const channel = await this.#need().createChannel()
    channel.on('error', () => {})
    let taken = false
    try {
      // Nobody reads a shelf all the time, so nobody has noticed when it was deleted.
      await declareQueues(
        channel,
        this.#streams.filter(({ name }) => name === shelf),
        this.#address,
      )
      for (;;) {
        const message = await channel.get(shelf)
        if (message === false) break
        const { correlationId, messageId } = message.properties
        if (!take({ id: String(correlationId ?? messageId ?? 'nameless'), body: message.content })) continue
        channel.ack(message)
        taken = true
      }
      // Given back before the channel closes, which a quorum queue would notice only later than the next look.
      channel.nackAll(true)
      return taken
    } finally {
      await closed(channel)
    }
  }
}

async function declareOn(connection: ChannelModel, streams: readonly Stream[], address: QueueAddress): Promise<void> {
  if (streams.length === 0) return
  const channel = await connection.createChannel()
  channel.on('error', () => {})
  await declareQueues(channel, streams, address)
  await channel.close()
}

/** What trying again does not help against. */
function refusal(error: Error, { shown }: QueueAddress): ForebayError | undefined {
  if (error instanceof ForebayError) return error
  const text = textOf(error)
  const refused = /ACCESS_REFUSED|ACCESS-REFUSED|NOT_ALLOWED|Handshake terminated by server: 403/i.test(text)
  if (!refused && !refusesTls((error as NodeJS.ErrnoException).code)) return undefined
  return new ForebayError('CONFIGURATION_INVALID', `task queue ${shown} refuses the connection: ${text}`, {
    hint: 'check user, password, vhost and certificates: FOREBAY_QUEUE_USER, FOREBAY_QUEUE_PASSWORD, FOREBAY_QUEUE_CA',
    cause: error,
  })
}

function textOf(error: unknown): string {
  const { message = '', code, errors } = error as { message?: string; code?: unknown; errors?: readonly Error[] }
  return message || errors?.[0]?.message || String(code ?? 'unknown')
}

/** Closes what may be closed already, which the client answers by throwing. */
async function closed(open: { close(): Promise<void> } | undefined): Promise<void> {
  try {
    await open?.close()
  } catch {
    // It is.
  }
}
