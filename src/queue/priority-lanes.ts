import { type Priority, priorities, starvationShare } from '../model/priority.js'

/**
 * What waits, in lanes by priority: the most urgent lane first, the oldest of a lane first, and one take in twenty from the
 * lowest lane that holds anything, so that nothing starves.
 */
export class PriorityLanes<T> {
  readonly #lanes: Readonly<Record<Priority, Set<T>>> = {
    proactive: new Set(),
    interactive: new Set(),
    batch: new Set(),
    background: new Set(),
  }
  #takes = 0

  get size(): number {
    return priorities.reduce((sum, priority) => sum + this.#lanes[priority].size, 0)
  }

  add(item: T, priority: Priority): void {
    this.#lanes[priority].add(item)
  }

  /** Removes an item wherever it waits; false when it does not. */
  delete(item: T): boolean {
    return priorities.some((priority) => this.#lanes[priority].delete(item))
  }

  /** The next item that `fits`, taken out; the order within a lane is kept, and nothing overtakes in its own lane. */
  take(fits: (item: T) => boolean = () => true): T | undefined {
    const order = (this.#takes + 1) % starvationShare === 0 ? [...priorities].reverse() : priorities
    for (const priority of order) {
      const [first] = this.#lanes[priority]
      if (first === undefined || !fits(first)) continue
      this.#lanes[priority].delete(first)
      this.#takes++
      return first
    }
    return undefined
  }

  /** True when something more urgent than `priority` waits. */
  holdsAbove(priority: Priority): boolean {
    return priorities.slice(0, priorities.indexOf(priority)).some((above) => this.#lanes[above].size > 0)
  }

  depth(): Readonly<Record<Priority, number>> {
    const { proactive, interactive, batch, background } = this.#lanes
    return { proactive: proactive.size, interactive: interactive.size, batch: batch.size, background: background.size }
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const priority of priorities) yield* this.#lanes[priority]
  }
}
