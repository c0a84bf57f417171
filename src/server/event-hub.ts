/** Kinds of server-sent events. */
export const eventKinds = ['query', 'transfer', 'node', 'forecast', 'allocation'] as const
export type EventKind = (typeof eventKinds)[number]

/** Something that happened. */
interface Happening {
  /** Ascending within one run of the server. */
  readonly id: number
  readonly kind: EventKind
  /** JSON. */
  readonly data: string
}

/** What a listener is told: what happened, or how much of it was dropped. */
export type ServerEvent = Happening | { readonly id?: never; readonly kind: 'dropped'; readonly data: string }

export interface Subscription {
  /** Takes the oldest event that was not taken yet; after the last that there was room for, how many were dropped. */
  take(): ServerEvent | undefined
  close(): void
}

const keptMax = 1_000
/** Characters of the events in one queue; many queues hold the same texts. */
const keptTextMax = 4_000_000

/**
 * Fans events out to listeners. What is kept for each is bounded by number and by length: a listener that is too slow loses
 * events and is told how many. As much is remembered for those who come back.
 */
export class EventHub {
  readonly #subscribers = new Set<Subscriber>()
  readonly #recent = new EventQueue()
  #lastId = 0

  get listeners(): number {
    return this.#subscribers.size
  }

  /** Tells everybody who listens. */
  publish(kind: EventKind, payload: unknown): void {
    const event = { id: ++this.#lastId, kind, data: JSON.stringify(payload) }
    this.#recent.push(event)
    while (this.#recent.isOver()) this.#recent.shift()
    for (const subscriber of this.#subscribers) subscriber.offer(event)
  }

  /** Begins to listen to some kinds; events after `lastId` that are still remembered come first. `wake` says that there is something to take. */
  subscribe(kinds: ReadonlySet<EventKind>, lastId: number | undefined, wake: () => void): Subscription {
    const subscriber = new Subscriber(kinds, wake)
    if (lastId !== undefined) for (const event of this.#recent.events) if (event.id > lastId) subscriber.offer(event)
    this.#subscribers.add(subscriber)
    return {
      take: () => subscriber.take(),
      close: () => this.#subscribers.delete(subscriber),
    }
  }
}

class Subscriber {
  readonly #kinds: ReadonlySet<EventKind>
  readonly #wake: () => void
  readonly #queue = new EventQueue()
  #dropped = 0

  constructor(kinds: ReadonlySet<EventKind>, wake: () => void) {
    this.#kinds = kinds
    this.#wake = wake
  }

  /** Keeps an event. Once one was dropped all are, until what was kept before it has been taken: the gap has one place. */
  offer(event: Happening): void {
    if (!this.#kinds.has(event.kind)) return
    if (this.#dropped > 0 || !this.#queue.hasRoom(event)) this.#dropped += 1
    else this.#queue.push(event)
    this.#wake()
  }

  take(): ServerEvent | undefined {
    const event = this.#queue.shift()
    if (event !== undefined || this.#dropped === 0) return event
    const data = JSON.stringify({ count: this.#dropped })
    this.#dropped = 0
    return { kind: 'dropped', data }
  }
}

/** Events, oldest first, and how long they are together. */
class EventQueue {
  readonly events: Happening[] = []
  #text = 0

  hasRoom({ data }: Happening): boolean {
    return this.events.length < keptMax && this.#text + data.length <= keptTextMax
  }

  isOver(): boolean {
    return this.events.length > keptMax || this.#text > keptTextMax
  }

  push(event: Happening): void {
    this.events.push(event)
    this.#text += event.data.length
  }

  shift(): Happening | undefined {
    const event = this.events.shift()
    this.#text -= event?.data.length ?? 0
    return event
  }
}
