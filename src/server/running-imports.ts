import { ForebayError } from '../model/errors.js'
import { underEither } from '../model/under-either.js'

const lookMs = 20

/** Files that are being taken in. A stop waits for them as it waits for queries: an import is a write that somebody waits for. */
export class RunningImports {
  readonly #cutOff = new AbortController()
  #running = 0

  /** Runs an import; its signal is aborted with the reason of `signal`, or with UNAVAILABLE when a stop waits no longer. */
  async run<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    this.#running += 1
    try {
      return await underEither([signal, this.#cutOff.signal], work)
    } finally {
      this.#running -= 1
    }
  }

  /** Waits until no file is being taken in, or until `signal`; then cuts off the rest. */
  async drain(signal: AbortSignal): Promise<void> {
    const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, lookMs))
    while (this.#running > 0 && !signal.aborted) await wait()
    this.#cutOff.abort(
      new ForebayError('UNAVAILABLE', 'the server stops: nothing of the file was imported', {
        hint: 'import it again when the server is back',
      }),
    )
  }
}
