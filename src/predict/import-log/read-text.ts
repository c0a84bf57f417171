import { open } from 'node:fs/promises'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { ForebayError } from '../../model/errors.js'

/**
 * A file or a pipe as text, unpacked where it is gzip: what a pipe has given once does not come again, so nothing is read twice.
 * `onProgress` is told the share of the file's bytes that was read.
 */
export async function openText(path: string, onProgress: (share: number) => void): Promise<Readable> {
  const chunks = chunksOf(path, onProgress)
  const first = await chunks.next().catch((cause: Error) => {
    throw new ForebayError('FILE_UNREADABLE', `query log "${path}" cannot be read: ${cause.message}`, {
      hint: 'name a file that this user can read',
      cause,
    })
  })
  if (first.done === true) return Readable.from([])
  const whole = async function* (): AsyncGenerator<Buffer> {
    yield first.value
    yield* chunks
  }
  const file = Readable.from(whole(), { objectMode: false })
  const zipped = first.value[0] === 0x1f && first.value[1] === 0x8b
  // The callback keeps a broken stream from being an unhandled error: the reader sees it anyway.
  return zipped ? pipeline(file, createGunzip(), () => undefined) : file
}

async function* chunksOf(path: string, onProgress: (share: number) => void): AsyncGenerator<Buffer, void> {
  const file = await open(path)
  const { size } = await file.stat()
  let read = 0
  for await (const chunk of file.createReadStream()) {
    read += (chunk as Buffer).length
    onProgress(Math.min(1, read / Math.max(1, size)))
    yield chunk as Buffer
  }
}
