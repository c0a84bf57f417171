import type { Plan } from '../../model/query.js'
import type { PlanRequest } from '../planner.js'

/** Plans by request, forgotten as soon as any definition changes; the least recently used one goes first. */
export class PlanCache {
  readonly #plans = new Map<string, Plan>()
  readonly #entriesMax: number
  readonly #charactersMax: number
  #version = 0

  constructor(entriesMax: number, charactersMax: number) {
    this.#entriesMax = entriesMax
    this.#charactersMax = charactersMax
  }

  /** Of the definitions that plans are made from now on. */
  get version(): number {
    return this.#version
  }

  definitionsChanged(): void {
    this.#version++
    this.#plans.clear()
  }

  find(key: string): Plan | undefined {
    const plan = this.#plans.get(key)
    if (plan === undefined) return undefined
    this.#plans.delete(key)
    this.#plans.set(key, plan)
    return plan
  }

  /** Keeps a plan that was begun under `version`, unless definitions have changed since. */
  keep(key: string, plan: Plan, version: number): void {
    if (version !== this.#version || key.length > this.#charactersMax) return
    this.#plans.set(key, plan)
    if (this.#plans.size <= this.#entriesMax) return
    const oldest = this.#plans.keys().next()
    if (!oldest.done) this.#plans.delete(oldest.value)
  }
}

/** Everything but the clock that a plan depends on besides the definitions. */
export function cacheKey({ sql, params, timeZone, tree }: PlanRequest): string {
  const named = Object.keys(params)
    .sort()
    .map((name) => [name, params[name]])
  return JSON.stringify([sql, named, timeZone, tree])
}
