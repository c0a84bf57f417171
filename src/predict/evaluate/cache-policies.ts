/**
 * Caches by bytes. Least recently used, least frequently used with ageing, GDSF and ours are one cache with different
 * priorities, evicting the lowest; S3-FIFO is queues. Every policy sees accesses only, never the future.
 */
export interface Cache {
  /** One access; true when the object was there. Afterwards it may be (objects larger than the cache never are). */
  access(id: number, bytes: number): boolean
}

/** What priorities may look at. */
interface ObjectFacts {
  readonly bytes: number
  /** Accesses since it was admitted. */
  readonly count: number
  /** Decayed accesses of its whole life, evictions included. */
  readonly heat: number
  /** Decayed accesses of its whole life, as they will be seen from any later moment: by half-life, in powers of two. */
  readonly rates: readonly number[]
  /** Place of this access in the log. */
  readonly now: number
  /** Priority of the last object evicted: adding it makes old merits age (the L of GreedyDual). */
  readonly floor: number
}
export type PriorityRule = (facts: ObjectFacts) => number

export const lru: PriorityRule = ({ now }) => now
export const lfu: PriorityRule = ({ count, floor }) => floor + count
export const gdsf: PriorityRule = ({ count, bytes, floor }) => floor + count / bytes
/** GDSF that remembers the heat of what it evicted, so that a periodic reader is not a stranger every time. */
export const heatBySize: PriorityRule = ({ heat, bytes, floor }) => floor + heat / bytes
/** Heat alone: where popularity stands still, ageing only lets newcomers push out what is better; they go again at once. */
export const density: PriorityRule = ({ heat, bytes }) => heat / bytes
/** Between the two. */
export const slowDensity: PriorityRule = ({ heat, bytes, floor }) => 0.3 * floor + heat / bytes

/**
 * Decayed accesses per byte, decaying while it is not read too (LRFU of Lee et al., 2001, by bytes). Since all decay alike, the
 * order of two objects never changes between their accesses.
 */
export const rateBySize =
  (halfLife: number): PriorityRule =>
  ({ rates, bytes }) =>
    (rates[halfLife] as number) - Math.log2(bytes)

interface Entry {
  readonly bytes: number
  readonly count: number
  priority: number
}

/** Heat is halved in so many accesses per object known; rates in each of these. */
const heatHalfLife = 20
export const rateHalfLives = [1, 4, 16, 64] as const

export class PriorityCache implements Cache {
  rule: PriorityRule
  readonly #capacity: number
  readonly #entries = new Map<number, Entry>()
  /** Lazy heap of (priority, id): stale pairs are skipped when they come up. */
  readonly #heap: { priority: number; id: number }[] = []
  readonly #heat = new Map<number, { heat: number; at: number; rates: readonly number[] }>()
  /** Half-lives passed since the beginning, where an access is an ever smaller part of one as more objects are known. */
  readonly #ages = rateHalfLives.map(() => 0)
  #used = 0
  #now = 0
  #floor = 0

  constructor(capacity: number, rule: PriorityRule) {
    this.#capacity = capacity
    this.rule = rule
  }

  access(id: number, bytes: number): boolean {
    this.#now++
    const { heat, rates } = this.#warm(id)
    const found = this.#entries.get(id)
    const count = (found?.count ?? 0) + 1
    const priority = this.rule({ bytes, count, heat, rates, now: this.#now, floor: this.#floor })
    if (found === undefined) {
      if (bytes > this.#capacity) return false
      this.#used += bytes
    }
    this.#entries.set(id, { bytes, count, priority })
    push(this.#heap, { priority, id })
    while (this.#used > this.#capacity) this.#evict()
    return found !== undefined
  }

  #warm(id: number): { heat: number; rates: readonly number[] } {
    const old = this.#heat.get(id)
    const known = Math.max(16, this.#heat.size)
    const heat = 1 + (old === undefined ? 0 : old.heat * 0.5 ** ((this.#now - old.at) / (heatHalfLife * known)))
    const rates = rateHalfLives.map((halfLife, i) => {
      this.#ages[i] = (this.#ages[i] as number) + 1 / (halfLife * known)
      const age = this.#ages[i] as number
      return age + Math.log2(1 + (old === undefined ? 0 : 2 ** ((old.rates[i] as number) - age)))
    })
    const warm = { heat, at: this.#now, rates }
    this.#heat.set(id, warm)
    return warm
  }

  #evict(): void {
    const lowest = pop(this.#heap)
    if (lowest === undefined) return
    const entry = this.#entries.get(lowest.id)
    if (entry === undefined || entry.priority !== lowest.priority) return
    this.#entries.delete(lowest.id)
    this.#used -= entry.bytes
    this.#floor = Math.max(this.#floor, entry.priority)
  }

  /** Follows another rule from now on; what is held is ranked anew. */
  follow(rule: PriorityRule): void {
    this.rule = rule
    this.#floor = 0
    this.#heap.length = 0
    for (const [id, entry] of this.#entries) {
      const { heat = 1, at = 0, rates = rateHalfLives.map(() => 0) } = this.#heat.get(id) ?? {}
      entry.priority = rule({ bytes: entry.bytes, count: entry.count, heat, rates, now: at, floor: 0 })
      push(this.#heap, { priority: entry.priority, id })
    }
  }
}

/** S3-FIFO (Yang et al., SOSP 2023): a small queue of a tenth for newcomers, a main queue with second chances, ghosts. */
export class S3Fifo implements Cache {
  readonly #small: Queue
  readonly #main: Queue
  readonly #ghosts = new Set<number>()
  readonly #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
    this.#small = new Queue(capacity / 10)
    this.#main = new Queue(capacity * 0.9)
  }

  access(id: number, bytes: number): boolean {
    const entry = this.#small.entries.get(id) ?? this.#main.entries.get(id)
    if (entry !== undefined) {
      entry.hits = Math.min(3, entry.hits + 1)
      return true
    }
    if (bytes > this.#capacity) return false
    if (this.#ghosts.delete(id)) this.#main.add(id, bytes)
    else this.#small.add(id, bytes)
    while (this.#small.used + this.#main.used > this.#capacity) this.#shrink()
    return false
  }

  #shrink(): void {
    if (this.#small.used > this.#small.share || this.#main.used === 0) {
      const gone = this.#small.take()
      if (gone === undefined) return
      if (gone.hits > 1) this.#main.add(gone.id, gone.bytes)
      else this.#remember(gone.id)
      return
    }
    const gone = this.#main.take()
    if (gone !== undefined && gone.hits > 0) this.#main.add(gone.id, gone.bytes, gone.hits - 1)
  }

  #remember(id: number): void {
    this.#ghosts.add(id)
    if (this.#ghosts.size > Math.max(16, this.#main.entries.size + this.#small.entries.size)) {
      for (const oldest of this.#ghosts) {
        this.#ghosts.delete(oldest)
        return
      }
    }
  }
}

class Queue {
  readonly entries = new Map<number, { readonly bytes: number; hits: number }>()
  readonly share: number
  used = 0

  constructor(share: number) {
    this.share = share
  }

  add(id: number, bytes: number, hits = 0): void {
    this.entries.set(id, { bytes, hits })
    this.used += bytes
  }

  take(): { id: number; bytes: number; hits: number } | undefined {
    for (const [id, { bytes, hits }] of this.entries) {
      this.entries.delete(id)
      this.used -= bytes
      return { id, bytes, hits }
    }
    return undefined
  }
}

type Ranked = { priority: number; id: number }

function push(heap: Ranked[], item: Ranked): void {
  let place = heap.push(item) - 1
  while (place > 0) {
    const parent = (place - 1) >> 1
    if ((heap[parent] as Ranked).priority <= item.priority) break
    heap[place] = heap[parent] as Ranked
    place = parent
  }
  heap[place] = item
}

function pop(heap: Ranked[]): Ranked | undefined {
  const top = heap[0]
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return top
  let place = 0
  for (let child = 1; child < heap.length; child = 2 * place + 1) {
    if (child + 1 < heap.length && (heap[child + 1] as Ranked).priority < (heap[child] as Ranked).priority) child++
    if (last.priority <= (heap[child] as Ranked).priority) break
    heap[place] = heap[child] as Ranked
    place = child
  }
  heap[place] = last
  return top
}
