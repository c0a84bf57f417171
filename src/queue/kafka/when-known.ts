import { systemClock } from '../../model/clock.js'

const triesMax = 100
const everyMs = 100

/** Asks about topics until the broker knows them: one that was made just now is unknown, or has no leader, for a moment. */
export async function whenKnown<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      if (tries >= triesMax || !passes(error as Failure)) throw error
      await systemClock.sleep(everyMs)
    }
  }
}

interface Failure {
  readonly retriable?: boolean
  readonly cause?: Failure
}

/** The client calls its own last try final, and has the reason for it as the cause. */
const passes = ({ retriable, cause }: Failure): boolean => retriable === true || cause?.retriable === true
