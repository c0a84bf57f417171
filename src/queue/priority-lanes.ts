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

  /** The next item, taken out if it `fits`. Nothing smaller overtakes one that does not: it would never have its turn. */
  take(fits: (item: T) => boolean = () => true): T | undefined {
    const order = (this.#takes + 1) % starvationShare === 0 ? priorities.toReversed() : priorities
    for (const priority of order) {
      const [first] = this.#lanes[priority]
      if (first === undefined) continue
      if (!fits(first)) return undefined
      this.#lanes[priority].delete(first)
      this.#takes++
      return first
    }
    return undefined
  }

  depth(): Readonly<Record<Priority, number>> {
    const { proactive, interactive, batch, background } = this.#lanes
    return { proactive: proactive.size, interactive: interactive.size, batch: batch.size, background: background.size }
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const priority of priorities) yield* this.#lanes[priority]
  }
}
