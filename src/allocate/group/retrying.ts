import type { Clock } from '../../model/clock.js'
import { ForebayError } from '../../model/errors.js'
import { underEither } from '../../model/under-either.js'
import { GroupError, type MachineGroup } from './machine-group.js'

export interface RetryOptions {
  readonly clock: Pick<Clock, 'sleep'>
  /** 0–1, for the jitter. */
  readonly random: () => number
  readonly attemptsMax: number
  readonly firstDelayMs: number
  readonly delayMsMax: number
  /** A call without an answer counts as failed after so long. */
  readonly callMsMax: number
}

export const defaultRetries = { attemptsMax: 7, firstDelayMs: 200, delayMsMax: 20_000, callMsMax: 15_000 }

/**
 * Makes a call until it succeeds, is refused for good or was tried often enough; waits longer each time, half of it by chance ("equal
 * jitter"), and as long as the cloud asks for. Rejects with a ForebayError that names the group.
 */
export async function retrying<T>(
  group: Pick<MachineGroup, 'name'>,
  call: (signal: AbortSignal) => Promise<T>,
  options: RetryOptions,
  signal: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted()
    try {
      return await underEither([signal, AbortSignal.timeout(options.callMsMax)], call)
    } catch (error) {
      signal.throwIfAborted()
      const fault = error instanceof GroupError ? error.fault : 'transient'
      const again = (fault === 'throttled' || fault === 'transient') && attempt < options.attemptsMax
      if (!again) throw asForebayError(group.name, error, attempt)
      const backOff = Math.min(options.delayMsMax, options.firstDelayMs * 2 ** (attempt - 1))
      const asked = error instanceof GroupError ? (error.retryAfterMs ?? 0) : 0
      await options.clock.sleep(Math.max(asked, (backOff / 2) * (1 + options.random())), signal)
    }
  }
}

/** What needs a person is CONFIGURATION_INVALID, what may pass is UNAVAILABLE. */
function asForebayError(name: string, error: unknown, attempts: number): ForebayError {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof GroupError && error.fault !== 'throttled' && error.fault !== 'transient') {
    const hint = error.hint === undefined ? {} : { hint: error.hint }
    return new ForebayError('CONFIGURATION_INVALID', `${name}: ${message}`, hint)
  }
  const times = attempts === 1 ? '' : ` after ${attempts} attempts`
  return new ForebayError('UNAVAILABLE', `${name}: ${message}${times}`)
}
