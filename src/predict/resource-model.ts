import { Blend, type ExpertRecord, type Opinions } from './blend.js'
import { BoundedMap } from './bounded-map.js'
import { type Bounds, ConformalInterval, type ConformalSnapshot, sideOf } from './conformal.js'
import { CostHistory, type CostHistorySnapshot } from './cost-history.js'
import { type LeastSquaresSnapshot, RecursiveLeastSquares } from './least-squares.js'
import { featureCount, type Question } from './question.js'
import { Slots } from './slots.js'

/** One resource's prediction for one question, in logs. It is kept until the outcome: what is judged is what was said. */
export interface LogPrediction {
  readonly log: number
  /** Typical size of residuals of such questions: the interval's bounds are in its units. */
  readonly scale: number
  /** Offsets of the interval's ends and of the ninetieth percentile from `log`. */
  readonly low: number
  readonly high: number
  readonly p90: number
  readonly abstains: boolean
  readonly opinions: Opinions
}

interface Spread {
  readonly count: number
  readonly mean: number
}

export interface ResourceModelSnapshot {
  readonly history: CostHistorySnapshot
  readonly ridge: LeastSquaresSnapshot
  readonly slots: readonly string[]
  readonly blend: Readonly<Record<string, ExpertRecord>>
  readonly interval: ConformalSnapshot
  readonly spreads: readonly (readonly [string, Spread])[]
}

const templateSlots = 40
const everyone = ''
/** Residuals before any were seen, and how many of them that is worth. */
const usualSpread = 0.5
const usualWorth = 10
/** No interval reaches further than these factors: beyond that it tells nobody anything. Tighter while it abstains anyway. */
const reachMax = Math.log(100)
const reachMaxAbstaining = Math.log(20)

/**
 * One resource of whole queries: caches of what it cost before, a ridge regression in log space over what a query touches, and
 * the prior from the lineage graph, mixed by their measured recent error; an adaptive interval around the mix.
 */
export class ResourceModel {
  readonly #history = new CostHistory()
  readonly #slots = new Slots(templateSlots)
  readonly #ridge = new RecursiveLeastSquares(featureCount + templateSlots, { errorMax: 3 })
  readonly #blend = new Blend()
  readonly #interval = new ConformalInterval()
  readonly #spreads = new BoundedMap<Spread>(5000)

  /** What is said before anything was observed and no prior exists. */
  readonly #unknownLog: number

  constructor(unknown: number) {
    this.#unknownLog = Math.log(unknown)
  }

  get interval(): ConformalInterval {
    return this.#interval
  }

  get history(): CostHistory {
    return this.#history
  }

  weights(opinions: Opinions): Readonly<Record<string, number>> {
    return this.#blend.weights(opinions)
  }

  predict(asked: Question, priorLog: number | undefined): LogPrediction {
    const opinions = {
      prior: priorLog,
      exact: this.#history.cell('exact', asked.keys)?.mean,
      tenantTemplate: this.#history.cell('tenantTemplate', asked.keys)?.mean,
      template: this.#history.cell('template', asked.keys)?.mean,
      ridge: this.#ridge.observed < 3 ? undefined : this.#ridge.predict(this.#regressors(asked, false)),
    }
    const scale = this.#scale(asked)
    return { log: this.#blend.mix(opinions) ?? this.#unknownLog, scale, ...reach(this.#interval.bounds(), scale), opinions }
  }

  /** Learns the outcome of a prediction that was given; true when its interval held. */
  observe(asked: Question, given: LogPrediction, actualLog: number): boolean {
    const residual = actualLog - given.log
    const side = sideOf(residual, given.low, given.high)
    this.#interval.observe(residual / given.scale, side)
    this.#blend.observe(given.opinions, actualLog)
    this.#widen(asked, Math.abs(actualLog - given.log))
    this.learn(asked, actualLog)
    return side === 'inside'
  }

  /** Learns a cost for which nothing was predicted, as from an old query log. */
  learn(asked: Question, actualLog: number): void {
    this.#ridge.update(this.#regressors(asked, true), actualLog)
    this.#history.observe(asked.keys, actualLog)
  }

  #regressors(asked: Question, take: boolean): Float64Array {
    const x = new Float64Array(featureCount + templateSlots)
    x.set(asked.features)
    const slot = take ? this.#slots.take(asked.template) : this.#slots.peek(asked.template)
    if (slot !== undefined) x[featureCount + slot] = 1
    return x
  }

  #scale(asked: Question): number {
    const none: Spread = { count: 0, mean: 0 }
    const all = leaning(this.#spreads.peek(everyone) ?? none, usualSpread)
    return Math.max(0.02, leaning(this.#spreads.peek(this.#spreadKey(asked)) ?? none, all))
  }

  #widen(asked: Question, error: number): void {
    for (const key of [everyone, this.#spreadKey(asked)]) {
      const { count, mean } = this.#spreads.peek(key) ?? { count: 0, mean: 0 }
      const step = Math.max(0.02, 1 / (count + 1))
      this.#spreads.set(key, { count: count + 1, mean: mean + step * (error - mean) })
    }
  }

  /** Exact repeats are surer than others of their template. */
  #spreadKey(asked: Question): string {
    const repeat = this.#history.cell('exact', asked.keys) !== undefined
    return `${repeat ? 'repeat' : 'new'} ${asked.keys.tenantTemplate}`
  }

  snapshot(): ResourceModelSnapshot {
    return {
      history: this.#history.snapshot(),
      ridge: this.#ridge.snapshot(),
      slots: this.#slots.snapshot(),
      blend: this.#blend.snapshot(),
      interval: this.#interval.snapshot(),
      spreads: this.#spreads.snapshot((spread) => spread),
    }
  }

  restore(snapshot: ResourceModelSnapshot): void {
    this.#history.restore(snapshot.history)
    this.#ridge.restore(snapshot.ridge)
    this.#slots.restore(snapshot.slots)
    this.#blend.restore(snapshot.blend)
    this.#interval.restore(snapshot.interval)
    this.#spreads.restore(snapshot.spreads, (spread) => spread)
  }
}

/** A mean over few observations leans on what is usual. */
function leaning({ count, mean }: Spread, usual: number): number {
  const worth = Math.min(count, 50)
  return (worth * mean + usualWorth * usual) / (worth + usualWorth)
}

function reach(bounds: Bounds, scale: number): Pick<LogPrediction, 'low' | 'high' | 'p90' | 'abstains'> {
  const most = bounds.abstains ? reachMaxAbstaining : reachMax
  const high = Math.min(most, bounds.high * scale)
  return {
    low: Math.max(-most, bounds.low * scale),
    high,
    p90: Math.min(high, bounds.p90 * scale),
    abstains: bounds.abstains,
  }
}
