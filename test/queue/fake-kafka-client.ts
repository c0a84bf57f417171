import type { Consumer, EachBatchPayload } from 'kafkajs'

/** A consumer that throws outside of a group, and stays paused when it joins again, as the real one does; only what a reader calls is there. */
export class FakeConsumer {
  readonly events = { GROUP_JOIN: 'join', FETCH: 'fetch', CRASH: 'crash' }
  readonly resumed: string[] = []
  readonly paused = new Set<string>()
  readonly sought = new Map<string, string>()
  readonly calls: string[] = []
  isJoined = false
  /** What happens while the cluster has not answered a call. */
  during: (call: string) => Promise<void> = async () => {}
  deliver: (payload: EachBatchPayload) => Promise<void> = async () => {}
  #joined = (): void => {}

  on(event: string, listener: () => void): void {
    if (event === 'join') this.#joined = listener
  }
  async connect(): Promise<void> {
    this.calls.push('connect')
    await this.during('connect')
  }
  async subscribe(): Promise<void> {
    this.calls.push('subscribe')
    await this.during('subscribe')
  }
  async disconnect(): Promise<void> {
    this.calls.push('disconnect')
    this.isJoined = false
  }
  seek({ topic, offset }: { topic: string; offset: string }): void {
    this.sought.set(topic, offset)
  }
  async run({ eachBatch }: { eachBatch: FakeConsumer['deliver'] }): Promise<void> {
    this.calls.push('run')
    await this.during('run')
    this.deliver = eachBatch
    this.join()
  }
  join(): void {
    this.isJoined = true
    this.#joined()
  }
  pause([{ topic }]: [{ topic: string }]): void {
    this.#need()
    this.paused.add(topic)
  }
  resume([{ topic }]: [{ topic: string }]): void {
    this.#need()
    this.resumed.push(topic)
    this.paused.delete(topic)
  }
  asConsumer(): Consumer {
    return this as unknown as Consumer
  }
  #need(): void {
    if (!this.isJoined) throw new Error('Consumer group was not initialized, consumer#run must be called first')
  }
}

/** Messages of these offsets, as read from a topic that ends after the last one or at `end`. */
export function batchOf(topic: string, offsets: readonly number[], end = (offsets.at(-1) ?? -1) + 1): EachBatchPayload {
  const messages = offsets.map((offset) => ({ offset: String(offset), value: Buffer.from(`m${offset}`) }))
  return {
    batch: { topic, messages, highWatermark: String(end) },
    resolveOffset: () => {},
    isRunning: () => true,
    isStale: () => false,
  } as unknown as EachBatchPayload
}
