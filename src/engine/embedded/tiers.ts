import type { DatasetRead } from '../../model/query.js'
import type { BaseSegment } from '../../model/segment.js'
import type { TierChoice } from '../../scheduler/pack-registry.js'
import type { EngineParts } from './engine-parts.js'

/** From which packs and files one query reads what: chosen once for each list of segments, however often it is asked for. */
export class Tiers {
  readonly #packs: EngineParts['packs']
  /** False: from files alone. */
  readonly trustStored: boolean
  readonly #chosen = new Map<readonly BaseSegment[], TierChoice>()

  constructor({ packs }: Pick<EngineParts, 'packs'>, trustStored: boolean) {
    this.#packs = packs
    this.trustStored = trustStored
  }

  /** Some segments of a read. The same array means the same segments of the same read. */
  of(read: DatasetRead, segments: readonly BaseSegment[]): TierChoice {
    if (!this.trustStored) return { packed: [], unpacked: segments }
    const known = this.#chosen.get(segments)
    if (known !== undefined) return known
    const columns = read.columns.map((column) => column.name)
    const choice = this.#packs.choose(read.dataset, columns, segments)
    this.#chosen.set(segments, choice)
    return choice
  }
}
