import { BoundedMap } from '../bounded-map.js'
import type { Slowness } from './run-time-features.js'

export interface SlownessSnapshot {
  readonly slow: number
  readonly fast: number
  readonly last: number
  readonly tenants: readonly (readonly [string, number])[]
  readonly templates: readonly (readonly [string, number])[]
}

/** Exponential means of log(duration ÷ expected without load). The steps were measured on public logs. */
export class MeasuredSlowness implements Slowness {
  slow = 0
  fast = 0
  last = 0
  readonly #tenants = new BoundedMap<number>(5000)
  readonly #templates = new BoundedMap<number>(5000)

  ofTenant(tenant: string): number {
    return this.#tenants.peek(tenant) ?? this.slow
  }

  ofTemplate(template: string): number {
    return this.#templates.peek(template) ?? this.slow
  }

  observe(tenant: string, template: string, stretch: number): void {
    this.slow += 0.06 * (stretch - this.slow)
    this.fast += 0.2 * (stretch - this.fast)
    this.last = stretch
    this.#tenants.set(tenant, this.ofTenant(tenant) + 0.1 * (stretch - this.ofTenant(tenant)))
    this.#templates.set(template, this.ofTemplate(template) + 0.1 * (stretch - this.ofTemplate(template)))
  }

  snapshot(): SlownessSnapshot {
    const { slow, fast, last } = this
    const same = (mean: number): number => mean
    return { slow, fast, last, tenants: this.#tenants.snapshot(same), templates: this.#templates.snapshot(same) }
  }

  restore(snapshot: SlownessSnapshot): void {
    this.slow = snapshot.slow
    this.fast = snapshot.fast
    this.last = snapshot.last
    this.#tenants.restore(snapshot.tenants, (mean) => mean)
    this.#templates.restore(snapshot.templates, (mean) => mean)
  }
}
