/**
 * A node on a broker: it takes its tasks out of the queue by itself, and what comes of them, and their lineage, goes back over
 * the broker; everything else (its start, pings, cancels, drains) goes over the channel to its parent, as ever.
 *
 * A task's message is done when the broker has confirmed the report of its end. A cancelled task's end is waited for with a
 * clock running, so it goes by the channel, which is there while a broker may not be; and so does everything that is not confirmed
 * when the node has to go while the broker is away.
 */
import { systemClock } from '../model/clock.js'
import type { FromNode, NodeConfiguration, NodeQueue, TaskMessage, ToNode } from '../model/messages.js'
import type { Broker, Sending } from '../queue/brokered/broker.js'
import { BrokerDeadLetters } from '../queue/brokered/broker-dead-letters.js'
import { sendReport } from '../queue/brokered/broker-reports.js'
import { BrokerTaskSource } from '../queue/brokered/broker-task-source.js'
import { openBroker } from '../queue/open-broker.js'
import { parseQueueUrl } from '../queue/queue-url.js'
import type { Consumer, Delivery, TaskSource } from '../queue/task-queue.js'

interface Report {
  readonly message: FromNode
  readonly sending: Sending
}

/** Time for the first connection; the parent gives up on a node that does not start, and starts another. */
const connectMsMax = 25_000
/** Between looks whether the broker is still there, while the node drains. */
const lookEveryMs = 250

export class QueueLink {
  readonly #configuration: NodeConfiguration
  readonly #queue: NodeQueue
  readonly #broker: Broker
  readonly #source: TaskSource
  readonly #sendToParent: (message: FromNode) => void
  readonly #held: Delivery[] = []
  readonly #running = new Map<string, Delivery>()
  /** Those of them that were cancelled. */
  readonly #cancelled = new Set<string>()
  /** Not confirmed by the broker yet. */
  readonly #reports = new Set<Report>()
  #receive: (message: ToNode) => void = () => {}
  #consumer: Consumer | undefined
  #sequence = 0
  #byParent = false
  /** The node's last word, while reports before it are under way. */
  #drained: FromNode | undefined

  private constructor(
    configuration: NodeConfiguration,
    queue: NodeQueue,
    broker: Broker,
    source: TaskSource,
    sendToParent: (message: FromNode) => void,
  ) {
    this.#configuration = configuration
    this.#queue = queue
    this.#broker = broker
    this.#source = source
    this.#sendToParent = sendToParent
  }

  /** Connects; tasks that are published from here on will be taken. */
  static async open(
    configuration: NodeConfiguration,
    queue: NodeQueue,
    sendToParent: (message: FromNode) => void,
  ): Promise<QueueLink> {
    const { id, incarnation } = configuration
    const { url, prefix, run } = queue
    const broker = await openBroker(parseQueueUrl(url), AbortSignal.timeout(connectMsMax))
    const letters = new BrokerDeadLetters(broker, prefix)
    const source = new BrokerTaskSource({ broker, prefix, run, incarnation, bury: (letter) => letters.add(letter) })
    return new QueueLink(configuration, queue, broker, await source.open([id]), sendToParent)
  }

  /** Begins to take tasks; `receive` is the node. */
  start(receive: (message: ToNode) => void): void {
    this.#receive = receive
    this.#consumer = this.#source.consume(this.#configuration.id, this.#queue.slots, (delivery) => {
      this.#held.push(delivery)
      this.#advance()
    })
  }

  /** Everything that the node says. */
  send(message: FromNode): void {
    switch (message.type) {
      case 'finished':
      case 'failed':
        return this.#ended(message)
      case 'lineage':
        return this.#report(message, () => this.#receive({ type: 'lineage-acknowledged', batch: message.batch }))
      case 'stream-ended':
      case 'stored':
        return this.#report(message, () => {})
      case 'drained':
        this.#drained = message
        return this.#sayDrained()
      default:
        this.#sendToParent(message)
    }
  }

  /** What the parent says, before the node hears it. */
  notice(message: ToNode): void {
    if (message.type === 'cancel') this.#cancel(message.taskId, message.dispatch ?? 0)
    if (message.type !== 'drain') return
    void this.#consumer?.stop()
    void this.#goByParentOnceAway()
  }

  #cancel(taskId: string, dispatch: number): void {
    const index = this.#held.findIndex(({ task }) => task.taskId === taskId && task.dispatch === dispatch)
    if (index >= 0) for (const delivery of this.#held.splice(index, 1)) void delivery.settle()
    // It may have been what the others waited for.
    this.#advance()
    if (this.#running.has(taskId)) this.#cancelled.add(taskId)
    else this.#source.drop({ taskId, dispatch })
    for (const { message } of this.#reports) if (endOf(message) === taskId) this.#sendToParent(message)
  }

  #advance(): void {
    for (;;) {
      const [next] = this.#held
      if (next === undefined) return
      const guarded = [...this.#running.values()].some(({ task }) => task.alone === true)
      if (guarded || (next.task.alone === true && this.#running.size > 0)) return
      this.#held.shift()
      this.#begin(next.task, next)
    }
  }

  #begin(task: TaskMessage, delivery: Delivery): void {
    const { taskId, attempt } = task
    this.#running.set(taskId, delivery)
    this.#sendToParent({ type: 'started', taskId, attempt })
    this.#receive({ type: 'run', task })
  }

  #ended(message: Extract<FromNode, { type: 'finished' | 'failed' }>): void {
    const delivery = this.#running.get(message.taskId)
    this.#running.delete(message.taskId)
    // Whatever its end: its own deadline may have been first.
    if (this.#cancelled.delete(message.taskId)) this.#sendToParent(message)
    this.#report(message, () => void delivery?.settle())
    this.#advance()
  }

  #report(message: FromNode, confirmed: () => void): void {
    const sending = this.#byParent ? undefined : this.#trySend(message)
    if (sending === undefined) {
      this.#sendToParent(message)
      if (message.type !== 'lineage') confirmed()
      return
    }
    const report: Report = { message, sending }
    this.#reports.add(report)
    void sending.confirmed.then(() => {
      this.#reports.delete(report)
      confirmed()
      this.#sayDrained()
    })
  }

  /** Undefined when the broker takes no message of this size. */
  #trySend(message: FromNode): Sending | undefined {
    const { prefix, run } = this.#queue
    const { id, incarnation } = this.#configuration
    try {
      return sendReport(this.#broker, { prefix, run, node: id, incarnation }, ++this.#sequence, message)
    } catch {
      return undefined
    }
  }

  #sayDrained(): void {
    if (this.#drained === undefined || this.#reports.size > 0) return
    this.#sendToParent(this.#drained)
    this.#drained = undefined
  }

  async #goByParentOnceAway(): Promise<void> {
    while (this.#broker.status().connected) await systemClock.sleep(lookEveryMs)
    this.#goByParent()
  }

  /** The broker is away and the node must go: what it has not taken goes by the parent, who acknowledges lineage as it does without a broker. */
  #goByParent(): void {
    this.#byParent = true
    for (const { message, sending } of this.#reports) {
      sending.cancel()
      this.#sendToParent(message)
    }
    this.#reports.clear()
    this.#sayDrained()
  }
}

const endOf = (message: FromNode): string | undefined =>
  message.type === 'finished' || message.type === 'failed' ? message.taskId : undefined
