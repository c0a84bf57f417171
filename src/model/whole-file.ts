import { open, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Writes a small file that gets its name only when it is whole: who reads it sees the former text or this one, never a part, also
 * after an outage; when this resolves it is this one.
 * When it cannot be written, the former file stays, nothing is left beside it, and the file system's error is thrown.
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`
  try {
    await writeFile(temporary, text, { flush: true })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw error
  }
  await syncToDisk(dirname(path))
}

/** Gives a whole file its final name: its bytes are on disk before the name is, and the name survives when this resolves. */
export async function publishDurably(from: string, to: string): Promise<void> {
  await syncToDisk(from)
  await rename(from, to)
  await syncToDisk(dirname(to))
}

/** Makes the bytes of a file, or the names in a folder, survive a crash of the machine. */
async function syncToDisk(path: string): Promise<void> {
  const handle = await open(path)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
