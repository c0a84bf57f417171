import type { DatasetRead } from '../../../model/query.js'
import type { BaseSegment } from '../../../model/segment.js'
import type { TierChoice } from '../../../scheduler/pack-registry.js'
import type { EngineParts } from '../engine-parts.js'

/** From which packs and files one query reads what: its shape, its node and its tasks ask for the same segments one after the other. */
export class Tiers {
  readonly #packs: EngineParts['packs']
  /** False: from files alone. */
  readonly trustStored: boolean
  readonly #last = new Map<DatasetRead, { readonly segments: readonly BaseSegment[]; readonly choice: TierChoice }>()

  constructor({ packs }: Pick<EngineParts, 'packs'>, trustStored: boolean) {
    this.#packs = packs
    this.trustStored = trustStored
  }

  /** For some segments of a read. */
  of(read: DatasetRead, segments: readonly BaseSegment[]): TierChoice {
    if (!this.trustStored) return { packed: [], unpacked: segments }
    const last = this.#last.get(read)
    if (last !== undefined && areSame(last.segments, segments)) return last.choice
    const choice = this.#packs.choose(read.dataset, read.columns, segments)
    this.#last.set(read, { segments, choice })
    return choice
  }
}

function areSame(some: readonly BaseSegment[], others: readonly BaseSegment[]): boolean {
  return some.length === others.length && some.every((segment, index) => segment === others[index])
}
