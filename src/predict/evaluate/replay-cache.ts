import { AccessHeat } from '../keep/access-heat.js'
import { type Access, gdsf, lfu, lru } from '../keep/keep-rules.js'
import { type Cache, PriorityCache } from '../keep/priority-cache.js'
import { RuleChoice } from '../keep/rule-choice.js'
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

interface Read {
  readonly id: string
  readonly bytes: number
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
    const best = { objects: bound(reads, capacity, false), bytes: bound(reads, capacity, true) }
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

/**
 * No policy can hit more: each reuse needs size × distance of cache space-time, and there are capacity × length of it (Berger,
 * Beckmann and Harchol-Balter, Practical Bounds on Optimal Caching with Variable Object Sizes, 2018). For equal sizes Belady's
 * own count is exact and a little lower, so that is taken.
 */
function bound(reads: readonly Read[], capacity: number, byBytes: boolean): number {
  const sizes = new Set(reads.map(({ bytes }) => bytes))
  if (sizes.size === 1) return belady(reads, Math.floor(capacity / ([...sizes][0] as number)))
  const last = new Map<string, number>()
  const reuses: { cost: number; worth: number }[] = []
  let all = 0
  for (const [i, { id, bytes }] of reads.entries()) {
    const worth = byBytes ? bytes : 1
    all += worth
    const before = last.get(id)
    if (before !== undefined && bytes <= capacity) reuses.push({ cost: bytes * (i - before), worth })
    last.set(id, i)
  }
  let room = capacity * reads.length
  let won = 0
  for (const { cost, worth } of reuses.sort((a, b) => a.cost / a.worth - b.cost / b.worth)) {
    if (cost > room) break
    room -= cost
    won += worth
  }
  return won / all
}

/** Belady's MIN for equal sizes: evict what is used latest. */
function belady(reads: readonly Read[], slots: number): number {
  const next = new Float64Array(reads.length).fill(Number.POSITIVE_INFINITY)
  const seen = new Map<string, number>()
  for (let i = reads.length - 1; i >= 0; i--) {
    const { id } = reads[i] as Read
    next[i] = seen.get(id) ?? Number.POSITIVE_INFINITY
    seen.set(id, i)
  }
  let current = 0
  const cache = new PriorityCache(slots, () => -(next[current] as number))
  const heat = new AccessHeat()
  let hits = 0
  for (; current < reads.length; current++) if (cache.access(heat.access((reads[current] as Read).id, 1, 1))) hits++
  return hits / reads.length
}
