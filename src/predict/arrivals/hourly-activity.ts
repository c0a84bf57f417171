/**
 * Will a tenant be active in the next hour? A pooled logistic regression over what its past says of that hour: decayed
 * frequencies by hour of day and by hour of week, the same hours around it, yesterday and last week, how long it has slept. The
 * plain rule max(hour of day, hour of week) ≥ 0.2 is one of its regressors, so it starts from there and learns how far to trust
 * each part. The log says no time zone, so a clock that moves against UTC is found by how the last days fit the habits. Learned online, for all tenants together: what makes an hour likely is alike for all, when is not.
 */
import { ClockShift } from './clock-shift.js'
import { OnlineOdds } from './online-odds.js'

const hoursPerWeek = 168
/** Weight that a frequency loses in an hour: half-life 7 days. */
const hourlyDecay = 0.5 ** (1 / hoursPerWeek)
const rememberHours = 2 * hoursPerWeek + 2

/** One tenant's past by hours. */
class TenantHours {
  /** Decayed active and known hours, by hour of day and by hour of week. */
  readonly #dayHits = new Float64Array(24)
  readonly #dayKnown = new Float64Array(24)
  readonly #weekHits = new Float64Array(hoursPerWeek)
  readonly #weekKnown = new Float64Array(hoursPerWeek)
  /** The same by hour of day on working days and on weekends, and by how long it has slept. */
  readonly #kindHits = new Float64Array(48)
  readonly #kindKnown = new Float64Array(48)
  readonly #wakeHits = new Float64Array(sleepMax)
  readonly #wakeKnown = new Float64Array(sleepMax)
  /** By hour of day of its kind, of the last few occurrences: what began or stopped. */
  readonly #lateHits = new Float64Array(48)
  readonly #lateKnown = new Float64Array(48)
  readonly #clock = new ClockShift()
  /** Active hours of today beyond what its hours usually have: a day off or a long day. */
  #surprise = 0
  readonly #active: number[] = []
  #lastActive: number | undefined
  #rate = 0
  /** Active hours of the last two days, less those of the two days a week before: what stopped, or began. */
  #trend = 0
  #asleepRate = 0
  /** The hour that `#x` describes: what is expected and then observed is described once. */
  #described: number | undefined
  readonly #x = new Float64Array(featureCount)
  known = 0

  /** How often it is active in an hour after two of sleep, whatever the hour. */
  get asleepRate(): number {
    return this.#asleepRate
  }

  /** Hours asleep before `hour`. */
  idle(hour: number): number {
    return this.#lastActive === undefined ? rememberHours : hour - this.#lastActive - 1
  }

  add(hour: number, active: boolean): void {
    const day = hour % 24
    const week = hour % hoursPerWeek
    this.#surprise = surpriseDecay * this.#surprise + (active ? 1 : 0) - this.hourOfKind(hour)
    this.#clock.add(active, (shift) => this.hourOfKind(hour + shift))
    step(this.#lateHits, this.#lateKnown, kindOf(hour), lateDecay, active)
    step(this.#dayHits, this.#dayKnown, day, hourlyDecay ** 24, active)
    step(this.#weekHits, this.#weekKnown, week, hourlyDecay ** hoursPerWeek, active)
    step(this.#kindHits, this.#kindKnown, kindOf(hour), hourlyDecay ** 48, active)
    const idle = Math.min(sleepMax - 1, this.idle(hour))
    step(this.#wakeHits, this.#wakeKnown, idle, wakeDecay, active)
    if (idle >= 2) this.#asleepRate += 0.01 * ((active ? 1 : 0) - this.#asleepRate)
    this.#active.push(active ? 1 : 0)
    this.#trend += this.#ago(1) - this.#ago(49) - this.#ago(1 + hoursPerWeek) + this.#ago(49 + hoursPerWeek)
    if (this.#active.length > rememberHours) this.#active.shift()
    if (active) this.#lastActive = hour
    this.#described = undefined
    this.#rate += 0.02 * ((active ? 1 : 0) - this.#rate)
    this.known++
  }

  hourOfDay(hour: number): number {
    return share(this.#dayHits, this.#dayKnown, ((hour % 24) + 24) % 24)
  }

  hourOfWeek(hour: number): number {
    return share(this.#weekHits, this.#weekKnown, ((hour % hoursPerWeek) + hoursPerWeek) % hoursPerWeek)
  }

  /** 1 when it was active `ago` hours before the hour that comes. */
  #ago(ago: number): number {
    return this.#active[this.#active.length - ago] ?? 0
  }

  hourOfKind(hour: number): number {
    return share(this.#kindHits, this.#kindKnown, kindOf(hour))
  }

  /** How often it woke after just so long a sleep: what runs every six hours does. */
  waking(hour: number): number {
    return share(this.#wakeHits, this.#wakeKnown, Math.min(sleepMax - 1, this.idle(hour)))
  }

  /** The plain rule's number. */
  rule(hour: number): number {
    return Math.max(this.hourOfDay(hour), this.hourOfWeek(hour))
  }

  /** Regressors of the hour that comes. Good until the next call. */
  features(hour: number): Float64Array {
    if (this.#described !== hour) this.#describe(hour)
    return this.#x
  }

  #describe(hour: number): void {
    this.#described = hour
    const day = this.hourOfDay(hour)
    const week = this.hourOfWeek(hour)
    const idle = this.idle(hour)
    const kind = this.hourOfKind(hour)
    const waking = this.waking(hour)
    const beforeWeek = (this.hourOfWeek(hour - 1) + this.hourOfWeek(hour + 1)) / 2
    const beforeDay = (this.hourOfDay(hour - 1) + this.hourOfDay(hour + 1)) / 2
    const shifted = hour + this.#clock.shift
    const aligned = Math.max(this.hourOfKind(shifted), this.hourOfWeek(shifted))
    const late = share(this.#lateHits, this.#lateKnown, kindOf(hour))
    const likely = Math.max(kind, week, waking)
    const yesterday = this.#ago(24)
    const lastWeek = this.#ago(168)
    this.#x.set([
      1,
      day,
      week,
      Math.max(day, week),
      day * week,
      Math.sqrt(day * week),
      beforeWeek,
      beforeDay,
      yesterday,
      lastWeek,
      yesterday * lastWeek,
      this.#ago(336),
      (this.#ago(23) + this.#ago(25)) / 2,
      (this.#ago(167) + this.#ago(169)) / 2,
      this.#ago(48),
      this.#rate,
      Math.log1p(Math.min(idle, 400)) / 3,
      idle >= 2 ? 1 : 0,
      this.hourOfDay(hour - 1) > 0.5 && this.#ago(1) === 0 ? 1 : 0,
      week * (this.known > hoursPerWeek * 2 ? 1 : 0),
      lastWeek * week,
      Math.log1p(Math.min(this.known, 2000)) / 4,
      kind,
      waking,
      likely,
      kind * week,
      waking * Math.max(day, week),
      (this.hourOfKind(hour - 1) + this.hourOfKind(hour + 1)) / 2,
      this.#trend / 12,
      (this.#trend * Math.max(kind, week)) / 12,
      this.#asleepRate,
      Math.sqrt(kind * week),
      Math.max(kind, week) > 0.5 ? 1 : 0,
      waking > 0.5 ? 1 : 0,
      aligned,
      this.#clock.shift === 0 ? 0 : aligned - Math.max(kind, week),
      late,
      late * likely,
      this.#surprise,
      this.#surprise * likely,
      logOdds(kind),
      logOdds(week),
      logOdds(waking),
    ])
  }
}
const featureCount = 43
const awakeWeight = 0.05

/** What an occurrence of an hour weighs after the next one, and a surprise after the next hour. */
const lateDecay = 0.5
const surpriseDecay = 0.85

function logOdds(probability: number): number {
  return Math.log((probability + 0.02) / (1.02 - probability)) / 4
}

/** Hours of sleep that are told apart, and what an observation of one weighs after the next. */
const sleepMax = 60
const wakeDecay = 0.93

/** Hour of day, on a working day or on a weekend; 1970-01-01 was a Thursday. */
function kindOf(hour: number): number {
  const weekday = Math.floor((((hour % hoursPerWeek) + hoursPerWeek) % hoursPerWeek) / 24)
  return (((hour % 24) + 24) % 24) + (weekday === 2 || weekday === 3 ? 24 : 0)
}

function step(hits: Float64Array, known: Float64Array, place: number, decay: number, active: boolean): void {
  hits[place] = (hits[place] as number) * decay + (active ? 1 : 0)
  known[place] = (known[place] as number) * decay + 1
}

function share(hits: Float64Array, known: Float64Array, place: number): number {
  return (known[place] as number) === 0 ? 0 : (hits[place] as number) / ((known[place] as number) + 0.3)
}

/** What is expected of one tenant's next hour. */
export interface HourForecast {
  readonly probability: number
  /** How often this tenant wakes in an hour of sleep, whatever the hour: what a forecast must beat. */
  readonly baseRate: number
  /** The plain rule's number, for comparison. */
  readonly rule: number
  /** Whole hours without a query before it. */
  readonly idleHours: number
  readonly activeYesterday: boolean
  readonly activeLastWeek: boolean
}

export class HourlyActivity {
  readonly #tenants = new Map<string, TenantHours>()
  readonly #odds: OnlineOdds

  constructor() {
    // Starts as the plain rule: even odds at 0.35.
    const first = new Float64Array(featureCount)
    first[0] = -2.2
    first[3] = 5
    this.#odds = new OnlineOdds(first)
  }

  expect(tenant: string, hour: number): HourForecast {
    const past = this.#pastOf(tenant)
    const x = past.features(hour)
    return {
      probability: this.#odds.probability(x),
      baseRate: past.asleepRate,
      rule: past.rule(hour),
      idleHours: past.idle(hour),
      activeYesterday: (x[8] as number) === 1,
      activeLastWeek: (x[9] as number) === 1,
    }
  }

  /** The hour is over: whether there was a query. Every hour of a tenant is to be told, in order. */
  observe(tenant: string, hour: number, active: boolean): void {
    const past = this.#pastOf(tenant)
    // Hours in the middle of activity teach less: the question is when sleep ends.
    if (past.known >= 24) this.#odds.learn(past.features(hour), active, past.idle(hour) >= 2 ? 1 : awakeWeight)
    past.add(hour, active)
  }

  #pastOf(tenant: string): TenantHours {
    const found = this.#tenants.get(tenant) ?? new TenantHours()
    this.#tenants.set(tenant, found)
    return found
  }
}
