import type { LineageBatch, LogOffset } from '../lineage-store.js'

/**
 * Whether a batch is to be applied by a store that has come to an offset. A batch that was seen is not; one that spans nothing
 * (`from` = `to`) is part of a checkpoint and always is. One that overlaps what was applied, or leaves a gap, would make a wrong
 * graph: it throws.
 */
export function isDue({ from, to }: Pick<LineageBatch, 'from' | 'to'>, offset: LogOffset): boolean {
  if (from === to) return true
  if (to <= offset) return false
  if (from === offset) return true
  throw new Error(`batch ${from} to ${to} does not follow offset ${offset} of the lineage store`)
}
