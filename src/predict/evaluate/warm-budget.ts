const places = 100
/** What an hour weighs after the next one: half after four weeks. */
const hourlyDecay = 0.5 ** (1 / 672)
const thresholdFirst = 0.35
/** A threshold that swung with the hours of the day would be high when it is worth warming, and low at night. */
const stepMax = 0.01
const thresholdMin = 0.05
const thresholdMax = 0.95
/** What was spent too much or too little is made up for within these shares of the target. */
const paceMin = 0.5
const paceMax = 1.5

/**
 * Down to which probability warming may go, so that the extra warm hours come to a target share of active ones. What each
 * threshold would have cost in the last weeks is known, so one is taken that would have met the target, and it hardly moves. Steering
 * by every hour's spending instead cost 0.1 to 0.2 points more extra hours on seeded fleets for the same first queries found warm.
 */
export class WarmBudget {
  /** Decayed hours of sleep without a query, by the probability that they were given. */
  readonly #idle = new Float64Array(places)
  #activeLately = 0
  #active = 0
  #spent = 0
  threshold = thresholdFirst

  /** A tenant's hour: the probability if it could have been warmed by it, whether it was, and whether there was a query. */
  add(probability: number | undefined, warm: boolean, active: boolean): void {
    if (active) {
      this.#active++
      this.#activeLately++
      return
    }
    if (warm) this.#spent++
    if (probability === undefined) return
    const place = Math.min(places - 1, Math.floor(probability * places))
    this.#idle[place] = (this.#idle[place] as number) + 1
  }

  /** The hour is over for all tenants. */
  close(target: number): void {
    const wanted = this.#lowest(this.#allowed(target))
    this.threshold += Math.max(-stepMax, Math.min(stepMax, wanted - this.threshold))
    for (let i = 0; i < places; i++) this.#idle[i] = (this.#idle[i] as number) * hourlyDecay
    this.#activeLately *= hourlyDecay
  }

  #allowed(target: number): number {
    const usual = target * this.#activeLately
    const owed = target * this.#active - this.#spent
    return Math.max(paceMin * usual, Math.min(paceMax * usual, usual + owed))
  }

  #lowest(allowed: number): number {
    let left = allowed
    for (let place = places - 1; place >= thresholdMin * places; place--) {
      const idle = this.#idle[place] as number
      if (idle > left) return Math.min(thresholdMax, (place + 1 - left / idle) / places)
      left -= idle
    }
    return thresholdMin
  }
}
