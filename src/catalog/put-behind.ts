import { inBatches } from './file-system.js'
import type { KeyValue } from './key-value.js'

const putsAtOnce = 4

/** Puts in their order that nobody waits for: no query does for the disk. One that fails costs work at the next start and nothing else. */
export class PutBehind {
  readonly #keyValue: Pick<KeyValue, 'put'>
  #last: Promise<unknown> = Promise.resolve()

  constructor(keyValue: Pick<KeyValue, 'put'>) {
    this.#keyValue = keyValue
  }

  put(entries: readonly (readonly [key: string, value: unknown])[]): void {
    if (entries.length === 0) return
    const putOne = ([key, value]: readonly [string, unknown]): Promise<void> =>
      this.#keyValue.put(key, value).catch(() => undefined)
    this.#last = this.#last.then(() => inBatches(entries, putsAtOnce, putOne))
  }

  /** Resolves when all that was put so far is durable, or could not be. */
  async settled(): Promise<void> {
    await this.#last
  }
}
