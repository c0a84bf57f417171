import type { LoggedQuery } from '../../src/predict/log-line.js'
import { normal, seeded } from './seeded.js'

/** What reads look like: popularity that stands still or drifts, sweeps over everything, loops a little larger than a cache. */
export const readPatterns = ['still', 'drifting', 'scanned', 'looping', 'mixed'] as const
export type ReadPattern = (typeof readPatterns)[number]

export interface ReadsOptions {
  readonly pattern: ReadPattern
  readonly segments: number
  readonly reads: number
  readonly seed: number
}

type Read = LoggedQuery['reads'][number]

interface Shape {
  /** How many places popularity moves in a thousand reads. */
  readonly drift: number
  /** Shares of the reads that belong to a scan, or to a loop. */
  readonly scans: number
  readonly loops: number
}

const shapes: Readonly<Record<ReadPattern, Shape>> = {
  still: { drift: 0, scans: 0, loops: 0 },
  drifting: { drift: 40, scans: 0, loops: 0 },
  scanned: { drift: 0, scans: 0.3, loops: 0 },
  looping: { drift: 0, scans: 0, loops: 0.4 },
  mixed: { drift: 15, scans: 0.15, loops: 0.2 },
}
const zipf = 0.9
/** Segments read one after the other by a loop. */
const loopShare = 0.04

/** Reads of segments of log-normal sizes, some 60 kB to 60 MB. The same seed gives the same reads. */
export function* generateReads({ pattern, segments, reads, seed }: ReadsOptions): Generator<Read> {
  const random = seeded(seed)
  const { drift, scans, loops } = shapes[pattern]
  const bytes = Array.from({ length: segments }, () => Math.round(2e6 * Math.exp(1.2 * normal(random))))
  const rank = zipfRank(segments, random)
  const popular = shuffled(segments, random)
  const loop = shuffled(segments, random).slice(0, Math.round(segments * loopShare))
  let scanned = 0
  let looped = 0
  for (let i = 0; i < reads; i++) {
    const kind = random()
    let id: number
    if (kind < scans) id = scanned++ % segments
    else if (kind < scans + loops) id = loop[looped++ % loop.length] as number
    else id = popular[(rank() + Math.floor((drift * i) / 1000)) % segments] as number
    yield { segment: `s${id}`, bytes: bytes[id] as number }
  }
}

/** Draws 0, 1, 2 … with probability proportional to 1 ÷ (rank + 1) ^ `zipf`. */
function zipfRank(count: number, random: () => number): () => number {
  const sums: number[] = []
  let all = 0
  for (let rank = 0; rank < count; rank++) sums.push((all += (rank + 1) ** -zipf))
  return () => {
    const drawn = all * random()
    let [low, high] = [0, count - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] as number) < drawn) low = middle + 1
      else high = middle
    }
    return low
  }
}

function shuffled(count: number, random: () => number): readonly number[] {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor((i + 1) * random())
    ;[order[i], order[other]] = [order[other] as number, order[i] as number]
  }
  return order
}
