import { type DeadLetter, type DeadLetters, deadLettersMax } from '../dead-letters.js'
import { Journal } from './journal.js'

/** Dead letters in a file, which is made when the first one comes or somebody looks. */
export class JournalDeadLetters implements DeadLetters {
  readonly #path: string
  #journal: Promise<Journal> | undefined

  constructor(path: string) {
    this.#path = path
  }

  async add(letter: DeadLetter): Promise<void> {
    const journal = await this.#open()
    await journal.done(letter.id)
    await journal.put(letter.id, letter)
    const oldest = [...journal.entries().keys()].slice(0, Math.max(0, journal.entries().size - deadLettersMax))
    for (const id of oldest) await journal.done(id)
  }

  async list(): Promise<readonly DeadLetter[]> {
    return [...(await this.#open()).entries().values()] as readonly DeadLetter[]
  }

  async remove(id: string): Promise<boolean> {
    const journal = await this.#open()
    if (!journal.entries().has(id)) return false
    await journal.done(id)
    return true
  }

  async close(): Promise<void> {
    await (await this.#journal)?.close()
  }

  #open(): Promise<Journal> {
    this.#journal ??= Journal.open(this.#path).catch((error: unknown) => {
      this.#journal = undefined
      throw error
    })
    return this.#journal
  }
}
