import { AccessHeat } from '../keep/access-heat.js'
import { type Access, gdsf, lfu, lru } from '../keep/keep-rules.js'
import { type Cache, PriorityCache } from '../keep/priority-cache.js'
import { RuleChoice } from '../keep/rule-choice.js'
import { hitsBound, type Read } from './cache-bound.js'
import { S3Fifo } from './s3-fifo.js'
import { rounded } from './score.js'

/** Hit shares by policy; `optimal` is Belady's for equal sizes, an offline bound for unequal ones. */
type HitShares = Readonly<Record<'lru' | 'lfu' | 's3fifo' | 'gdsf' | 'ours' | 'optimal', number>>

export interface CacheReport {
  readonly capacityShare: number
  readonly capacityBytes: number
  readonly footprintBytes: number
  readonly accesses: number
  readonly objectHit: HitShares
  readonly byteHit: HitShares
  /** How much of the way from LRU to the optimum ours makes, in object hits. */
  readonly gapClosed: number | null
}

/** Collects reads; the simulation needs the footprint, so it runs at the end. */
export class CacheReplay {
  readonly #reads: Read[] = []

  add(segment: string, bytes: number): void {
    this.#reads.push({ id: segment, bytes: Math.max(1, bytes) })
  }

  /** Undefined where nothing was read. */
  finish(capacityShare = 0.05): CacheReport | undefined {
    const reads = this.#reads
    if (reads.length === 0) return undefined
    const sizes = new Map<string, number>()
    for (const { id, bytes } of reads) sizes.set(id, Math.max(bytes, sizes.get(id) ?? 0))
    const footprintBytes = [...sizes.values()].reduce((a, b) => a + b, 0)
    const capacity = footprintBytes * capacityShare
    const caches: Readonly<Record<Exclude<keyof HitShares, 'optimal'>, Cache>> = {
      lru: new PriorityCache(capacity, lru),
      lfu: new PriorityCache(capacity, lfu),
      s3fifo: new S3Fifo(capacity),
      gdsf: new PriorityCache(capacity, gdsf),
      ours: new ChosenCache(capacity),
    }
    const hits = play(caches, reads)
    const best = { objects: hitsBound(reads, capacity, false), bytes: hitsBound(reads, capacity, true) }
    const shares = (of: 'objects' | 'bytes'): HitShares => {
      const own = Object.entries(hits).map(([name, counted]) => [name, rounded(counted[of])] as const)
      return { ...Object.fromEntries(own), optimal: rounded(best[of]) } as HitShares
    }
    const objectHit = shares('objects')
    const gap = objectHit.optimal - objectHit.lru
    return {
      capacityShare,
      capacityBytes: Math.round(capacity),
      footprintBytes,
      accesses: reads.length,
      objectHit,
      byteHit: shares('bytes'),
      gapClosed: gap <= 0 ? null : rounded((objectHit.ours - objectHit.lru) / gap),
    }
  }
}

/** Ours, as packs and answers are kept on a server: by the rule that is chosen. */
class ChosenCache implements Cache {
  readonly #choice: RuleChoice
  readonly #cache: PriorityCache

  constructor(capacity: number) {
    this.#choice = new RuleChoice(capacity)
    this.#cache = new PriorityCache(capacity, this.#choice.rule, { keepsWhatFits: true })
  }

  access(access: Access): boolean {
    if (this.#choice.access(access)) this.#cache.follow(this.#choice.rule)
    return this.#cache.access(access)
  }
}

type Hits = { objects: number; bytes: number }

/** Shares of hits; what a hit is worth is one for all. */
function play(caches: Readonly<Record<string, Cache>>, reads: readonly Read[]): Readonly<Record<string, Hits>> {
  const heat = new AccessHeat()
  const all = reads.reduce((sum, { bytes }) => sum + bytes, 0)
  const hits = Object.entries(caches).map(([name, cache]) => ({ name, cache, objects: 0, bytes: 0 }))
  for (const { id, bytes } of reads) {
    const access = heat.access(id, bytes, 1)
    for (const counted of hits) {
      if (!counted.cache.access(access)) continue
      counted.objects++
      counted.bytes += bytes
    }
  }
  return Object.fromEntries(
    hits.map(({ name, objects, bytes }) => [name, { objects: objects / reads.length, bytes: bytes / all }]),
  )
}
