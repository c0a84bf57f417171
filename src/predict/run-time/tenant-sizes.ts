import { BoundedMap } from '../bounded-map.js'
import { logBytes, type RunTimeQuery } from './run-time-query.js'

export type TenantSizesSnapshot = readonly (readonly [string, number])[]

const step = 0.05

/** How large a tenant's queries usually are by lineage, in log megabytes: the size of its database, whatever is asked of it. */
export class TenantSizes {
  readonly #means = new BoundedMap<number>(5000)

  /** The query's own size for a tenant that never came. */
  of(query: RunTimeQuery): number {
    return this.#means.peek(query.tenant) ?? logBytes(query)
  }

  observe(query: RunTimeQuery): void {
    const mean = this.of(query)
    this.#means.set(query.tenant, mean + step * (logBytes(query) - mean))
  }

  snapshot(): TenantSizesSnapshot {
    return this.#means.snapshot((mean) => mean)
  }

  restore(snapshot: TenantSizesSnapshot): void {
    this.#means.restore(snapshot, (mean) => mean)
  }
}
