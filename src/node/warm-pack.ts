import { quoteName } from '../model/quote.js'
import type { Pack } from '../model/segment.js'
import type { Instance } from './instance.js'

/**
 * Reads the blocks of a pack's columns into the instance's buffers, by the cheapest statement that touches each of them: a count
 * of a column's values reads its blocks but does no arithmetic on them. Resolves to the bytes that the buffers grew by.
 */
export async function warmPack(instance: Instance, pack: Pack, columns: readonly string[]): Promise<number> {
  const before = await instance.bufferBytes()
  const alias = await instance.attachments.acquire(pack.path, true)
  const session = await instance.acquire('UTC')
  let sound = false
  try {
    const list = columns.length === 0 ? ['count(*)'] : columns.map((column) => `count(${quoteName(column)})`)
    await session.run(`SELECT ${list.join(', ')} FROM ${quoteName(alias)}.main.pack`)
    sound = true
  } finally {
    instance.release(session, sound)
    await instance.attachments.release(pack.path)
  }
  return Math.max(0, (await instance.bufferBytes()) - before)
}
