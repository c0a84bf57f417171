import { describe, expect, it } from 'vitest'
import { CacheReplay, type CacheReport } from '../../../src/predict/evaluate/replay-cache.js'
import { generateReads, type ReadPattern } from '../generate-reads.js'

/** Least share of the way from LRU to the optimum that was seen on seeds 1–4, rounded down; the optimum is a bound for unequal sizes. */
const floors: readonly (readonly [ReadPattern, number])[] = [
  ['still', 0.65],
  ['drifting', 0.35],
  ['scanned', 0.66],
  ['looping', 0.87],
  ['mixed', 0.61],
]

function replayed(pattern: ReadPattern, seed: number): CacheReport {
  const replay = new CacheReplay()
  for (const { segment, bytes } of generateReads({ pattern, segments: 800, reads: 12_000, seed })) replay.add(segment, bytes)
  return replay.finish() as CacheReport
}

describe('the proposed cache on reads with known popularity', () => {
  it.each(floors)('where it is %s: never below LRU, at least %f of its gap to the optimum', (pattern, floor) => {
    const reports = [1, 2, 3, 4].map((seed) => replayed(pattern, seed))
    const gaps = reports.map(({ gapClosed }) => gapClosed as number)
    console.log(`${pattern}: ${gaps.join(' ')} of the gap from LRU to the optimum`)
    for (const { objectHit } of reports) expect(objectHit.ours).toBeGreaterThanOrEqual(objectHit.lru - 0.005)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(floor)
  })
})
