import type { Access, KeepRule } from './keep-rules.js'

/** A cache by bytes, of ids only. */
export interface Cache {
  /** One access; true when it was there. Afterwards it may be (what is larger than the cache never is). */
  access(access: Access): boolean
}

interface Entry {
  readonly access: Access
  readonly count: number
  priority: number
}

type Ranked = { priority: number; id: string }

export interface PriorityCacheOptions {
  /**
   * Of what would go for something large, what fits beside it stays. Rules as they are published let it go; on a public log this
   * closed 5 % of what was left between the best of them and the optimum.
   */
  readonly keepsWhatFits: boolean
}

/** Lets go what its rule ranks lowest. */
export class PriorityCache implements Cache {
  readonly #options: PriorityCacheOptions
  #rule: KeepRule
  #capacity: number
  readonly #entries = new Map<string, Entry>()
  /** Lazy heap: an entry that was ranked again has stale pairs in it. */
  #heap: Ranked[] = []
  #used = 0
  #floor = 0

  constructor(capacity: number, rule: KeepRule, options: PriorityCacheOptions = { keepsWhatFits: false }) {
    this.#options = options
    this.#capacity = capacity
    this.#rule = rule
  }

  get size(): number {
    return this.#entries.size
  }

  access(access: Access): boolean {
    const { id, bytes } = access
    const found = this.#entries.get(id)
    if (found === undefined && bytes > this.#capacity) return false
    const count = (found?.count ?? 0) + 1
    const priority = this.#rule(access, count, this.#floor)
    this.#used += bytes - (found?.access.bytes ?? 0)
    this.#entries.set(id, { access, count, priority })
    push(this.#heap, { priority, id })
    this.#shrink()
    if (this.#heap.length > 2 * this.#entries.size + 64) this.#rank()
    return found !== undefined
  }

  /** Follows another rule from now on; what is held is ranked anew. */
  follow(rule: KeepRule): void {
    this.#rule = rule
    this.#floor = 0
    for (const entry of this.#entries.values()) entry.priority = rule(entry.access, entry.count, 0)
    this.#rank()
  }

  remove(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    this.#entries.delete(id)
    this.#used -= entry.access.bytes
  }

  /** Holds only what `keeps` says, within another capacity. */
  narrow(capacity: number, keeps: (id: string) => boolean): void {
    this.#capacity = capacity
    for (const id of this.#entries.keys()) if (!keeps(id)) this.remove(id)
    this.#shrink()
  }

  #shrink(): void {
    const going: Entry[] = []
    while (this.#used > this.#capacity) {
      const lowest = this.#lowest()
      if (lowest === undefined) break
      this.remove(lowest.access.id)
      going.push(lowest)
    }
    for (const entry of going.toReversed()) {
      const { id, bytes } = entry.access
      if (this.#options.keepsWhatFits && this.#used + bytes <= this.#capacity) {
        this.#used += bytes
        this.#entries.set(id, entry)
        push(this.#heap, { priority: entry.priority, id })
      } else this.#floor = Math.max(this.#floor, entry.priority)
    }
  }

  /** Taken off the heap, where stale pairs are skipped. */
  #lowest(): Entry | undefined {
    for (let pair = pop(this.#heap); pair !== undefined; pair = pop(this.#heap)) {
      const entry = this.#entries.get(pair.id)
      if (entry?.priority === pair.priority) return entry
    }
    return undefined
  }

  #rank(): void {
    this.#heap = []
    for (const [id, { priority }] of this.#entries) push(this.#heap, { priority, id })
  }
}

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
