/**
 * Where the time of a habit has stepped. A habit whose time varies by half an hour and moves by one still falls into its old window
 * now and then, and one wide window holds the old times and the new: it is never missed, but where nine of ten of all its meetings
 * fell is not where the next will. So the times since the step say when it comes, and all of them how early and late.
 *
 * A step is believed where the means before and after are so far apart that times without a step would not be (the bound on the
 * normal tail, times the number of places that were looked at), and the times after it vary no more than the habit does.
 */
export interface Meeting {
  readonly day: number
  /** Minutes after the usual time of the habit. */
  readonly offset: number
}

export interface TimeStep {
  readonly after: readonly Meeting[]
  /** By how many minutes later it comes. */
  readonly shift: number
  /** Where nine of ten fall around that. */
  readonly early: number
  readonly late: number
}

/** So many meetings before a step, and after it, tell of one. */
const meetingsMin = 3
/** A habit varies by so many minutes at least. */
const variesMin = 2
const chanceMax = 0.02

/** The last step of meetings in the order of time; undefined where there was none. */
export function lastStep(meetings: readonly Meeting[]): TimeStep | undefined {
  let after = meetings
  const around: number[] = []
  for (let place = stepPlace(after); place > 0; place = stepPlace(after)) {
    around.push(...centred(after.slice(0, place)))
    after = after.slice(place)
  }
  if (around.length === 0) return undefined
  around.push(...centred(after))
  around.sort((a, b) => a - b)
  // The new time is known by a few meetings alone.
  const unsure = Math.sqrt(1 + 1 / after.length)
  const at = (p: number): number => unsure * (around[Math.min(around.length - 1, Math.floor(p * around.length))] as number)
  return { after, shift: meanOf(after), early: at(0.05), late: at(0.95) }
}

/** Place of the first meeting after the clearest step; 0 where there is none. */
function stepPlace(meetings: readonly Meeting[]): number {
  const places = meetings.length - 2 * meetingsMin + 1
  let clearest = Math.sqrt(2 * Math.log(places / chanceMax))
  let found = 0
  const before = new Spread()
  const after = new Spread()
  for (const { offset } of meetings) after.add(offset)
  for (const [place, { offset }] of meetings.entries()) {
    if (before.count >= meetingsMin && after.count >= meetingsMin) {
      const clear = clearness(before, after)
      if (clear > clearest && after.deviation <= 2 * before.deviation) [clearest, found] = [clear, place]
    }
    before.add(offset)
    after.remove(offset)
  }
  return found
}

/** How many standard errors the means are apart. */
function clearness(before: Spread, after: Spread): number {
  const count = before.count + after.count
  const varies = Math.sqrt((before.count * before.deviation ** 2 + after.count * after.deviation ** 2) / count)
  return Math.abs(after.mean - before.mean) / (varies * Math.sqrt(1 / before.count + 1 / after.count))
}

class Spread {
  count = 0
  #sum = 0
  #squares = 0

  get mean(): number {
    return this.#sum / this.count
  }

  get deviation(): number {
    return Math.max(variesMin, Math.sqrt(Math.max(0, (this.#squares - this.count * this.mean ** 2) / (this.count - 1))))
  }

  add(value: number): void {
    this.count++
    this.#sum += value
    this.#squares += value * value
  }

  remove(value: number): void {
    this.count--
    this.#sum -= value
    this.#squares -= value * value
  }
}

function meanOf(meetings: readonly Meeting[]): number {
  return meetings.reduce((sum, { offset }) => sum + offset, 0) / meetings.length
}

function centred(meetings: readonly Meeting[]): readonly number[] {
  const mean = meanOf(meetings)
  return meetings.map(({ offset }) => offset - mean)
}
