import { BoundedMap } from './bounded-map.js'

/** Keys of one query in the history, from the most to the least particular. */
export interface HistoryKeys {
  /** Template × literals × versions of the segments it reads. */
  readonly exact: string
  readonly tenantTemplate: string
  readonly template: string
}
export const historyLevels = ['exact', 'tenantTemplate', 'template'] as const
export type HistoryLevel = (typeof historyLevels)[number]

/** Decayed average of log costs under one key. */
export interface HistoryCell {
  readonly count: number
  readonly mean: number
}

/** How fast a cell follows: an exact repeat soon, a template slowly, since it mixes tenants and arguments. */
const stepMin: Readonly<Record<HistoryLevel, number>> = { exact: 0.3, tenantTemplate: 0.1, template: 0.03 }
const limits: Readonly<Record<HistoryLevel, number>> = { exact: 5000, tenantTemplate: 5000, template: 2000 }

export type CostHistorySnapshot = Readonly<Record<HistoryLevel, readonly (readonly [string, HistoryCell])[]>>

/** What the same query, the same template of the same tenant and the same template cost before, in logs. Bounded. */
export class CostHistory {
  readonly #cells: Readonly<Record<HistoryLevel, BoundedMap<HistoryCell>>> = {
    exact: new BoundedMap(limits.exact),
    tenantTemplate: new BoundedMap(limits.tenantTemplate),
    template: new BoundedMap(limits.template),
  }

  cell(level: HistoryLevel, keys: HistoryKeys): HistoryCell | undefined {
    return this.#cells[level].peek(keys[level])
  }

  observe(keys: HistoryKeys, logCost: number): void {
    for (const level of historyLevels) {
      const { count, mean } = this.#cells[level].peek(keys[level]) ?? { count: 0, mean: 0 }
      const step = Math.max(stepMin[level], 1 / (count + 1))
      this.#cells[level].set(keys[level], { count: count + 1, mean: mean + step * (logCost - mean) })
    }
  }

  snapshot(): CostHistorySnapshot {
    const rows = (level: HistoryLevel) => this.#cells[level].snapshot((cell) => cell)
    return { exact: rows('exact'), tenantTemplate: rows('tenantTemplate'), template: rows('template') }
  }

  restore(snapshot: CostHistorySnapshot): void {
    for (const level of historyLevels) this.#cells[level].restore(snapshot[level], (cell) => cell)
  }
}
