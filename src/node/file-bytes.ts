import { stat } from 'node:fs/promises'

/** Size of a file. */
export async function fileBytes(path: string): Promise<number> {
  return (await stat(path)).size
}
