/**
 * Answers of `POST /v1/queries`, kept as files until they are fetched or grow old. A file appears under its final name only
 * when it is whole, so that an answer of a server that was killed is never served half.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { ForebayError } from '../../model/errors.js'
import { type ResultFormat, resultFormats } from '../../model/query.js'
import { publishDurably } from '../../model/whole-file.js'

export interface ResultStoreOptions {
  readonly folder: string
  /** All files together; the oldest go first. */
  readonly bytesMax: number
  /** One answer. */
  readonly resultBytesMax: number
}

export interface KeptResult {
  readonly queryId: string
  readonly format: ResultFormat
  readonly bytes: number
}

export class ResultStore {
  readonly #options: ResultStoreOptions
  /** By query, oldest first. */
  readonly #kept = new Map<string, KeptResult>()
  #bytes = 0

  constructor(options: ResultStoreOptions) {
    this.#options = options
  }

  /** Finds what earlier runs kept, and removes what they left half. */
  async open(): Promise<void> {
    const found: { readonly kept: KeptResult; readonly at: number }[] = []
    for (const name of await readdir(this.#options.folder)) {
      const [queryId = '', extension = ''] = name.split('.')
      const format = resultFormats.find((known) => known === extension)
      const file = join(this.#options.folder, name)
      if (format === undefined || name !== `${queryId}.${format}`) {
        await rm(file, { force: true, recursive: true })
        continue
      }
      const { size, mtimeMs } = await stat(file)
      found.push({ kept: { queryId, format, bytes: size }, at: mtimeMs })
    }
    for (const { kept } of found.sort((a, b) => a.at - b.at)) this.#remember(kept)
  }

  find(queryId: string): KeptResult | undefined {
    return this.#kept.get(queryId)
  }

  /** Writes an answer as it comes. RESULT_TOO_LARGE and DISK_EXCEEDED end it; nothing is left then. */
  async keep(queryId: string, format: ResultFormat, body: AsyncIterable<Uint8Array>): Promise<KeptResult> {
    const final = this.#file(queryId, format)
    const temporary = `${final}.tmp`
    let bytes = 0
    const limit = Math.min(this.#options.resultBytesMax, this.#options.bytesMax)
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of body) {
        bytes += chunk.byteLength
        if (bytes > limit) {
          throw new ForebayError('RESULT_TOO_LARGE', `the answer has more than ${limit} bytes, which is the most that is kept`, {
            hint: 'stream it with POST /v1/query, or raise limits.resultBytes in the configuration',
          })
        }
        yield chunk
      }
    }
    try {
      await pipeline(counted(), createWriteStream(temporary))
      await publishDurably(temporary, final)
    } catch (error) {
      await rm(temporary, { force: true })
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
        throw new ForebayError('DISK_EXCEEDED', 'no space on the disk to keep the answer', { cause: error })
      }
      throw error
    }
    const kept = { queryId, format, bytes }
    this.#remember(kept)
    await this.#evict()
    return kept
  }

  read(kept: KeptResult): AsyncIterable<Uint8Array> {
    return createReadStream(this.#file(kept.queryId, kept.format))
  }

  async drop(queryId: string): Promise<void> {
    const kept = this.#kept.get(queryId)
    if (kept === undefined) return
    this.#kept.delete(queryId)
    this.#bytes -= kept.bytes
    await rm(this.#file(queryId, kept.format), { force: true })
  }

  #file(queryId: string, format: ResultFormat): string {
    return join(this.#options.folder, `${queryId}.${format}`)
  }

  #remember(kept: KeptResult): void {
    this.#kept.set(kept.queryId, kept)
    this.#bytes += kept.bytes
  }

  async #evict(): Promise<void> {
    for (const queryId of this.#kept.keys()) {
      if (this.#bytes <= this.#options.bytesMax) return
      await this.drop(queryId)
    }
  }
}
