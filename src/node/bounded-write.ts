import { statSync } from 'node:fs'
import type { ForebayError } from '../model/errors.js'
import type { Session } from './session.js'

const everyMs = 100

/** Runs a statement that writes a file, and interrupts it with `tooLarge` once the file is larger than it may be. */
export async function boundedWrite<T>(
  session: Session,
  path: string,
  bytesMax: number,
  tooLarge: () => ForebayError,
  write: () => Promise<T>,
): Promise<T> {
  const isTooLarge = (): boolean => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > bytesMax
  let interrupted = false
  const timer = setInterval(() => {
    if (!isTooLarge()) return
    interrupted = true
    session.interrupt()
  }, everyMs)
  try {
    const written = await write()
    if (isTooLarge()) throw tooLarge()
    return written
  } catch (error) {
    throw interrupted ? tooLarge() : error
  } finally {
    clearInterval(timer)
  }
}
