import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { ForebayError } from '../../model/errors.js'

/** A file as text, unpacked where it is gzip. `onProgress` is told the share of the file's bytes that was read. */
export async function openText(path: string, onProgress: (share: number) => void): Promise<Readable> {
  const { size, zipped } = await peek(path)
  const file = createReadStream(path)
  let read = 0
  file.on('data', (chunk) => {
    read += chunk.length
    onProgress(Math.min(1, read / Math.max(1, size)))
  })
  // The callback keeps a broken stream from being an unhandled error: the reader sees it anyway.
  return zipped ? pipeline(file, createGunzip(), () => undefined) : file
}

async function peek(path: string): Promise<{ size: number; zipped: boolean }> {
  try {
    const file = await open(path)
    try {
      const head = new Uint8Array(2)
      await file.read(head, 0, 2, 0)
      return { size: (await file.stat()).size, zipped: head[0] === 0x1f && head[1] === 0x8b }
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw new ForebayError('FILE_UNREADABLE', `query log "${path}" cannot be read: ${(cause as Error).message}`, {
      hint: 'name a file that this user can read',
      cause,
    })
  }
}
