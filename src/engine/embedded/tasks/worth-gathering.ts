import type { TreeMode } from '../../../model/query.js'
import type { DerivedEntry } from '../../../scheduler/derived-index.js'

/** So many small files take a merge about as long to open as it takes to write one. */
const partialsMin = 8
/** What is smaller than this is written anew whatever it is merged with. */
const smallBytes = 65_536
/** Share of a node's memory that may be merged at once. */
const memoryShare = 8

/**
 * Which of the partials that a query found are gathered into one. Not one that outweighs all others, which would be written anew for
 * little: so each byte is written again only when what it is merged with has doubled. None where they are few.
 */
export function worthGathering(found: readonly DerivedEntry[], tree: TreeMode, memoryBytes: number): readonly DerivedEntry[] {
  // Where a tree was asked for, its partials are merged as it says.
  if (tree === 'always') return []
  const gathered = found.toSorted((a, b) => a.stored.bytes - b.stored.bytes)
  let bytes = gathered.reduce((sum, { stored }) => sum + stored.bytes, 0)
  while (gathered.length >= partialsMin) {
    const largest = gathered.at(-1)?.stored.bytes ?? 0
    if (largest <= Math.max(smallBytes, bytes - largest) && bytes <= memoryBytes / memoryShare) return gathered
    gathered.pop()
    bytes -= largest
  }
  return []
}
