import type { TreeMode } from '../../../model/query.js'
import type { DerivedEntry } from '../../../scheduler/derived-index.js'

/** So many small files take a merge about as long to open as it takes to write one. */
const partialsMin = 8
/** What is smaller than this is written anew for little. */
const smallBytes = 65_536
/** Share of a node's memory that may be merged at once. */
const memoryShare = 8

/**
 * Which of the partials that a query found are gathered into one; none where they are few. Not one that outweighs all others: not in
 * bytes, since it would be written anew for little, nor in segments that it covers, since the lineage graph shows each time that
 * something is gathered as a step between an answer and its data. So both the times that a byte is written and the steps are as
 * many as its weight can be doubled.
 */
export function worthGathering(found: readonly DerivedEntry[], tree: TreeMode, memoryBytes: number): readonly DerivedEntry[] {
  // Where a tree was asked for, its partials are merged as it says.
  if (tree === 'always') return []
  let gathered = found
  while (gathered.length >= partialsMin) {
    const tooMuch =
      outweighing(gathered, ({ covers }) => covers.length) ??
      outweighing(gathered, ({ stored }) => stored.bytes, smallBytes) ??
      largestBeyond(gathered, memoryBytes / memoryShare)
    if (tooMuch === undefined) return gathered
    gathered = gathered.filter((entry) => entry !== tooMuch)
  }
  return []
}

/** The one that weighs more than all others together, and more than `least`. */
function outweighing(
  entries: readonly DerivedEntry[],
  weightOf: (entry: DerivedEntry) => number,
  least = 0,
): DerivedEntry | undefined {
  const all = entries.reduce((sum, entry) => sum + weightOf(entry), 0)
  return entries.find((entry) => weightOf(entry) > Math.max(least, all - weightOf(entry)))
}

/** The largest, where all together are larger than `bytesMax`. */
function largestBeyond(entries: readonly DerivedEntry[], bytesMax: number): DerivedEntry | undefined {
  const bytes = entries.reduce((sum, { stored }) => sum + stored.bytes, 0)
  return bytes > bytesMax ? entries.toSorted((a, b) => b.stored.bytes - a.stored.bytes)[0] : undefined
}
