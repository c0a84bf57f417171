import { type HourForecast, HourlyActivity } from '../arrivals/hourly-activity.js'
import type { LoggedActivity, LoggedQuery } from '../log-line.js'
import { rounded } from './score.js'
import { WarmBudget } from './warm-budget.js'

/** Shares of one rule: first queries after idle that it had warm, and warm hours without a query ÷ hours with one. */
export interface WarmScores {
  readonly warmFirstShare: number | null
  readonly extraWarmShare: number | null
  readonly f1: number | null
}

export interface ArrivalsReport extends WarmScores {
  readonly firstsAfterIdle: number
  readonly activeHours: number
  readonly baselines: Readonly<Record<string, WarmScores>>
  /** A query log at the scale of seconds: what a fixed keep-alive per tenant would have done. Empty for activity by periods. */
  readonly keepAlive: readonly KeepAliveScores[]
  /** Our rule at fixed thresholds of probability. */
  readonly curve: readonly (WarmScores & { readonly threshold: number })[]
}

/** Queries that found their tenant warm from the one before, and seconds warm without a query ÷ seconds with one. */
interface KeepAliveScores {
  readonly seconds: number
  readonly warmShare: number
  readonly extraShare: number
}

const keepAliveSeconds = [10, 30, 60, 120, 300]
const hourMs = 3_600_000
const idleHoursMin = 2
/** A longer silence of all tenants is a hole in the log: whole weeks of it are left out, so that hours of the week stay in place. */
const silenceHoursMax = 8 * 168
const thresholds = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
/**
 * Extra warm hours that our rule allows itself, per active hour. Where tenants wake
 * more often for each hour that they are active there is more to win, and it may spend more; where its forecasts come true no more
 * often than any hour of sleep would (they are lucky guesses), next to nothing.
 */
const extraTarget = { steady: 0.0845, bursty: 0.1195, withoutSkill: 0.005 }
/** First queries after idle per active hour: bursty is a fleet whose spells of activity last less than two and a half hours. */
const burstiness = { from: 0.4, until: 0.5 }
/** A forecast must be so much likelier than the tenant's usual hour of sleep, and all of them come true so much more often. */
const liftMin = { each: 1.3, all: 2 }
/** Who wakes that surely is hardly ever asleep for two hours: even at random, extra hours would be 1 % of active ones. */
const likelyAnyway = 0.8

/** Counts of one rule. */
class WarmCount {
  firsts = 0
  firstsWarm = 0
  active = 0
  extra = 0
  hits = 0

  add(warm: boolean, active: boolean, idle: number): void {
    if (active) this.active++
    if (warm && !active) this.extra++
    if (idle < idleHoursMin) return
    if (active) this.firsts++
    if (active && warm) this.firstsWarm++
    if (active && warm) this.hits++
  }

  scores(): WarmScores {
    const precision = this.hits / Math.max(1, this.hits + this.extra)
    const recall = this.firstsWarm / Math.max(1, this.firsts)
    return {
      warmFirstShare: this.firsts === 0 ? null : rounded(recall),
      extraWarmShare: this.active === 0 ? null : rounded(this.extra / this.active),
      f1: this.firsts === 0 ? null : rounded((2 * precision * recall) / Math.max(1e-9, precision + recall)),
    }
  }
}

/**
 * Replays activity by the hour: before each hour every rule says which sleeping tenants to have warm in it. Query logs are
 * counted into hours first. Only tenants that have slept for two whole hours are warmed: the others are awake anyway.
 */
export class ArrivalsReplay {
  readonly #model = new HourlyActivity()
  readonly #ours = new WarmCount()
  readonly #curve = thresholds.map((threshold) => ({ threshold, count: new WarmCount() }))
  readonly #baselines = new Map<
    string,
    { readonly rule: (f: HourForecast, active: boolean) => boolean; readonly count: WarmCount }
  >()
  /** First hour of each tenant, and the tenants active in the hour that is being read. */
  readonly #since = new Map<string, number>()
  readonly #keepAlive = new KeepAlive()
  #active = new Set<string>()
  #hour: number | undefined
  readonly #skill = new Skill()
  readonly #budget = new WarmBudget()

  constructor() {
    const rules: Readonly<Record<string, (forecast: HourForecast, active: boolean) => boolean>> = {
      persistence: (forecast) => forecast.idleHours === 0,
      sameHourYesterday: (forecast) => forecast.activeYesterday,
      sameHourLastWeek: (forecast) => forecast.activeLastWeek,
      hourFrequency: (forecast) => forecast.rule >= 0.2 && forecast.idleHours >= idleHoursMin,
      alwaysOn: () => true,
      oracle: (_, active) => active,
    }
    for (const [name, rule] of Object.entries(rules)) this.#baselines.set(name, { rule, count: new WarmCount() })
  }

  add(line: LoggedQuery | LoggedActivity): void {
    const hour = Math.floor(line.at / hourMs)
    const hours = line.line === 'activity' ? Math.max(1, Math.round(line.periodMs / hourMs)) : 1
    this.#reach(hour)
    if (line.line === 'query') this.#keepAlive.add(line)
    if (!this.#since.has(line.tenant)) this.#since.set(line.tenant, hour)
    // Longer periods say nothing about their hours; they count for the first.
    if (line.line === 'query' || (line.count > 0 && hours >= 1)) this.#active.add(line.tenant)
  }

  /** Closes the hours before `hour`. */
  #reach(hour: number): void {
    this.#hour ??= hour
    const holeHours = hour - this.#hour - silenceHoursMax
    if (holeHours >= 168) {
      this.#close(this.#hour)
      this.#active = new Set()
      this.#hour += 168 * Math.floor(holeHours / 168) + 1
    }
    for (; this.#hour < hour; this.#hour++) {
      this.#close(this.#hour)
      this.#active = new Set()
    }
  }

  #close(hour: number): void {
    for (const [tenant, since] of this.#since) {
      // A tenant's first day shows nothing that a rule could know.
      if (hour - since >= 24) this.#score(this.#model.expect(tenant, hour), this.#active.has(tenant))
    }
    // Only now: what one tenant did in this hour would tell of the others in it.
    for (const tenant of this.#since.keys()) this.#model.observe(tenant, hour, this.#active.has(tenant))
    this.#budget.close(this.#target())
  }

  #score(forecast: HourForecast, active: boolean): void {
    const { probability, idleHours, baseRate } = forecast
    const asleep = idleHours >= idleHoursMin
    const worthSaying = probability >= Math.min(liftMin.each * baseRate, likelyAnyway)
    const warm = asleep && worthSaying && probability >= this.#budget.threshold
    this.#ours.add(warm, active, idleHours)
    for (const { threshold, count } of this.#curve)
      count.add(asleep && worthSaying && probability >= threshold, active, idleHours)
    for (const { rule, count } of this.#baselines.values()) count.add(rule(forecast, active), active, idleHours)
    if (asleep) this.#skill.add(warm, active)
    this.#budget.add(asleep && worthSaying ? probability : undefined, warm, active)
  }

  #target(): number {
    if (!this.#skill.proven) return extraTarget.withoutSkill
    const share = this.#ours.firsts / Math.max(1, this.#ours.active)
    const bursty = Math.max(0, Math.min(1, (share - burstiness.from) / (burstiness.until - burstiness.from)))
    return extraTarget.steady + bursty * (extraTarget.bursty - extraTarget.steady)
  }

  finish(): ArrivalsReport {
    if (this.#hour !== undefined) this.#close(this.#hour)
    return {
      ...this.#ours.scores(),
      firstsAfterIdle: this.#ours.firsts,
      activeHours: this.#ours.active,
      baselines: Object.fromEntries([...this.#baselines].map(([name, { count }]) => [name, count.scores()])),
      keepAlive: this.#keepAlive.scores(),
      curve: this.#curve.map(({ threshold, count }) => ({ threshold, ...count.scores() })),
    }
  }
}

/** Whether hours that were forecast come true more often than any hour of sleep does. */
class Skill {
  #said = 0
  #right = 0
  #asleep = 0
  #woke = 0

  add(said: boolean, active: boolean): void {
    this.#asleep++
    if (active) this.#woke++
    if (!said) return
    this.#said++
    if (active) this.#right++
  }

  get proven(): boolean {
    const usual = this.#woke / Math.max(1, this.#asleep)
    return this.#said >= 10 && this.#right / this.#said >= liftMin.all * usual
  }
}

/** Fixed keep-alives, all at once: each tenant stays warm so long after its last query has ended. */
class KeepAlive {
  readonly #busyUntil = new Map<string, number>()
  readonly #warm = keepAliveSeconds.map(() => 0)
  readonly #extraMs = keepAliveSeconds.map(() => 0)
  #queries = 0
  #busyMs = 0

  add({ tenant, at, queuedMs, durationMs = 0 }: LoggedQuery): void {
    const until = this.#busyUntil.get(tenant)
    const end = at + queuedMs + durationMs
    this.#busyMs += Math.max(0, end - Math.max(at, until ?? at))
    this.#busyUntil.set(tenant, Math.max(end, until ?? end))
    if (until === undefined) return
    this.#queries++
    const gapMs = Math.max(0, at - until)
    for (const [i, seconds] of keepAliveSeconds.entries()) {
      if (gapMs <= seconds * 1000) this.#warm[i] = (this.#warm[i] as number) + 1
      this.#extraMs[i] = (this.#extraMs[i] as number) + Math.min(gapMs, seconds * 1000)
    }
  }

  scores(): readonly KeepAliveScores[] {
    if (this.#queries === 0) return []
    return keepAliveSeconds.map((seconds, i) => ({
      seconds,
      warmShare: rounded((this.#warm[i] as number) / this.#queries),
      extraShare: rounded((this.#extraMs[i] as number) / Math.max(1, this.#busyMs)),
    }))
  }
}
