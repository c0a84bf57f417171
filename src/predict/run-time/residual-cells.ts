import { BoundedMap } from '../bounded-map.js'
import type { RunTimeQuery } from './run-time-query.js'

interface Cell {
  readonly count: number
  readonly mean: number
}

export type ResidualCellsSnapshot = readonly (readonly [string, Cell])[]

/** What the linear model is off by, on average: for exact repeats, for a template of a tenant, and for a tenant. */
const levels = [
  { stepMin: 0.4, key: (query: RunTimeQuery) => `e ${query.exact}` },
  { stepMin: 0.15, key: (query: RunTimeQuery) => `p ${query.tenant} ${query.template}` },
  { stepMin: 0.05, key: (query: RunTimeQuery) => `t ${query.tenant}` },
] as const
export const residualLevels = levels.length
/** A new cell starts as if so many residuals of 0 had been seen. */
const calm = 3

/**
 * Mean residuals of the linear model by cell, fed back to it as regressors. A cell's plain mean of durations holds the load of
 * its time too; its residuals do not, and that made the tail a fifth shorter on public logs.
 */
export class ResidualCells {
  readonly #cells = new BoundedMap<Cell>(15_000)

  means(query: RunTimeQuery): number[] {
    return levels.map(({ key }) => this.#cells.peek(key(query))?.mean ?? 0)
  }

  observe(query: RunTimeQuery, residual: number): void {
    const clipped = Math.max(-3, Math.min(3, residual))
    for (const { key, stepMin } of levels) {
      const { count, mean } = this.#cells.peek(key(query)) ?? { count: 0, mean: 0 }
      const step = Math.max(stepMin, 1 / (count + 1 + calm))
      this.#cells.set(key(query), { count: count + 1, mean: mean + step * (clipped - mean) })
    }
  }

  snapshot(): ResidualCellsSnapshot {
    return this.#cells.snapshot((cell) => cell)
  }

  restore(snapshot: ResidualCellsSnapshot): void {
    this.#cells.restore(snapshot, (cell) => cell)
  }
}
