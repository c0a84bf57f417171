import { type FileHandle, open } from 'node:fs/promises'
import { type Transport, TransportError } from './event-sender.js'

/** Appends each event as one line of JSON. */
export class FileTransport implements Transport {
  readonly #path: string
  #file: FileHandle | undefined

  constructor(path: string) {
    this.#path = path
  }

  async send(event: object): Promise<void> {
    try {
      this.#file ??= await open(this.#path, 'a')
      await this.#file.appendFile(`${JSON.stringify(event)}\n`)
    } catch (error) {
      throw new TransportError(`OpenLineage events cannot be written to ${this.#path}: ${(error as Error).message}`, true, error)
    }
  }

  async close(): Promise<void> {
    await this.#file?.close()
  }
}
