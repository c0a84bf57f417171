import { inBatches } from './file-system.js'
import type { KeyValue } from './key-value.js'

const putsAtOnce = 4

/**
 * Puts that nobody waits for: no query does for the disk. Of one key the last value is put; so no more waits than there are keys, however
 * long the disk hangs. One that fails costs work at the next start and nothing else.
 */
export class PutBehind {
  readonly #keyValue: Pick<KeyValue, 'put'>
  #waiting = new Map<string, unknown>()
  #putting: Promise<void> | undefined

  constructor(keyValue: Pick<KeyValue, 'put'>) {
    this.#keyValue = keyValue
  }

  put(entries: readonly (readonly [key: string, value: unknown])[]): void {
    for (const [key, value] of entries) this.#waiting.set(key, value)
    if (this.#waiting.size > 0) this.#putting ??= this.#putAll()
  }

  /** Resolves when all that was put so far is durable, or could not be. */
  async settled(): Promise<void> {
    await this.#putting
  }

  async #putAll(): Promise<void> {
    while (this.#waiting.size > 0) {
      const entries = [...this.#waiting]
      this.#waiting = new Map()
      await inBatches(entries, putsAtOnce, ([key, value]) => this.#keyValue.put(key, value).catch(() => undefined))
    }
    this.#putting = undefined
  }
}
