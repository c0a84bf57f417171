import { quotePath } from '../model/quote.js'
import type { Session } from './session.js'

const searchMsMax = 5_000

/**
 * Which of several Parquet files cannot be read, by reading each to its end: DuckDB's error about a broken page names no file.
 * Undefined when all can be read, or none was found in time.
 */
export async function findBrokenFile(
  session: Session,
  files: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly error: unknown } | undefined> {
  const until = performance.now() + searchMsMax
  for (const path of files) {
    if (signal.aborted || performance.now() > until) return undefined
    try {
      await session.run(`SELECT bit_xor(hash(__row)) FROM read_parquet(${quotePath(path)}, hive_partitioning = false) AS __row`)
    } catch (error) {
      return { path, error }
    }
  }
  return undefined
}
