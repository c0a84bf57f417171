/**
 * Which derived segments exist, so that the same work on the same data is found and not repeated. An answer is found by its
 * id alone. A partial is found also as a part of more: all partials of one leaf statement (`work`) over disjoint sets of base
 * segments can be merged, so a query over grown data takes what covers most of its segments and computes only the rest.
 */
import type { SegmentId, StoredSegment } from '../model/segment.js'
import { KeptByWorth } from './kept-by-worth.js'

export interface DerivedEntry {
  readonly stored: StoredSegment
  /** Hash of the leaf statement and all that it reads besides the distributed segments; absent for answers. */
  readonly work?: string
  /** Base segments of the distributed relation that it covers; empty for answers. */
  readonly covers: readonly SegmentId[]
  /** What it took to make, in milliseconds: what finding it saves. */
  readonly savedMs: number
  /** It was merged from partials that were there: the next one of its work takes its place. */
  readonly gathered?: true
}

export interface DerivedIndexOptions {
  readonly bytesMax: number
  /** The bytes of these are no longer wanted. */
  readonly onEvict: (evicted: readonly StoredSegment[]) => void
  /** A second file of a segment that is there already: nobody will look for it. */
  readonly onDuplicate: (duplicate: StoredSegment) => void
}

export class DerivedIndex {
  readonly #entries = new Map<SegmentId, DerivedEntry>()
  readonly #byWork = new Map<string, Set<SegmentId>>()
  readonly #kept: KeptByWorth<SegmentId>
  readonly #onEvict: DerivedIndexOptions['onEvict']
  readonly #onDuplicate: DerivedIndexOptions['onDuplicate']
  #changes = 0

  constructor(options: DerivedIndexOptions) {
    this.#kept = new KeptByWorth(options.bytesMax)
    this.#onEvict = options.onEvict
    this.#onDuplicate = options.onDuplicate
  }

  get bytes(): number {
    return this.#kept.bytes
  }

  get size(): number {
    return this.#entries.size
  }

  /** How often something came or went. */
  get changes(): number {
    return this.#changes
  }

  /** All that is there, for keeping it across a restart. */
  entries(): readonly DerivedEntry[] {
    return [...this.#entries.values()]
  }

  /**
   * Adds a segment whose bytes exist now, after whoever made it has read it; what is worth least goes when the budget is full. Of one
   * that is there the first file stays, since somebody may be reading it, and the second goes.
   */
  add(entry: DerivedEntry): void {
    const { stored, work } = entry
    const known = this.#entries.get(stored.id)
    if (known !== undefined) {
      if (known.stored.path !== stored.path) this.#onDuplicate(stored)
      return
    }
    this.#entries.set(stored.id, entry)
    this.#changes += 1
    if (work !== undefined) {
      const ids = this.#byWork.get(work) ?? new Set()
      ids.add(stored.id)
      this.#byWork.set(work, ids)
    }
    this.#evict(this.#kept.add(stored.id, stored.bytes, entry.savedMs))
  }

  /** The segment of this id, counted as a use. */
  find(id: SegmentId): StoredSegment | undefined {
    const entry = this.#entries.get(id)
    if (entry !== undefined) this.#kept.use(id)
    return entry?.stored
  }

  /** Whether it is there, without counting a use. */
  has(id: SegmentId): boolean {
    return this.#entries.has(id)
  }

  /**
   * Stored partials of the same work that cover `segments` in part or whole, disjoint, largest first (greedy), and what
   * they leave uncovered.
   */
  cover(
    work: string,
    segments: readonly SegmentId[],
  ): { readonly found: readonly DerivedEntry[]; readonly rest: readonly SegmentId[] } {
    const open = new Set(segments)
    const found: DerivedEntry[] = []
    const candidates = [...(this.#byWork.get(work) ?? [])]
      .flatMap((id) => this.#entries.get(id) ?? [])
      .toSorted((a, b) => b.covers.length - a.covers.length)
    for (const entry of candidates) {
      const { stored, covers } = entry
      if (open.size === 0) break
      if (covers.length === 0 || covers.length > open.size || !covers.every((id) => open.has(id))) continue
      for (const id of covers) open.delete(id)
      this.#kept.use(stored.id)
      found.push(entry)
    }
    return { found, rest: segments.filter((id) => open.has(id)) }
  }

  /** Keeps a segment while a task reads it. Every pin is followed by an unpin. */
  pin(id: SegmentId): void {
    this.#kept.pin(id)
  }

  unpin(id: SegmentId): void {
    this.#evict(this.#kept.unpin(id))
  }

  /** Another segment has taken its place: it goes, unless somebody reads it. */
  replaced(id: SegmentId): void {
    if (this.#kept.isPinned(id)) return
    this.#kept.remove(id)
    this.#evict([id])
  }

  /** Forgets a segment whose bytes are lost or were found changed, without an eviction. */
  lose(id: SegmentId): void {
    this.#kept.remove(id)
    this.#forget(id)
  }

  /** Forgets all that stood on a node whose spool is gone. */
  loseNode(node: string): void {
    for (const [id, entry] of this.#entries) if (entry.stored.node === node) this.lose(id)
  }

  #evict(ids: readonly SegmentId[]): void {
    const evicted = ids.flatMap((id) => this.#entries.get(id)?.stored ?? [])
    for (const id of ids) this.#forget(id)
    if (evicted.length > 0) this.#onEvict(evicted)
  }

  #forget(id: SegmentId): void {
    const work = this.#entries.get(id)?.work
    if (this.#entries.delete(id)) this.#changes += 1
    if (work === undefined) return
    const ids = this.#byWork.get(work)
    ids?.delete(id)
    if (ids?.size === 0) this.#byWork.delete(work)
  }
}
