/**
 * Reads some topics from where we say, and remembers what is done. The client can only read as a member of a group, but each
 * connection has a group of its own and nothing is ever committed to it: in a group that lasts, a new member waits until the
 * session of a lost one ends. Positions are ours, and are set again each time that a group is joined.
 */
import { randomBytes } from 'node:crypto'
import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs'
import { systemClock } from '../../model/clock.js'
import type { BrokerMessage } from '../brokered/broker.js'

export interface TopicReaderOptions {
  readonly kafka: Kafka
  readonly topics: readonly string[]
  readonly window: number
  /** The next offset of each topic. */
  readonly from: ReadonlyMap<string, bigint>
  readonly take: (message: BrokerMessage) => void
  /** Everything before this offset is done. */
  readonly onDone: (topic: string, next: bigint) => void
  readonly onAlive: () => void
}

const retryMs = 200

interface Position {
  /** The next one to be handed out. */
  next: bigint
  /** Handed out and not done. */
  readonly open: Set<bigint>
  /** The client stays paused when it joins its group again; a new one is paused again when it brings too much. */
  paused: boolean
}

export class TopicReader {
  readonly #options: TopicReaderOptions
  #consumer: Consumer | undefined
  readonly #positions = new Map<string, Position>()
  #stopped = false

  constructor(options: TopicReaderOptions) {
    this.#options = options
    for (const topic of options.topics) {
      this.#positions.set(topic, { next: options.from.get(topic) ?? 0n, open: new Set(), paused: false })
    }
  }

  /** Resolves when messages flow; tries until it is stopped. */
  async start(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#join()
        return
      } catch {
        await systemClock.sleep(retryMs)
      }
    }
  }

  async #join(): Promise<void> {
    const { kafka, topics, onAlive } = this.#options
    const consumer = kafka.consumer({
      groupId: `forebay-reader-${randomBytes(8).toString('hex')}`,
      allowAutoTopicCreation: false,
      // Heartbeats go out between fetches only.
      maxWaitTimeInMs: 200,
      sessionTimeout: 10_000,
      heartbeatInterval: 1_000,
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 2, restartOnFailure: async () => false },
    })
    const { GROUP_JOIN, FETCH, CRASH } = consumer.events
    const joined = new Promise<void>((resolve, reject) => {
      consumer.on(GROUP_JOIN, () => {
        for (const [topic, { next }] of this.#positions) consumer.seek({ topic, partition: 0, offset: String(next) })
        resolve()
      })
      consumer.on(CRASH, ({ payload }) => {
        reject(payload.error)
        if (this.#consumer === consumer) void this.#leave().then(() => this.start())
      })
    })
    consumer.on(FETCH, onAlive)
    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [...topics], fromBeginning: true })
      if (this.#stopped) return
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: topics.length,
        eachBatch: (payload) => this.#batch(payload),
      })
      await joined
      if (!this.#stopped) this.#consumer = consumer
    } finally {
      if (this.#consumer !== consumer) await consumer.disconnect().catch(() => {})
    }
  }

  async #leave(): Promise<void> {
    const consumer = this.#consumer
    this.#consumer = undefined
    await consumer?.disconnect().catch(() => {})
  }

  next(topic: string): bigint {
    return this.#positions.get(topic)?.next ?? 0n
  }

  /** A client that is on its way in is left to go by itself: one that is disconnected while it joins joins all the same, and for good. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#leave()
  }

  async #batch({ batch, resolveOffset, isRunning, isStale }: EachBatchPayload): Promise<void> {
    const position = this.#positionFor(batch)
    if (position === undefined) return
    for (const message of batch.messages) {
      if (this.#stopped || !isRunning() || isStale()) return
      const offset = BigInt(message.offset)
      // A fetch that was under way while the position was set may bring older ones again.
      if (offset >= position.next) {
        if (position.open.size >= this.#options.window) return this.#pause(batch.topic, position)
        position.next = offset + 1n
        if (message.value !== null) this.#hand(batch.topic, position, offset, message.value)
      }
      resolveOffset(message.offset)
    }
  }

  /** Begins anew where the client went back to the start of a topic that ends before our position: it was deleted and made again. */
  #positionFor({ topic, messages, highWatermark }: EachBatchPayload['batch']): Position | undefined {
    const position = this.#positions.get(topic)
    const first = BigInt(messages[0]?.offset ?? 0)
    if (position === undefined || first >= position.next || BigInt(highWatermark) >= position.next) return position
    const anew: Position = { next: first, open: new Set(), paused: false }
    this.#positions.set(topic, anew)
    return anew
  }

  #hand(topic: string, position: Position, offset: bigint, body: Buffer): void {
    position.open.add(offset)
    this.#options.take({
      stream: topic,
      body,
      done: () => {
        if (this.#positions.get(topic) !== position || !position.open.delete(offset)) return
        this.#options.onDone(topic, firstOpen(position))
        if (position.paused && position.open.size <= this.#options.window / 2) {
          position.paused = false
          this.#ifJoined((consumer) => consumer.resume([{ topic }]))
        }
      },
    })
  }

  #pause(topic: string, position: Position): void {
    position.paused = true
    this.#ifJoined((consumer) => consumer.pause([{ topic }]))
  }

  /** A client that was stopped throws, and the one that comes after it begins with nothing paused. */
  #ifJoined(act: (consumer: Consumer) => void): void {
    try {
      if (this.#consumer !== undefined) act(this.#consumer)
    } catch {}
  }
}

/** Offsets are handed out in order, so the first one that is open is the first of the set. */
function firstOpen(position: Position): bigint {
  const [first] = position.open
  return first ?? position.next
}
