import { type FileHandle, open } from 'node:fs/promises'
import { type Transport, TransportError } from './event-sender.js'

/** Appends each event as one line of JSON. */
export class FileTransport implements Transport {
  readonly #path: string
  #file: FileHandle | undefined
  /** Whether the last line may have been written in part. */
  #torn = false

  constructor(path: string) {
    this.#path = path
  }

  async send(event: string): Promise<void> {
    try {
      this.#file ??= await open(this.#path, 'a')
      await this.#file.appendFile(`${this.#torn ? '\n' : ''}${event}\n`)
      this.#torn = false
    } catch (error) {
      this.#torn = this.#file !== undefined
      throw new TransportError(`OpenLineage events cannot be written to ${this.#path}: ${(error as Error).message}`, true, error)
    }
  }

  async close(): Promise<void> {
    await this.#file?.close()
  }
}
