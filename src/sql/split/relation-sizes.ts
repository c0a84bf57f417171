import type { DatasetRead } from '../../model/query.js'
import type { Relation } from '../resolve/resolve-names.js'

/** What is left of one relation after pruning. All that the choice of what is shared out depends on besides the statement. */
export interface RelationSize {
  /** Placeholder, e.g. `__fb0`. */
  readonly relation: string
  readonly rows: number
  readonly bytes: number
}

/** Below this many rows a dataset may always be read by every node. */
const smallRows = 100_000

export function sizesOf(relations: readonly Relation[], reads: readonly DatasetRead[]): readonly RelationSize[] {
  const snapshots = new Map(relations.map(({ relation, snapshot }) => [relation, snapshot]))
  return reads.map(({ relation, segments }) => {
    let [rows, bytes] = [0, 0]
    for (const ordinal of segments) {
      const segment = snapshots.get(relation)?.segments[ordinal]
      rows += segment?.rows ?? 0
      bytes += segment?.bytes ?? 0
    }
    return { relation, rows, bytes }
  })
}

export function bytesOf(sizes: readonly RelationSize[]): number {
  return sizes.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** In the order in which they are tried as what is shared out. */
export function largestFirst<Size extends RelationSize>(sizes: readonly Size[]): readonly Size[] {
  return sizes.toSorted((a, b) => b.bytes - a.bytes || b.rows - a.rows)
}

/** Each leaf and the root read these whole: more than a quarter of what is shared out would eat up what sharing saves. */
export function isSmallBeside(size: RelationSize, shared: RelationSize): boolean {
  return size.rows <= Math.max(smallRows, shared.rows / 4)
}

/** True where a statement over relations of these sizes is split in the same way as over those. */
export function splitAlike(before: readonly RelationSize[], now: readonly RelationSize[]): boolean {
  return decisions(before).join() === decisions(now).join()
}

function decisions(sizes: readonly RelationSize[]): readonly string[] {
  const ordered = largestFirst(sizes)
  return ordered.flatMap((shared) => [
    shared.relation,
    ...ordered.filter((size) => isSmallBeside(size, shared)).map(({ relation }) => `with ${relation}`),
  ])
}
