import { setImmediate } from 'node:timers/promises'
import type { Forecast } from '../../model/forecast.js'
import type { Arrival } from '../prediction.js'
import { Habits, type HabitsSnapshot } from './habits.js'
import { LocalTime } from './local-time.js'
import { Sessions, type SessionsSnapshot } from './sessions.js'
import { Triggers, type TriggersSnapshot } from './triggers.js'

export interface ArrivalsSnapshot {
  readonly habits: HabitsSnapshot
  readonly triggers: TriggersSnapshot
  readonly sessions: SessionsSnapshot
}

/** So long habits are looked for at once, where others wait. */
const sliceMs = 5

/**
 * When queries come: habits by time of day and week, what follows a write, and what follows within a session. All of them are
 * silent unless the past says more than chance would, so that on random arrivals there is nothing to act on.
 */
export class Arrivals {
  readonly #habits = new Habits(new LocalTime())
  readonly #textOf = this.#habits.text.bind(this.#habits)
  readonly #triggers = new Triggers(this.#textOf)
  readonly #sessions = new Sessions(this.#textOf)

  /** One query came in. */
  observe(arrival: Arrival): void {
    this.#habits.observe(arrival)
    this.#triggers.observe(arrival)
    this.#sessions.observe(arrival)
  }

  /** A dataset got a new snapshot: what usually follows is due. */
  written(dataset: string, at: number): void {
    this.#triggers.written(dataset, at)
  }

  /** What is expected within `horizonMs` from `now`, soonest first. Empty when there is nothing to say. */
  forecast(now: number, horizonMs: number): readonly Forecast[] {
    const all = [
      ...this.#triggers.forecast(now, horizonMs).filter((forecast) => this.#saysMoreThanHabit(forecast, now)),
      ...this.#habits.forecast(now, horizonMs),
      ...this.#sessions.forecast(now, horizonMs),
    ]
    return all.filter((forecast) => forecast.sql !== '').sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
  }

  /** As `forecast`, but gives way to the event loop: when a day begins, thousands of habits take seconds to be found. */
  async expect(now: number, horizonMs: number): Promise<readonly Forecast[]> {
    let sliceEnd = performance.now() + sliceMs
    for (const _ of this.#habits.find(now)) {
      if (performance.now() < sliceEnd) continue
      await setImmediate()
      sliceEnd = performance.now() + sliceMs
    }
    return this.forecast(now, horizonMs)
  }

  /**
   * Where a dashboard opens at half past eight and its data is loaded every night, it also "follows the load after five hours",
   * on weekends too. The narrower of two explanations is the one that is believed.
   */
  #saysMoreThanHabit(trigger: Forecast, now: number): boolean {
    return trigger.until - trigger.from < this.#habits.narrowestMs(trigger.tenant, trigger.template, now)
  }

  snapshot(): ArrivalsSnapshot {
    return { habits: this.#habits.snapshot(), triggers: this.#triggers.snapshot(), sessions: this.#sessions.snapshot() }
  }

  restore(snapshot: ArrivalsSnapshot): void {
    this.#habits.restore(snapshot.habits)
    this.#triggers.restore(snapshot.triggers)
    this.#sessions.restore(snapshot.sessions)
  }
}
