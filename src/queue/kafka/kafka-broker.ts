/**
 * Kafka. Topics of one partition each; a producer that waits for every replica in sync; readers of our own (topic-reader.ts).
 * Kafka keeps what was read, so it is us who remember what is done: of the lineage topic durably, through `keepPosition`.
 * The client goes on by itself when a broker comes back; whether it is there now is asked once a second.
 */
import { randomBytes } from 'node:crypto'
// A CommonJS module: Node finds no named exports in it.
import kafkajs, { type Admin, type Kafka, type Producer, type SASLOptions } from 'kafkajs'
import { ForebayError } from '../../model/errors.js'
import type { Broker, BrokerMessage, Sending, ShelfItem, Stream, Subscription } from '../brokered/broker.js'
import { Outbox, type Outgoing } from '../brokered/outbox.js'
import { deadLettersMax } from '../dead-letters.js'
import type { QueueAddress } from '../queue-url.js'
import { refusesTls } from '../refused-tls.js'
import type { QueueStatus } from '../task-queue.js'
import { TopicReader } from './topic-reader.js'
import { declareTopics } from './topology.js'
import { whenKnown } from './when-known.js'

export interface KafkaBrokerOptions {
  /** Where a former run stopped reading these topics; topics that are not named are read from their end. */
  readonly positions?: ReadonlyMap<string, bigint>
  /** Called when a position has moved. */
  readonly keepPosition?: (topic: string, next: bigint) => void
}

/** The first offset that a topic holds, and the one that its next message gets. */
interface Ends {
  readonly low: bigint
  readonly high: bigint
}

const probeEveryMs = 1_000
const answerMsMax = 2_500
const browseMsMax = 10_000
const windowMin = 1_000

export class KafkaBroker implements Broker {
  readonly #address: QueueAddress
  readonly #options: KafkaBrokerOptions
  readonly #kafka: Kafka
  readonly #admin: Admin
  readonly #producer: Producer
  readonly #outbox: Outbox
  readonly #readers = new Set<TopicReader>()
  readonly #positions: Map<string, bigint>
  #declared: readonly Stream[] = []
  #making: Promise<void> | undefined
  #status: QueueStatus
  #probe: NodeJS.Timeout | undefined
  #puts = 0
  #closed = false

  private constructor(address: QueueAddress, options: KafkaBrokerOptions) {
    this.#address = address
    this.#options = options
    this.#positions = new Map(options.positions)
    this.#kafka = new kafkajs.Kafka({
      clientId: `forebay-${process.pid}`,
      brokers: [...address.hosts],
      logLevel: kafkajs.logLevel.NOTHING,
      connectionTimeout: 3_000,
      authenticationTimeout: 5_000,
      requestTimeout: 10_000,
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 3 },
      ssl: address.tls === undefined ? false : { ...address.tls, ca: address.tls.ca === undefined ? [] : [address.tls.ca] },
      ...(address.user === undefined ? {} : { sasl: saslOf(address) }),
    })
    this.#admin = this.#kafka.admin()
    this.#producer = this.#kafka.producer({ allowAutoTopicCreation: false, maxInFlightRequests: 5 })
    this.#outbox = new Outbox({ transmit: (batch) => this.#transmit(batch) })
    this.#status = { kind: 'kafka', connected: false, detail: `${address.shown} was not reached yet` }
  }

  /** Connects, trying again until the signal's abort. A refusal rejects at once. */
  static async open(address: QueueAddress, signal: AbortSignal, options: KafkaBrokerOptions = {}): Promise<KafkaBroker> {
    const broker = new KafkaBroker(address, options)
    for (;;) {
      try {
        await broker.#admin.connect()
        await broker.#producer.connect()
        await broker.#admin.listTopics()
        break
      } catch (error) {
        const refused = refusal(error as Error, address)
        if (refused === undefined && !signal.aborted) {
          await new Promise((resolve) => setTimeout(resolve, 250))
          continue
        }
        await broker.close()
        const text = `${address.shown} cannot be reached: ${textOf(error)}`
        throw refused ?? new ForebayError('UNAVAILABLE', text, { cause: error })
      }
    }
    broker.#alive()
    broker.#probe = setInterval(() => void broker.#ask(), probeEveryMs)
    broker.#probe.unref()
    return broker
  }

  async declare(streams: readonly Stream[]): Promise<void> {
    await declareTopics(this.#admin, streams, this.#address.shown)
    this.#declared = streams
    // No node of this run is there yet, so older tasks and outcomes are behind us; lineage is not, where no former run says how far it came.
    await this.mark(streams.filter(({ kind }) => kind === 'outcomes').map(({ name }) => name))
    for (const { name } of streams.filter(({ kind }) => kind === 'lineage')) {
      const ends = await this.#ends(name)
      this.#positions.set(name, startIn(ends, this.#positions.get(name) ?? ends.low))
    }
  }

  async mark(streams: readonly string[]): Promise<void> {
    for (const stream of streams) {
      if (!this.#positions.has(stream)) this.#positions.set(stream, (await this.#ends(stream)).high)
    }
  }

  send(stream: string, body: Buffer): Sending {
    return this.#outbox.send(stream, body)
  }

  async receive(streams: readonly string[], window: number, take: (message: BrokerMessage) => void): Promise<Subscription> {
    await this.mark(streams)
    const reader = new TopicReader({
      kafka: this.#kafka,
      topics: streams,
      // One fetch reads all topics, and a topic that was full is read again only when that has ended.
      window: Math.max(window, windowMin),
      from: this.#positions,
      take,
      onDone: (topic, next) => {
        this.#positions.set(topic, next)
        this.#options.keepPosition?.(topic, next)
      },
      onAlive: () => this.#alive(),
    })
    this.#readers.add(reader)
    await reader.start()
    return {
      remaining: async (stream) => {
        const ends = await this.#ends(stream).catch(() => undefined)
        return ends === undefined ? 1 : Number(ends.high - startIn(ends, reader.next(stream)))
      },
      stop: async () => {
        this.#readers.delete(reader)
        await reader.stop()
      },
    }
  }

  /** Looks at the shelf with the first item and once in a while: nobody else may ever do so, and a topic has no limit of its own. */
  async put(shelf: string, item: ShelfItem): Promise<void> {
    await this.#outbox.send(shelf, item.body, item.id).confirmed
    if (this.#puts++ % deadLettersMax === 0) void this.list(shelf).catch(() => {})
  }

  /**
   * Reads the whole topic: the last message of each key counts, and an empty one removes it. What is beyond the limit is removed,
   * the oldest first.
   */
  async list(shelf: string): Promise<readonly ShelfItem[]> {
    if (!this.#status.connected) throw new ForebayError('UNAVAILABLE', this.#status.detail ?? '')
    const items = new Map<string, ShelfItem>()
    const { low, high } = await this.#ends(shelf)
    if (low >= high) return []
    const consumer = this.#kafka.consumer({ groupId: `forebay-reader-${randomBytes(8).toString('hex')}`, maxWaitTimeInMs: 100 })
    try {
      await consumer.connect()
      await consumer.subscribe({ topic: shelf, fromBeginning: true })
      await within(browseMsMax, (done) =>
        consumer.run({
          autoCommit: false,
          // Compaction leaves gaps, so the end is told by the batch and not by its last message.
          eachBatch: async ({ batch }) => {
            for (const { key, value, offset } of batch.messages) {
              const id = key?.toString() ?? `nameless-${offset}`
              items.delete(id)
              if (value !== null && value.length > 0) items.set(id, { id, body: value })
            }
            if (BigInt(batch.lastOffset()) + 1n >= high) done()
          },
        }),
      )
      const all = [...items.values()]
      for (const { id } of all.slice(0, -deadLettersMax)) this.#erase(shelf, id)
      return all.slice(-deadLettersMax)
    } finally {
      await consumer.disconnect().catch(() => {})
    }
  }

  async remove(shelf: string, id: string): Promise<boolean> {
    const known = (await this.list(shelf)).some((item) => item.id === id)
    if (known) await this.#erase(shelf, id).confirmed
    return known
  }

  status(): QueueStatus {
    return this.#status
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#probe)
    this.#outbox.disconnected()
    await Promise.all([...this.#readers].map((reader) => reader.stop()))
    await Promise.all([this.#producer.disconnect(), this.#admin.disconnect()].map((ended) => ended.catch(() => {})))
  }

  #erase(shelf: string, id: string): Sending {
    return this.#outbox.send(shelf, Buffer.alloc(0), id)
  }

  async #ends(topic: string): Promise<Ends> {
    const [ends] = await whenKnown(() => this.#admin.fetchTopicOffsets(topic))
    return { low: BigInt(ends?.low ?? 0), high: BigInt(ends?.high ?? 0) }
  }

  async #transmit(batch: readonly Outgoing[]): Promise<void> {
    const byTopic = groupBy(batch)
    try {
      await this.#producer.sendBatch({
        acks: -1,
        topicMessages: [...byTopic].map(([topic, messages]) => ({
          topic,
          messages: messages.map(({ key, body }) => ({ key: key ?? null, value: body.length === 0 ? null : body })),
        })),
      })
      this.#alive()
    } catch (error) {
      this.#away(error)
      throw error
    }
  }

  async #ask(): Promise<void> {
    try {
      await within(answerMsMax, (done) => this.#admin.describeCluster().then(done))
      this.#making ??= this.#makeMissing().finally(() => {
        this.#making = undefined
      })
      await this.#making
      this.#alive()
    } catch (error) {
      this.#away(error)
    }
  }

  /** Topics that somebody has deleted are made again. Until then a node takes no task at all: it reads its topics together. */
  async #makeMissing(): Promise<void> {
    const topics = this.#declared.map(({ name }) => name)
    if (topics.length === 0) return
    try {
      await within(answerMsMax, (done) => this.#admin.fetchTopicMetadata({ topics }).then(done))
    } catch {
      // By a client that has not met them: one that has asked for their offsets wants to know where they are before it makes any.
      const admin = this.#kafka.admin()
      try {
        await admin.connect()
        await declareTopics(admin, this.#declared, this.#address.shown)
      } finally {
        await admin.disconnect().catch(() => {})
      }
    }
  }

  #alive(): void {
    if (this.#closed || this.#status.connected) return
    this.#status = { kind: 'kafka', connected: true }
    this.#outbox.connected()
  }

  #away(error: unknown): void {
    if (this.#closed || !this.#status.connected) return
    this.#status = { kind: 'kafka', connected: false, detail: `${this.#address.shown} cannot be reached: ${textOf(error)}` }
    this.#outbox.disconnected()
  }
}

/** Where to read on. A position outside of the topic is one of a topic of the same name before it, or of another cluster. */
const startIn = ({ low, high }: Ends, position: bigint): bigint => (position < low || position > high ? low : position)

/** Rejects when `done` was not called in time. */
async function within(ms: number, act: (done: () => void) => Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new ForebayError('UNAVAILABLE', `no answer within ${ms} ms`)), ms)
      act(resolve).catch(reject)
    })
  } finally {
    clearTimeout(timer)
  }
}

function groupBy(batch: readonly Outgoing[]): Map<string, Outgoing[]> {
  const groups = new Map<string, Outgoing[]>()
  for (const outgoing of batch) {
    const group = groups.get(outgoing.stream)
    if (group === undefined) groups.set(outgoing.stream, [outgoing])
    else group.push(outgoing)
  }
  return groups
}

function saslOf({ sasl, user = '', password = '' }: QueueAddress): SASLOptions {
  return { mechanism: sasl, username: user, password } as SASLOptions
}

/** What trying again does not help against. */
function refusal(error: Error, { shown }: QueueAddress): ForebayError | undefined {
  if (error instanceof ForebayError) return error
  if (!refuses(error as Failure)) return undefined
  return new ForebayError('CONFIGURATION_INVALID', `task queue ${shown} refuses the connection: ${textOf(error)}`, {
    hint: 'check user, password and certificates: FOREBAY_QUEUE_USER, FOREBAY_QUEUE_PASSWORD, FOREBAY_QUEUE_CA',
    cause: error,
  })
}

interface Failure extends Error {
  readonly cause?: Failure
  readonly code?: unknown
  /** Of what a broker answers: SASL_AUTHENTICATION_FAILED, TOPIC_AUTHORIZATION_FAILED. */
  readonly type?: string
}

function refuses({ name, code, type = '', cause }: Failure): boolean {
  if (name === 'KafkaJSSASLAuthenticationError' || /SASL|AUTHORIZATION/.test(type) || refusesTls(code)) return true
  return cause !== undefined && refuses(cause)
}

function textOf(error: unknown): string {
  const { message = '', cause } = error as { message?: string; cause?: unknown }
  return message || (cause === undefined ? 'unknown' : textOf(cause))
}
