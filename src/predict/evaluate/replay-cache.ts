import {
  type Cache,
  density,
  gdsf,
  heatBySize,
  lfu,
  lru,
  PriorityCache,
  type PriorityRule,
  rateBySize,
  rateHalfLives,
  S3Fifo,
  slowDensity,
} from './cache-policies.js'
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

interface Access {
  readonly id: number
  readonly bytes: number
}

/** Collects reads; the simulation needs the footprint, so it runs at the end. */
export class CacheReplay {
  readonly #ids = new Map<string, number>()
  readonly #accesses: Access[] = []

  add(segment: string, bytes: number): void {
    const id = this.#ids.get(segment) ?? this.#ids.size
    this.#ids.set(segment, id)
    this.#accesses.push({ id, bytes: Math.max(1, bytes) })
  }

  /** Undefined where nothing was read. */
  finish(capacityShare = 0.05): CacheReport | undefined {
    const accesses = this.#accesses
    if (accesses.length === 0) return undefined
    const sizes = new Map<number, number>()
    for (const { id, bytes } of accesses) sizes.set(id, Math.max(bytes, sizes.get(id) ?? 0))
    const footprintBytes = [...sizes.values()].reduce((a, b) => a + b, 0)
    const capacity = footprintBytes * capacityShare
    const caches: Readonly<Record<Exclude<keyof HitShares, 'optimal'>, Cache>> = {
      lru: new PriorityCache(capacity, lru),
      lfu: new PriorityCache(capacity, lfu),
      s3fifo: new S3Fifo(capacity),
      gdsf: new PriorityCache(capacity, gdsf),
      ours: new ShadowedCache(capacity),
    }
    const hits = Object.fromEntries(Object.entries(caches).map(([name, cache]) => [name, play(cache, accesses)]))
    const best = { objects: bound(accesses, capacity, false), bytes: bound(accesses, capacity, true) }
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
      accesses: accesses.length,
      objectHit,
      byteHit: shares('bytes'),
      gapClosed: gap <= 0 ? null : rounded((objectHit.ours - objectHit.lru) / gap),
    }
  }
}

/** Of a shadow against the rule that is followed, on accesses where the two differ: hits less misses, and how many there were. */
interface Duel {
  lead: number
  fought: number
}

/** What is remembered of duels, and by how many of their standard deviations a lead must be more than luck. */
const duelDecay = 0.9995
const luck = 2

/**
 * Ours: a cache that follows whichever rule has lately hit most in shadow caches (ids only, full size). So where recency is
 * all that matters it is LRU, and it never stays below it. A change of rule costs misses, so a lead counts only beyond luck.
 */
class ShadowedCache implements Cache {
  readonly #rules: readonly PriorityRule[] = [
    gdsf,
    heatBySize,
    density,
    slowDensity,
    lru,
    ...rateHalfLives.map((_, i) => rateBySize(i)),
  ]
  readonly #shadows: readonly PriorityCache[]
  readonly #cache: PriorityCache
  #duels: readonly Duel[] = this.#rules.map(() => ({ lead: 0, fought: 0 }))
  #followed = 0

  constructor(capacity: number) {
    this.#shadows = this.#rules.map((rule) => new PriorityCache(capacity, rule))
    this.#cache = new PriorityCache(capacity, this.#rules[0] as PriorityRule)
  }

  access(id: number, bytes: number): boolean {
    const hits = this.#shadows.map((shadow) => shadow.access(id, bytes))
    const ours = hits[this.#followed] as boolean
    let best = this.#followed
    let bestLead = 0
    for (const [i, duel] of this.#duels.entries()) {
      duel.lead *= duelDecay
      duel.fought *= duelDecay
      if (hits[i] !== ours) {
        duel.fought++
        duel.lead += ours ? -1 : 1
      }
      if (duel.lead <= bestLead || duel.lead < 1 + luck * Math.sqrt(duel.fought)) continue
      best = i
      bestLead = duel.lead
    }
    if (best !== this.#followed) this.#follow(best)
    return this.#cache.access(id, bytes)
  }

  #follow(best: number): void {
    this.#followed = best
    this.#duels = this.#rules.map(() => ({ lead: 0, fought: 0 }))
    this.#cache.follow(this.#rules[best] as PriorityRule)
  }
}

function play(cache: Cache, accesses: readonly Access[]): { objects: number; bytes: number } {
  let objects = 0
  let bytes = 0
  let all = 0
  for (const access of accesses) {
    all += access.bytes
    if (!cache.access(access.id, access.bytes)) continue
    objects++
    bytes += access.bytes
  }
  return { objects: objects / accesses.length, bytes: bytes / all }
}

/**
 * No policy can hit more: each reuse needs size × distance of cache space-time, and there are capacity × length of it (Berger,
 * Beckmann and Harchol-Balter, Practical Bounds on Optimal Caching with Variable Object Sizes, 2018). For equal sizes Belady's
 * own count is exact and a little lower, so that is taken.
 */
function bound(accesses: readonly Access[], capacity: number, byBytes: boolean): number {
  const sizes = new Set(accesses.map((access) => access.bytes))
  if (sizes.size === 1) return belady(accesses, Math.floor(capacity / ([...sizes][0] as number)))
  const last = new Map<number, number>()
  const reuses: { cost: number; worth: number }[] = []
  let all = 0
  for (const [i, { id, bytes }] of accesses.entries()) {
    const worth = byBytes ? bytes : 1
    all += worth
    const before = last.get(id)
    if (before !== undefined && bytes <= capacity) reuses.push({ cost: bytes * (i - before), worth })
    last.set(id, i)
  }
  let room = capacity * accesses.length
  let won = 0
  for (const { cost, worth } of reuses.sort((a, b) => a.cost / a.worth - b.cost / b.worth)) {
    if (cost > room) break
    room -= cost
    won += worth
  }
  return won / all
}

/** Belady's MIN for equal sizes: evict what is used latest. */
function belady(accesses: readonly Access[], slots: number): number {
  const next = new Float64Array(accesses.length).fill(Number.POSITIVE_INFINITY)
  const seen = new Map<number, number>()
  for (let i = accesses.length - 1; i >= 0; i--) {
    const { id } = accesses[i] as Access
    next[i] = seen.get(id) ?? Number.POSITIVE_INFINITY
    seen.set(id, i)
  }
  let current = 0
  const cache = new PriorityCache(slots, () => -(next[current] as number))
  let hits = 0
  for (; current < accesses.length; current++) if (cache.access((accesses[current] as Access).id, 1)) hits++
  return hits / accesses.length
}
