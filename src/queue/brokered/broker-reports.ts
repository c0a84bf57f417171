/**
 * What nodes say back over a broker. Outcomes and lineage have a stream each, so that a recorder that hangs holds up no query.
 * Outcomes are done when they were passed on; lineage when it is durable here: whatever a coordinator that died left in the
 * stream is recorded by the next one, and recording twice changes nothing.
 */
import type { LineageEvent } from '../../model/lineage-event.js'
import type { FromNode } from '../../model/messages.js'
import type { NodeId } from '../../model/node.js'
import { type Broker, type BrokerMessage, type Sending, type Subscription, streamsOf } from './broker.js'
import { RecentKeys } from './recent-keys.js'
import { decodeReport, encodeReport } from './wire.js'

export interface ReportTaker {
  /** An outcome of this run, once; the order may be another one. */
  outcome(node: NodeId, incarnation: number, message: FromNode): void
  /** True when the events are durable, false when this cannot be any more. */
  lineage(events: readonly LineageEvent[]): Promise<boolean>
  /** A message that is no report was thrown away. */
  unreadable(error: unknown): void
}

const outcomesWindow = 1_000
const lineageWindow = 200
const rememberedMax = 100_000

export class BrokerReports {
  readonly #broker: Broker
  readonly #prefix: string
  readonly #run: string
  readonly #seen = new RecentKeys(rememberedMax)
  #subscriptions: readonly Subscription[] = []
  #recording = 0

  constructor(broker: Broker, prefix: string, run: string) {
    this.#broker = broker
    this.#prefix = prefix
    this.#run = run
  }

  /** Resolves when reports flow. */
  async listen(taker: ReportTaker): Promise<void> {
    const { outcomes, lineage } = streamsOf(this.#prefix)
    const read = (message: BrokerMessage): ReturnType<typeof decodeReport> | undefined => {
      try {
        return decodeReport(message.body)
      } catch (error) {
        taker.unreadable(error)
        message.done()
        return undefined
      }
    }
    this.#subscriptions = await Promise.all([
      this.#broker.receive([outcomes], outcomesWindow, (message) => {
        const report = read(message)
        if (report === undefined) return
        const key = `${report.node}.${report.incarnation}.${report.sequence}`
        if (report.run === this.#run && !this.#seen.has(key)) {
          this.#seen.add(key)
          taker.outcome(report.node, report.incarnation, report.message)
        }
        message.done()
      }),
      this.#broker.receive([lineage], lineageWindow, (message) => {
        const report = read(message)
        if (report === undefined) return
        if (report.message.type !== 'lineage') return message.done()
        this.#recording++
        void taker
          .lineage(report.message.events)
          .then((durable) => durable && message.done())
          .finally(() => this.#recording--)
      }),
    ])
  }

  /** Resolves when everything that nodes have sent is recorded, or at the signal's abort. */
  async drained(signal: AbortSignal): Promise<void> {
    const { lineage } = streamsOf(this.#prefix)
    while (!signal.aborted && this.#broker.status().connected) {
      const remaining = await this.#subscriptions[1]?.remaining(lineage)
      if (this.#recording === 0 && remaining === 0) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop()))
  }
}

/** Where a node's reports come from. */
export interface Reporter {
  readonly prefix: string
  readonly run: string
  readonly node: NodeId
  readonly incarnation: number
}

/** Sends what a node says to its coordinator; `sequence` is another one for each report. */
export function sendReport(broker: Broker, { prefix, ...from }: Reporter, sequence: number, message: FromNode): Sending {
  const streams = streamsOf(prefix)
  const stream = message.type === 'lineage' ? streams.lineage : streams.outcomes
  return broker.send(stream, encodeReport({ version: 1, ...from, sequence, message }))
}
