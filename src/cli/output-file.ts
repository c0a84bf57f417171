import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { rename, rm, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ForebayError } from '../model/errors.js'
import { unwritable } from './exit-code.js'

/**
 * Writes what is asked for into the file of `--output`, which appears when it is whole and `check` let it pass; pipes and devices
 * take it as it comes. Nothing is asked for when there is no place for it.
 */
export async function writeOutput(
  path: string,
  ask: () => Promise<Readable>,
  check: (file: string) => Promise<void> = async () => {},
): Promise<void> {
  const existing = await stat(path).catch(() => undefined)
  const plain = existing === undefined || existing.isFile()
  const target = plain ? `${path}.part` : path
  const stream = createWriteStream(target)
  await once(stream, 'open').catch((error: Error) => {
    throw unwritable(`--output ${path}`, error)
  })
  try {
    await pipeline(await ask(), stream)
    if (!plain) return
    await check(target)
    await rename(target, path)
  } catch (error) {
    stream.destroy()
    if (plain) await rm(target, { force: true })
    throw full(path, error)
  }
}

function full(path: string, error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') return error
  return new ForebayError('DISK_EXCEEDED', `--output ${path} cannot be written: there is no space on its disk`, {
    hint: 'make room, or name a file on another disk',
    cause: error,
  })
}
