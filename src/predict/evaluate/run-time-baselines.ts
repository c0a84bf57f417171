import { RecursiveLeastSquares } from '../least-squares.js'
import type { RunTimeQuery } from '../run-time/run-time-query.js'
import { SlidingQuantiles } from '../sliding-quantiles.js'
import { Slots } from '../slots.js'

/** The simple rules that a sceptic would pick. */
export const baselineNames = [
  'globalMedian',
  'templateMedian',
  'exactRepeatCache',
  'tenantTemplateCache',
  'ridge',
  'meanOfCacheAndRidge',
] as const
export type BaselineName = (typeof baselineNames)[number]
type BaselineLogs = Readonly<Record<BaselineName, number>>

const templateSlots = 40
const head = 6

/** What the plain ridge looks at; kept from prediction to outcome. */
export interface BaselineSaid {
  readonly logs: BaselineLogs
  readonly regressors: Float64Array
}

/** Baselines, causal like everything else here: medians of what finished, last values by key, and a plain ridge. */
export class RunTimeBaselines {
  readonly #all = new SlidingQuantiles(2000)
  readonly #templates = new Map<string, SlidingQuantiles>()
  readonly #exact = new Map<string, number>()
  readonly #pairs = new Map<string, number>()
  readonly #slots = new Slots(templateSlots)
  readonly #ridge = new RecursiveLeastSquares(head + templateSlots, { errorMax: 3 })
  readonly #lastOfTenant = new Map<string, number>()
  #slowdown = 0

  predict(query: RunTimeQuery, at: number, inFlight: number): BaselineSaid {
    const globalMedian = this.#all.quantile(0.5) ?? Math.log(100)
    const templateMedian = this.#templates.get(query.template)?.quantile(0.5) ?? globalMedian
    const tenantTemplateCache = this.#pairs.get(`${query.tenant} ${query.template}`) ?? templateMedian
    const exactRepeatCache = this.#exact.get(query.exact) ?? templateMedian
    const regressors = this.#regressors(query, at, inFlight)
    const ridge = this.#ridge.observed < 5 ? templateMedian : this.#ridge.predict(regressors)
    const meanOfCacheAndRidge = (tenantTemplateCache + ridge) / 2
    return {
      logs: { globalMedian, templateMedian, exactRepeatCache, tenantTemplateCache, ridge, meanOfCacheAndRidge },
      regressors,
    }
  }

  arrive(query: RunTimeQuery): void {
    this.#lastOfTenant.set(query.tenant, query.at)
    this.#slots.take(query.template)
  }

  observe(query: RunTimeQuery, said: BaselineSaid, durationLog: number): void {
    this.#ridge.update(said.regressors, durationLog)
    const usual = this.#templates.get(query.template)?.quantile(0.25)
    if (usual !== undefined) this.#slowdown += 0.06 * (durationLog - usual - this.#slowdown)
    this.#all.add(durationLog)
    const template = this.#templates.get(query.template) ?? new SlidingQuantiles(200)
    this.#templates.set(query.template, template)
    template.add(durationLog)
    this.#exact.set(query.exact, durationLog)
    this.#pairs.set(`${query.tenant} ${query.template}`, durationLog)
  }

  #regressors(query: RunTimeQuery, at: number, inFlight: number): Float64Array {
    const x = new Float64Array(head + templateSlots)
    const idle = at - (this.#lastOfTenant.get(query.tenant) ?? at - 3_600_000)
    x.set([
      1,
      Math.log1p(query.bytes / 1e6),
      Math.log1p(inFlight),
      Math.log1p(Math.min(600_000, idle) / 1000),
      this.#slowdown,
      query.kind === 'write' ? 1 : 0,
    ])
    const slot = this.#slots.peek(query.template)
    if (slot !== undefined) x[head + slot] = 1
    return x
  }
}
