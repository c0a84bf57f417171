const clockShifts = [-1, 0, 1]
/** Half of the evidence is from the last day and a half. */
const clockDecay = 0.5 ** (1 / 36)
/** A job of one hour a day that has moved misfits by two hours a day. */
const clockMarginMin = 1

/**
 * How far a tenant's clock has moved against its habits: a log in UTC of people who follow a clock with daylight saving, or of a
 * job that was put an hour later. The shift at which the last days fit the habits best, if they do so clearly better than as is.
 */
export class ClockShift {
  readonly #misfit = clockShifts.map(() => 0)
  shift = 0

  /** An hour passed; `habit` is how often it is active at the hour moved by a shift. */
  add(active: boolean, habit: (shift: number) => number): void {
    for (const [i, shift] of clockShifts.entries()) {
      const error = (active ? 1 : 0) - habit(shift)
      this.#misfit[i] = clockDecay * (this.#misfit[i] as number) + error * error
    }
    const best = this.#misfit.indexOf(Math.min(...this.#misfit))
    const asIs = this.#misfit[clockShifts.indexOf(0)] as number
    this.shift = asIs - (this.#misfit[best] as number) > clockMarginMin ? (clockShifts[best] as number) : 0
  }
}
