import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes the bytes of a file, or the names in a folder, survive a crash of the machine. */
async function syncToDisk(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Gives a whole file its final name: its bytes are on disk before the name is, and the name survives when this resolves. */
export async function publishDurably(from: string, to: string): Promise<void> {
  await syncToDisk(from)
  await rename(from, to)
  await syncToDisk(dirname(to))
}
