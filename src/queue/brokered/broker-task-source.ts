/**
 * A node's end of a queue on a broker. A task goes: received → waiting in its lane → delivered → settled, and only then is its
 * message done, so that it comes again when this process ends before. It also comes again after every lost connection and when
 * it was published twice: task id, attempt and dispatch name it, a second message of a task that is here waits for the first one's end,
 * and one of a task that was settled is done at once.
 *
 * The lanes are filled from one stream per priority, a window of messages each. At first, after a lost connection, and where a
 * window was full, an empty lane does not prove an empty stream: before something less urgent is taken, the broker is asked.
 */
import { ForebayError, toErrorRecord } from '../../model/errors.js'
import type { TaskMessage } from '../../model/messages.js'
import type { NodeId } from '../../model/node.js'
import { type Priority, priorities } from '../../model/priority.js'
import type { DeadLetter } from '../dead-letters.js'
import { PriorityLanes } from '../priority-lanes.js'
import type { Consumer, Delivery, TaskSource } from '../task-queue.js'
import { type Broker, type BrokerMessage, type Subscription, streamsOf } from './broker.js'
import { RecentKeys } from './recent-keys.js'
import { decodeTask } from './wire.js'

export interface BrokerTaskSourceOptions {
  readonly broker: Broker
  readonly prefix: string
  readonly run: string
  readonly incarnation: number
  /** Messages of each priority that are held here. */
  readonly window?: number
  /** Where a message goes that is not a task. */
  readonly bury: (letter: DeadLetter) => Promise<void>
}

interface Held {
  readonly task: TaskMessage
  readonly priority: Priority
  readonly messages: BrokerMessage[]
  attempts: number
}

interface Feed {
  readonly node: NodeId
  readonly slots: number
  readonly deliver: (delivery: Delivery) => void
  readonly lanes: PriorityLanes<Held>
  readonly held: Map<string, Held>
  readonly unsettled: Set<Held>
  /** Messages by priority that are not done. */
  readonly open: Record<Priority, number>
  /** Priorities of which the broker may hold more than it could deliver. */
  readonly full: Set<Priority>
  subscription: Subscription | undefined
  /** Resolves when all streams flow. Until then nothing is delivered: the first one to flow would be taken for the only one. */
  flowing: Promise<unknown> | undefined
  asking: boolean
  stopped: boolean
}

const rememberedMax = 100_000
const askAgainMs = 50
/** Tries after which a task that is given back again and again is given up. */
export const attemptsMax = 5

export class BrokerTaskSource implements TaskSource {
  readonly #options: BrokerTaskSourceOptions
  readonly #window: number
  readonly #settled = new RecentKeys(rememberedMax)
  readonly #dropped = new RecentKeys(rememberedMax)
  readonly #feeds = new Set<Feed>()

  constructor(options: BrokerTaskSourceOptions) {
    this.#options = options
    this.#window = options.window ?? 64
  }

  /** What is published from here on reaches these nodes' consumers. */
  async open(nodes: readonly NodeId[]): Promise<this> {
    await this.#options.broker.mark(nodes.flatMap((node) => this.#streams(node)))
    return this
  }

  consume(node: NodeId, slots: number, deliver: (delivery: Delivery) => void): Consumer {
    const feed: Feed = {
      node,
      slots,
      deliver,
      lanes: new PriorityLanes(),
      held: new Map(),
      unsettled: new Set(),
      open: { proactive: 0, interactive: 0, batch: 0, background: 0 },
      full: new Set(),
      subscription: undefined,
      flowing: undefined,
      asking: false,
      stopped: false,
    }
    this.#feeds.add(feed)
    const started = this.#options.broker.receive(
      this.#streams(node),
      this.#window,
      (message) => this.#take(feed, message),
      (flowing) => this.#hold(feed, flowing),
    )
    this.#hold(
      feed,
      started.then((subscription) => {
        feed.subscription = subscription
      }),
    )
    return {
      stop: async () => {
        feed.stopped = true
        this.#feeds.delete(feed)
        await started.then((subscription) => subscription.stop()).catch(() => {})
      },
    }
  }

  drop(task: Pick<TaskMessage, 'taskId' | 'dispatch'>): void {
    this.#dropped.add(dispatchOf(task))
    for (const feed of this.#feeds) {
      for (const [key, held] of feed.held) {
        if (dispatchOf(held.task) === dispatchOf(task) && feed.lanes.delete(held)) this.#end(feed, key, held)
      }
    }
  }

  #streams(node: NodeId): readonly string[] {
    const streams = streamsOf(this.#options.prefix)
    // The lowest first: by the time that the most urgent one flows, the heads of the others are here.
    return priorities.toReversed().map((priority) => streams.tasks(node, priority))
  }

  #hold(feed: Feed, flowing: Promise<unknown>): void {
    feed.flowing = flowing
    for (const priority of priorities) feed.full.add(priority)
    flowing.then(
      () => {
        if (feed.flowing === flowing) feed.flowing = undefined
        this.#pump(feed)
      },
      // Lost again, and told anew with the next connection; or the broker was closed.
      () => {},
    )
  }

  #take(feed: Feed, message: BrokerMessage): void {
    if (feed.stopped) return
    const envelope = this.#read(feed, message)
    if (envelope === undefined) return
    const { task, priority, run, incarnation } = envelope
    const key = keyOf(task)
    const stale = run !== this.#options.run || incarnation !== this.#options.incarnation
    if (stale || this.#dropped.has(dispatchOf(task)) || this.#settled.has(key)) {
      message.done()
      return
    }
    const known = feed.held.get(key)
    if (known !== undefined) {
      known.messages.push(message)
      return
    }
    const held: Held = { task, priority, messages: [message], attempts: 0 }
    feed.held.set(key, held)
    feed.lanes.add(held, priority)
    if (++feed.open[priority] >= this.#window) feed.full.add(priority)
    this.#pump(feed)
  }

  #read(feed: Feed, message: BrokerMessage): ReturnType<typeof decodeTask> | undefined {
    try {
      return decodeTask(message.body)
    } catch (error) {
      const text = message.body.subarray(0, 200).toString('latin1')
      const why = new ForebayError('REQUEST_INVALID', `a message for ${feed.node} is not a task: ${text}`, { cause: error })
      const letter = { id: `unreadable-${Date.now()}-${Math.random().toString(36).slice(2)}`, at: Date.now(), attempts: 0 }
      void this.#options.bury({ ...letter, reason: toErrorRecord(why) }).then(
        () => message.done(),
        // It comes again with the next connection.
        () => {},
      )
      return undefined
    }
  }

  #pump(feed: Feed): void {
    while (feed.flowing === undefined && !feed.stopped && !feed.asking && feed.unsettled.size < feed.slots) {
      const unsure = this.#unsure(feed)
      if (unsure !== undefined) {
        void this.#ask(feed, unsure)
        return
      }
      const held = feed.lanes.take()
      if (held === undefined) return
      feed.unsettled.add(held)
      held.attempts++
      feed.deliver(this.#delivery(feed, held))
    }
  }

  /** A priority whose lane is empty here and perhaps not on the broker, while something less urgent would come next. */
  #unsure(feed: Feed): Priority | undefined {
    if (feed.full.size === 0) return undefined
    const depth = feed.lanes.depth()
    const first = priorities.findIndex((priority) => depth[priority] > 0)
    return priorities.slice(0, Math.max(0, first)).find((priority) => feed.full.has(priority))
  }

  async #ask(feed: Feed, priority: Priority): Promise<void> {
    feed.asking = true
    const stream = streamsOf(this.#options.prefix).tasks(feed.node, priority)
    const remaining = await (feed.subscription?.remaining(stream) ?? 0)
    feed.asking = false
    if (remaining === 0) feed.full.delete(priority)
    if (remaining === 0 || feed.lanes.depth()[priority] > 0) this.#pump(feed)
    // Its next message goes on here; and if the broker could not say, it is asked again.
    else setTimeout(() => this.#pump(feed), askAgainMs).unref()
  }

  #delivery(feed: Feed, held: Held): Delivery {
    const { task, priority, attempts } = held
    return {
      task,
      priority,
      attempts,
      settle: async () => {
        if (feed.stopped || !feed.unsettled.delete(held)) return
        this.#end(feed, keyOf(task), held)
        this.#pump(feed)
      },
      release: async () => {
        if (feed.stopped || !feed.unsettled.delete(held)) return
        if (attempts >= attemptsMax) await this.#bury(feed, held)
        else feed.lanes.add(held, priority)
        this.#pump(feed)
      },
    }
  }

  async #bury(feed: Feed, held: Held): Promise<void> {
    const { task, attempts } = held
    const reason = toErrorRecord(new ForebayError('UNAVAILABLE', `task "${task.taskId}" was given back ${attempts} times`))
    await this.#options.bury({ id: task.taskId, at: Date.now(), attempts, reason, task })
    this.#end(feed, keyOf(task), held)
  }

  #end(feed: Feed, key: string, held: Held): void {
    feed.held.delete(key)
    feed.open[held.priority]--
    this.#settled.add(key)
    for (const message of held.messages) message.done()
  }
}

const dispatchOf = ({ taskId, dispatch = 0 }: Pick<TaskMessage, 'taskId' | 'dispatch'>): string => `${taskId}#${dispatch}`

const keyOf = (task: TaskMessage): string => `${dispatchOf(task)}#${task.attempt}`
