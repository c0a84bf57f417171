import type { LossCause } from '../../src/allocate/node-fleet.js'
import type { TaskEvent } from '../../src/model/lineage-event.js'
import type { TaskMessage, ToNode } from '../../src/model/messages.js'
import { LineageOutbox } from '../../src/node/lineage-outbox.js'
import { baseRead, taskEvent } from '../lineage/lineage-fixtures.js'
import { FakeFleet } from './fake-fleet.js'

/** Events of a process on their way to the coordinator. */
export interface Sent {
  readonly node: string
  readonly incarnation: number
  readonly batch: number
  readonly events: readonly TaskEvent[]
}

/**
 * Nodes that record what they do: each process has an outbox, and what it sends waits in `network` until the simulation lets it arrive.
 * Some tasks do not listen when they are cancelled.
 */
export class LineageFleet extends FakeFleet {
  readonly network: Sent[] = []
  /** Ids that some process was told to forget. */
  readonly acknowledged = new Set<string>()
  readonly #outboxes = new Map<string, { readonly outbox: LineageOutbox; readonly sent: Map<number, readonly TaskEvent[]> }>()
  readonly #isDeaf: () => boolean
  readonly #deaf = new Set<string>()
  #events = 0
  readonly #life: string
  readonly #eventsMax: number

  constructor(
    life: string,
    size: { readonly nodes: number; readonly slots: number; readonly eventsMax: number },
    isDeaf: () => boolean,
  ) {
    super(size.nodes, size.slots)
    this.#life = life
    this.#eventsMax = size.eventsMax
    this.#isDeaf = isDeaf
  }

  override async start(node: string): Promise<void> {
    // Whatever ran here before is gone, with what it had not sent.
    if (this.gone().includes(node)) this.#outboxes.delete(node)
    await super.start(node)
  }

  override becomeReady(node: string): void {
    const incarnation = this.incarnation(node)
    const sent = new Map<number, readonly TaskEvent[]>()
    const outbox = new LineageOutbox(
      (batch, events) => {
        // A process that was replaced has no channel any more.
        if (this.#outboxes.get(node)?.outbox !== outbox) return
        sent.set(batch, events)
        this.network.push({ node, incarnation, batch, events })
      },
      { eventsPerBatch: 4, delayMs: 20, eventsMax: this.#eventsMax },
    )
    this.#outboxes.set(node, { outbox, sent })
    super.becomeReady(node)
  }

  override send(node: string, message: ToNode): boolean {
    if (message.type === 'lineage-acknowledged') {
      const process = this.#outboxes.get(node)
      for (const { id } of process?.sent.get(message.batch) ?? []) this.acknowledged.add(id)
      process?.outbox.acknowledge(message.batch)
      return process !== undefined
    }
    if (message.type === 'cancel' && this.#deaf.has(message.taskId)) return true
    const taken = super.send(node, message)
    if (taken && message.type === 'run') {
      if (this.#outboxes.get(node)?.outbox.isFull) queueMicrotask(() => this.refuse(node, message.task, 'too many events'))
      else if (this.#isDeaf()) this.#deaf.add(message.task.taskId)
    }
    return taken
  }

  /** A task ends, and is recorded; nobody waits for the record. */
  override finish(node: string, task: TaskMessage): void {
    const ordinals = task.inputs.flatMap((input) => (input.kind === 'base' ? [Number(/\d+$/.exec(task.taskId)?.[0] ?? 0)] : []))
    const event = taskEvent(`${this.#life}-${task.taskId}#${task.attempt}-${++this.#events}`, {
      node,
      role: task.role,
      queryId: task.queryId,
      base: ordinals.length === 0 ? [] : [baseRead('S1', 't', ordinals)],
    })
    this.#deaf.delete(task.taskId)
    this.#outboxes.get(node)?.outbox.add(event)
    super.finish(node, task)
  }

  override die(node: string, cause: LossCause): void {
    this.#outboxes.delete(node)
    super.die(node, cause)
  }

  arrive(sent: Sent): void {
    this.say(sent.node, { type: 'lineage', batch: sent.batch, events: sent.events }, sent.incarnation)
  }

  /** Events that wait for their acknowledgement, by process. */
  held(): readonly number[] {
    return [...this.#outboxes.values()].map(({ outbox }) => outbox.held)
  }
}
