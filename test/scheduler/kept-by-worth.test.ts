import { describe, expect, it } from 'vitest'
import { CacheReplay } from '../../src/predict/evaluate/replay-cache.js'
import { KeptByWorth } from '../../src/scheduler/kept-by-worth.js'
import { generateReads, readPatterns } from '../predict/generate-reads.js'

describe('what is kept by its worth', () => {
  it('is what saves most for its bytes, and what is pinned', () => {
    const kept = new KeptByWorth<string>(100)
    expect(kept.add('dear', 60, 600)).toEqual([])
    expect(kept.add('cheap', 40, 10)).toEqual([])
    expect(kept.add('fair', 40, 100)).toEqual(['cheap'])
    kept.pin('fair')
    expect(kept.add('dearer', 60, 6000)).toEqual(['dear'])
    expect(kept.add('dearest', 60, 60_000)).toEqual(['dearer'])
    expect(kept.bytes).toBe(100)
    kept.remove('dearest')
    expect([kept.has('fair'), kept.bytes]).toEqual([true, 40])
  })

  it('keeps what fits beside something large that pushed out more', () => {
    const kept = new KeptByWorth<string>(100)
    kept.add('small', 10, 10)
    kept.add('medium', 60, 600)
    expect(kept.add('large', 90, 900_000)).toEqual(['medium'])
    expect([kept.has('small'), kept.has('large'), kept.bytes]).toEqual([true, true, 100])
  })

  it('stays within its budget, whatever is said to be saved', () => {
    const kept = new KeptByWorth<string>(10)
    for (let i = 0; i < 50; i++) kept.add(`thing${i}`, 5, i % 2 === 0 ? Number.NaN : 1)
    expect(kept.bytes).toBe(10)
  })

  it('goes, though it was once used much, when it is not used any more', () => {
    const kept = new KeptByWorth<string>(10)
    kept.add('old', 5, 1)
    for (let i = 0; i < 20; i++) kept.use('old')
    let gone: readonly string[] = []
    for (let i = 0; i < 60 && !gone.includes('old'); i++) {
      gone = kept.add(`new${i}`, 5, 1)
      kept.use(`new${i}`)
    }
    expect(gone).toContain('old')
  })

  it.each(readPatterns)('is what the evaluation of a log proposes, where reads are %s', (pattern) => {
    const reads = [...generateReads({ pattern, segments: 300, reads: 6_000, seed: 5 })]
    const replay = new CacheReplay()
    for (const { segment, bytes } of reads) replay.add(segment, bytes)
    const report = replay.finish()
    const kept = new KeptByWorth<string>(report?.capacityBytes ?? 0)
    let hits = 0
    for (const { segment, bytes } of reads) {
      if (kept.has(segment)) hits++
      if (kept.has(segment)) kept.use(segment)
      else kept.add(segment, bytes, 1)
    }
    expect(Math.abs(hits / reads.length - (report?.objectHit.ours ?? 0))).toBeLessThan(0.005)
  })
})
