import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { ForebayError } from '../../model/errors.js'
import { type LoggedActivity, type LoggedQuery, parseLogLine } from '../log-line.js'

/** Lines that could not be used: the first ones by name, and all of them by count. */
export interface BadLines {
  count: number
  readonly first: { readonly line: number; readonly reason: string }[]
}

const badShown = 20

/** The usable lines of a query log, plain or gzip, in its order; lines out of order are bad too. Progress by bytes read. */
export async function* readLog(
  path: string,
  bad: BadLines,
  onProgress: (share: number) => void = () => undefined,
): AsyncGenerator<LoggedQuery | LoggedActivity> {
  const { size, zipped } = await peek(path)
  const file = createReadStream(path)
  let read = 0
  file.on('data', (chunk) => {
    read += chunk.length
    onProgress(Math.min(1, read / Math.max(1, size)))
  })
  // The callback keeps a broken stream from being an unhandled error: the reader below sees it anyway.
  const input = zipped ? pipeline(file, createGunzip(), () => undefined) : file
  let line = 0
  let last = Number.NEGATIVE_INFINITY
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line++
      if (text.trim() === '') continue
      const parsed = parseLogLine(text)
      const fault = parsed.line === 'bad' ? parsed.reason : parsed.at < last ? '`at` is before that of the line above' : undefined
      if (fault !== undefined) {
        bad.count++
        if (bad.first.length < badShown) bad.first.push({ line, reason: fault })
      } else if (parsed.line !== 'bad') {
        last = parsed.at
        yield parsed
      }
    }
  } catch (cause) {
    throw new ForebayError('FILE_UNREADABLE', `query log "${path}" breaks off after line ${line}: ${(cause as Error).message}`, {
      cause,
    })
  }
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
    throw new ForebayError('FILE_UNREADABLE', `query log "${path}" cannot be read: ${(cause as Error).message}`, { cause })
  }
}
