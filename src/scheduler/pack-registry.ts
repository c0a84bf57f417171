/**
 * Which packs exist, and what of a read they serve. A pack is a DuckDB file with some columns of some segments of one
 * dataset; beside it stands its description as JSON, written after it, so that a pack without one is a leftover. Losing a
 * pack costs time only. They are kept by what they save per byte, within a budget of disk.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { BaseSegment, Column, Pack, PackId, SegmentId } from '../model/segment.js'
import { writeWhole } from '../model/whole-file.js'
import { KeptByWorth } from './kept-by-worth.js'

/** How a read of some segments is served: from packs, by the ordinals of each, and the rest from Parquet. */
export interface TierChoice {
  readonly packed: readonly {
    readonly pack: Pack
    readonly ordinals: readonly number[]
    readonly segments: readonly BaseSegment[]
  }[]
  readonly unpacked: readonly BaseSegment[]
}

export interface PackRegistryOptions {
  readonly folder: string
  readonly bytesMax: number
  /** Packs of another storage version are dropped at start. */
  readonly storageVersion?: string
  /** Detach it everywhere; resolves when its file may go. */
  readonly detach: (packs: readonly PackId[]) => Promise<void>
}

export class PackRegistry {
  readonly #options: PackRegistryOptions
  readonly #packs = new Map<PackId, Pack>()
  readonly #ordinals = new Map<PackId, ReadonlyMap<SegmentId, number>>()
  readonly #kept: KeptByWorth<PackId>

  constructor(options: PackRegistryOptions) {
    this.#options = options
    this.#kept = new KeptByWorth(options.bytesMax)
  }

  /** Takes up the packs of former runs and removes leftovers. */
  async open(): Promise<void> {
    const { folder, storageVersion } = this.#options
    await mkdir(folder, { recursive: true })
    const names = await readdir(folder)
    const described = new Set<string>()
    const beyondBudget = new Set<PackId>()
    for (const name of names.filter((file) => file.endsWith('.json'))) {
      const pack = await readFile(join(folder, name), 'utf8')
        .then((text) => JSON.parse(text) as Pack)
        .catch(() => undefined)
      const fileName = `${name.slice(0, -'.json'.length)}.duckdb`
      const stale = pack?.signedColumns === undefined || (storageVersion !== undefined && pack.storageVersion !== storageVersion)
      if (stale || !names.includes(fileName)) continue
      described.add(name).add(fileName)
      for (const id of this.#register({ ...pack, path: join(folder, fileName) }, pack.bytes / 1e6)) beyondBudget.add(id)
    }
    await this.#remove([...beyondBudget])
    for (const name of names) if (!described.has(name)) await rm(join(folder, name), { force: true, recursive: true })
  }

  /** Packs that hold some columns of a segment. */
  holding(segment: SegmentId): readonly PackId[] {
    return [...this.#ordinals].flatMap(([id, ordinals]) => (ordinals.has(segment) ? [id] : []))
  }

  /** Where a new pack of this id belongs. */
  pathOf(id: PackId): string {
    return join(this.#options.folder, `${id}.duckdb`)
  }

  packs(): readonly Pack[] {
    return [...this.#packs.values()]
  }

  get(id: PackId): Pack | undefined {
    return this.#packs.get(id)
  }

  /** A pack was built; `savedMs` is what one use of it saves. What is worth least goes when the disk budget is full. */
  async add(pack: Pack, savedMs: number): Promise<void> {
    await writeWhole(join(this.#options.folder, `${pack.id}.json`), JSON.stringify(pack))
    await this.#remove(this.#register(pack, savedMs))
  }

  /** Drops packs that are damaged, superseded or of no more use. */
  async drop(ids: readonly PackId[]): Promise<void> {
    for (const id of ids) this.#kept.remove(id)
    await this.#remove(ids)
  }

  /** Drops packs none of whose segments is current any more. */
  async dropStale(isCurrent: (segment: SegmentId) => boolean): Promise<void> {
    await this.drop(
      this.packs()
        .filter((pack) => !pack.segments.some(isCurrent))
        .map((pack) => pack.id),
    )
  }

  /**
   * Serves a read from the fewest packs that hold all of its columns in their types; each segment comes from one place. A pack knows
   * no query's time zone, so what is cast by it comes from the file.
   */
  choose(dataset: string, columns: readonly Column[], segments: readonly BaseSegment[]): TierChoice {
    const zoned = ({ zoneCasts }: BaseSegment): boolean =>
      zoneCasts !== undefined && columns.some(({ name }) => zoneCasts.includes(name))
    const open = new Map(segments.flatMap((segment) => (zoned(segment) ? [] : [[segment.id, segment] as const])))
    const packed: TierChoice['packed'][number][] = []
    const serves = this.packs().filter(
      (pack) => pack.dataset === dataset && columns.every(({ name, type }) => pack.types[pack.columns.indexOf(name)] === type),
    )
    const gain = (pack: Pack): number => pack.segments.filter((id) => open.has(id)).length
    while (open.size > 0) {
      // Most segments first; of equals the one with the fewest columns, whose blocks are the densest.
      const best = serves
        .map((pack) => ({ pack, gain: gain(pack) }))
        .filter((candidate) => candidate.gain > 0)
        .toSorted((a, b) => b.gain - a.gain || a.pack.columns.length - b.pack.columns.length)[0]
      if (best === undefined) break
      const ordinals = this.#ordinals.get(best.pack.id)
      const served = [...open.values()].filter((segment) => ordinals?.has(segment.id))
      packed.push({
        pack: best.pack,
        ordinals: served.flatMap((segment) => ordinals?.get(segment.id) ?? []).toSorted((a, b) => a - b),
        segments: served,
      })
      for (const segment of served) open.delete(segment.id)
    }
    return { packed, unpacked: segments.filter((segment) => open.has(segment.id) || zoned(segment)) }
  }

  /** Counts a use, for the value of keeping it. */
  used(id: PackId): void {
    this.#kept.use(id)
  }

  pin(id: PackId): void {
    this.#kept.pin(id)
  }

  async unpin(id: PackId): Promise<void> {
    await this.#remove(this.#kept.unpin(id))
  }

  #register(pack: Pack, savedMs: number): readonly PackId[] {
    this.#packs.set(pack.id, pack)
    this.#ordinals.set(pack.id, new Map(pack.segments.map((id, ordinal) => [id, ordinal])))
    return this.#kept.add(pack.id, pack.bytes, savedMs)
  }

  async #remove(ids: readonly PackId[]): Promise<void> {
    const gone = ids.flatMap((id) => this.#packs.get(id) ?? [])
    if (gone.length === 0) return
    for (const pack of gone) {
      this.#packs.delete(pack.id)
      this.#ordinals.delete(pack.id)
    }
    await this.#options.detach(gone.map((pack) => pack.id))
    for (const pack of gone) {
      await rm(join(this.#options.folder, `${pack.id}.json`), { force: true })
      await rm(pack.path, { force: true })
    }
  }
}
