/** Something that becomes visible at a time: `order` breaks ties (arrivals first, then starts, then ends). */
export interface TimedEvent<T> {
  readonly at: number
  readonly order: number
  /** Place in the log, so that equal events keep a fixed order. */
  readonly number: number
  readonly what: T
}

/** Events by time, in a binary heap: what a replay knows of the future and must not look at yet. */
export class EventHeap<T> {
  readonly #heap: TimedEvent<T>[] = []

  get size(): number {
    return this.#heap.length
  }

  peek(): TimedEvent<T> | undefined {
    return this.#heap[0]
  }

  push(event: TimedEvent<T>): void {
    const heap = this.#heap
    let place = heap.push(event) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (before(heap[parent] as TimedEvent<T>, event)) break
      heap[place] = heap[parent] as TimedEvent<T>
      place = parent
    }
    heap[place] = event
  }

  pop(): TimedEvent<T> | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return top
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as TimedEvent<T>, heap[child] as TimedEvent<T>)) child++
      if (before(last, heap[child] as TimedEvent<T>)) break
      heap[place] = heap[child] as TimedEvent<T>
      place = child
    }
    heap[place] = last
    return top
  }
}

function before<T>(a: TimedEvent<T>, b: TimedEvent<T>): boolean {
  return a.at !== b.at ? a.at < b.at : a.order !== b.order ? a.order < b.order : a.number < b.number
}
