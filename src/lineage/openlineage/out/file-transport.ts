import { open } from 'node:fs/promises'
import { type Transport, TransportError } from './event-sender.js'

/** Appends each event as one line of JSON. The file is opened for each: whoever rotates it by renaming gets a new one. */
export class FileTransport implements Transport {
  readonly #path: string
  /** Whether the last line may have been written in part. */
  #torn = false

  constructor(path: string) {
    this.#path = path
  }

  async send(event: string): Promise<void> {
    try {
      await this.#append(`${this.#torn ? '\n' : ''}${event}\n`)
    } catch (error) {
      throw new TransportError(`OpenLineage events cannot be written to ${this.#path}: ${(error as Error).message}`, true, error)
    }
  }

  async close(): Promise<void> {}

  async #append(text: string): Promise<void> {
    const file = await open(this.#path, 'a')
    try {
      this.#torn = true
      await file.appendFile(text)
      this.#torn = false
    } finally {
      await file.close()
    }
  }
}
