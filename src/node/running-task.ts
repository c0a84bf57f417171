import { ForebayError } from '../model/errors.js'
import type { TaskMessage } from '../model/messages.js'
import type { Session } from './session.js'

/** What happens when a statement does not stop although it was asked to. */
export interface StopLimits {
  /** Time from the first interrupt to `onStuck`. */
  readonly stuckAfterMs: number
  readonly interruptEveryMs: number
}

const stopLimits: StopLimits = { stuckAfterMs: 800, interruptEveryMs: 40 }
/** The checkpoint at the end of a pack listens to no interrupt, but it ends; the coordinator has the last word on how long. */
const packStopLimits: StopLimits = { ...stopLimits, stuckAfterMs: 60_000 }

/**
 * A task's way of being stopped: by cancel, by its deadline, or by the memory watch. The first reason wins. `interrupt()` only
 * reaches a statement that runs at that moment, and some statements never look, so it is repeated, and then `onStuck` is called.
 */
export class RunningTask {
  readonly message: TaskMessage
  readonly startedAt = performance.now()
  readonly #abort = new AbortController()
  readonly #limits: StopLimits
  readonly #onStuck: () => void
  readonly #deadline: NodeJS.Timeout
  #session: Session | undefined
  #timers: NodeJS.Timeout[] = []
  #reason: ForebayError | undefined
  #over = false

  constructor(message: TaskMessage, onStuck: () => void, limits = message.output.to === 'pack' ? packStopLimits : stopLimits) {
    this.message = message
    this.#onStuck = onStuck
    this.#limits = limits
    const leftMs = Math.min(Math.max(0, message.deadlineAt - Date.now()), 2_147_483_647)
    this.#deadline = setTimeout(() => this.stop(new ForebayError('DEADLINE_EXCEEDED', 'the deadline has passed')), leftMs)
  }

  /** Aborted with the reason when the task must stop. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Why the task must stop, if it must. */
  get reason(): ForebayError | undefined {
    return this.#reason
  }

  /** Connection whose statement a stop interrupts. */
  use(session: Session | undefined): void {
    this.#session = session
  }

  throwIfStopped(): void {
    if (this.#reason !== undefined) throw this.#reason
  }

  /** Makes the task end with this error soon. */
  stop(reason: ForebayError): void {
    if (this.#over || this.#reason !== undefined) return
    this.#reason = reason
    this.#abort.abort(reason)
    this.#session?.interrupt()
    this.#timers = [
      setInterval(() => this.#session?.interrupt(), this.#limits.interruptEveryMs),
      setTimeout(() => this.#onStuck(), this.#limits.stuckAfterMs),
    ]
  }

  /** The task is back: no timer of it remains, and there is nothing to stop any more. */
  end(): void {
    this.#over = true
    clearTimeout(this.#deadline)
    for (const timer of this.#timers) clearTimeout(timer)
    this.#session = undefined
  }
}
