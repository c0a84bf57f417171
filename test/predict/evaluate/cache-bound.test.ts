import { describe, expect, it } from 'vitest'
import { hitsBound, type Read } from '../../../src/predict/evaluate/cache-bound.js'
import { CacheReplay, type CacheReport } from '../../../src/predict/evaluate/replay-cache.js'
import { seeded } from '../seeded.js'

/** Most hits that any policy can have, by trying everything; a cache holds a set of ids, each as large as at its last read. */
function mostHits(reads: readonly Read[], capacity: number): number {
  let states = new Map<string, number>([['', 0]])
  const bytesOf = new Map<string, number>()
  for (const { id, bytes } of reads) {
    bytesOf.set(id, bytes)
    const next = new Map<string, number>()
    for (const [state, hits] of states) {
      const held = state === '' ? [] : state.split(' ')
      const after = hits + (held.includes(id) ? 1 : 0)
      for (const kept of subsets([...new Set([...held, id])])) {
        if (kept.reduce((sum, one) => sum + (bytesOf.get(one) as number), 0) > capacity) continue
        const key = kept.toSorted().join(' ')
        next.set(key, Math.max(next.get(key) ?? 0, after))
      }
    }
    states = next
  }
  return Math.max(...states.values())
}

function subsets(items: readonly string[]): readonly (readonly string[])[] {
  return items.reduce<readonly (readonly string[])[]>((all, item) => [...all, ...all.map((set) => [...set, item])], [[]])
}

function drawn(seed: number, grows: boolean): readonly Read[] {
  const random = seeded(seed)
  const sizes = Array.from({ length: 6 }, () => 1 + Math.floor(6 * random()))
  return Array.from({ length: 60 }, () => {
    const id = Math.floor(6 * random() ** 1.5)
    if (grows && random() < 0.2) sizes[id] = 1 + Math.floor(6 * random())
    return { id: `s${id}`, bytes: sizes[id] as number }
  })
}

describe('the bound of hits', () => {
  it.each([1, 2, 3, 4, 5, 6])('is never below what the best of all policies has, and close to it (seed %i)', (seed) => {
    for (const grows of [false, true]) {
      const reads = drawn(seed, grows)
      const best = mostHits(reads, 7)
      const bound = hitsBound(reads, 7, false) * reads.length
      expect(bound).toBeGreaterThanOrEqual(best - 1e-9)
      expect(bound).toBeLessThan(1.25 * best)
    }
  })

  it('knows that room in quiet times is no room in crowded ones', () => {
    // Two large things in turn, of which one fits; then a small one for long, beside which all else would.
    const crowded = Array.from({ length: 400 }, (_, i) => ({ id: `large${i % 2}`, bytes: 90 + (i % 2) }))
    const quiet = Array.from({ length: 400 }, () => ({ id: 'small', bytes: 1 }))
    const hits = 199 + 399
    expect(hitsBound([...crowded, ...quiet], 100, false) * 800).toBeLessThan(1.05 * hits)
    expect(hitsBound([...crowded, ...quiet], 100, false) * 800).toBeGreaterThanOrEqual(hits)
  })

  it('is above every policy where things grow while they are kept', () => {
    const random = seeded(5)
    const replay = new CacheReplay()
    for (let i = 0; i < 4000; i++) replay.add(`s${Math.floor(80 * random() ** 2)}`, 1 + Math.floor(1000 * random() ** 3))
    const { objectHit, byteHit } = replay.finish(0.2) as CacheReport
    for (const hit of [objectHit, byteHit]) {
      for (const policy of ['lru', 'lfu', 's3fifo', 'gdsf', 'ours'] as const) expect(hit[policy]).toBeLessThanOrEqual(hit.optimal)
    }
  })
})
