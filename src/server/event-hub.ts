/** Kinds of server-sent events. */
export const eventKinds = ['query', 'transfer', 'node', 'forecast', 'allocation'] as const
export type EventKind = (typeof eventKinds)[number]

export interface ServerEvent {
  /** Ascending within one run of the server. */
  readonly id: number
  readonly kind: EventKind
  readonly payload: unknown
}

export interface Subscription {
  /** Takes what has come since the last call, and how many were dropped because nobody took them. */
  take(): { readonly events: readonly ServerEvent[]; readonly dropped: number }
  close(): void
}

const bufferedMax = 1_000
const rememberedMax = 1_000

/** Fans events out to listeners. Each has a bounded buffer: a listener that is too slow loses events and is told how many. */
export class EventHub {
  readonly #subscribers = new Set<Subscriber>()
  readonly #recent: ServerEvent[] = []
  #lastId = 0

  get listeners(): number {
    return this.#subscribers.size
  }

  /** Tells everybody who listens. The payload must not change any more. */
  publish(kind: EventKind, payload: unknown): void {
    const event: ServerEvent = { id: ++this.#lastId, kind, payload }
    this.#recent.push(event)
    if (this.#recent.length > 2 * rememberedMax) this.#recent.splice(0, rememberedMax)
    for (const subscriber of this.#subscribers) subscriber.offer(event)
  }

  /** Begins to listen to some kinds; events after `lastId` that are still remembered come first. `wake` says that there is something to take. */
  subscribe(kinds: ReadonlySet<EventKind>, lastId: number | undefined, wake: () => void): Subscription {
    const subscriber = new Subscriber(kinds, wake)
    if (lastId !== undefined) for (const event of this.#recent) if (event.id > lastId) subscriber.offer(event)
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
  #buffer: ServerEvent[] = []
  #dropped = 0

  constructor(kinds: ReadonlySet<EventKind>, wake: () => void) {
    this.#kinds = kinds
    this.#wake = wake
  }

  offer(event: ServerEvent): void {
    if (!this.#kinds.has(event.kind)) return
    if (this.#buffer.length >= bufferedMax) {
      this.#dropped += 1
      return
    }
    this.#buffer.push(event)
    this.#wake()
  }

  take(): { readonly events: readonly ServerEvent[]; readonly dropped: number } {
    const taken = { events: this.#buffer, dropped: this.#dropped }
    this.#buffer = []
    this.#dropped = 0
    return taken
  }
}
