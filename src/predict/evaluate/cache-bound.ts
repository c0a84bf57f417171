import { AccessHeat } from '../keep/access-heat.js'
import { PriorityCache } from '../keep/priority-cache.js'

export interface Read {
  readonly id: string
  readonly bytes: number
}

/** The time between two reads of one thing, by their places: a hit at the second needs its room for so long. */
interface Reuse {
  readonly from: number
  readonly until: number
  /** Its size as a share of the cache. */
  readonly share: number
  readonly worth: number
}

/** What bounds the work. On a public log 128 spans gave .933, 512 .930 and 1,024 .929, where one price for all times gave .936. */
const spansMax = 1024
const rounds = 100
const stepFirst = 0.5

/**
 * Share of reads (or bytes) that no policy can find in the cache more than. For equal sizes Belady's own count, which is exact. For
 * unequal ones the bound of Berger, Beckmann and Harchol-Balter (Practical Bounds on Optimal Caching with Variable Object Sizes, 2018):
 * at each moment, what is kept for a later hit takes no more than the cache. By duality every price of room bounds the hits: what
 * the cache would earn if it were let, and what is left to each reuse that pays for its time. They take one price for all
 * times; here it follows the crowd, which is up to a point closer to what can be had.
 */
export function hitsBound(reads: readonly Read[], capacity: number, byBytes: boolean): number {
  const sizes = new Set(reads.map(({ bytes }) => bytes))
  if (sizes.size === 1) return belady(reads, Math.floor(capacity / ([...sizes][0] as number)))
  const all = byBytes ? reads.reduce((sum, { bytes }) => sum + bytes, 0) : reads.length
  const reuses = reusesOf(reads, capacity, byBytes)
  const width = Math.ceil(reads.length / spansMax)
  const prices = new Float64Array(Math.ceil(reads.length / width)).fill(priceOfAllTimes(reuses, reads.length))
  let least = reuses.reduce((sum, { worth }) => sum + worth, 0)
  for (let round = 0; round < rounds; round++) {
    const { bound, crowd } = letAt(prices, width, reuses, reads.length)
    least = Math.min(least, bound)
    const step = stepFirst / (1 + round / 5)
    for (let span = 0; span < prices.length; span++) {
      prices[span] = (prices[span] as number) * Math.exp(step * Math.max(-1, Math.min(1, (crowd[span] as number) - 1)))
    }
  }
  return least / all
}

function reusesOf(reads: readonly Read[], capacity: number, byBytes: boolean): readonly Reuse[] {
  const last = new Map<string, number>()
  const reuses: Reuse[] = []
  for (const [until, { id, bytes }] of reads.entries()) {
    const from = last.get(id)
    last.set(id, until)
    // What grows between two reads was kept as it was at the first.
    const kept = from === undefined ? Number.POSITIVE_INFINITY : (reads[from] as Read).bytes
    if (from !== undefined && kept <= capacity) reuses.push({ from, until, share: kept / capacity, worth: byBytes ? bytes : 1 })
  }
  return reuses
}

/** The price of a cache's moment at which reuses that pay take as much room as there is, were it one for all times. */
function priceOfAllTimes(reuses: readonly Reuse[], moments: number): number {
  const offers = reuses.map(({ from, until, share, worth }) => ({ room: share * (until - from), worth }))
  let left = moments
  let price = 0
  for (const { room, worth } of offers.sort((a, b) => b.worth / b.room - a.worth / a.room)) {
    left -= room
    price = worth / room
    if (left <= 0) break
  }
  return price
}

/** What the cache and those who rent it earn together at these prices, and how full it is in each span of time. */
function letAt(
  prices: Float64Array,
  width: number,
  reuses: readonly Reuse[],
  moments: number,
): { readonly bound: number; readonly crowd: Float64Array } {
  const paid = new Float64Array(moments + 1)
  for (let at = 0; at < moments; at++) paid[at + 1] = (paid[at] as number) + (prices[Math.floor(at / width)] as number)
  const changes = new Float64Array(moments + 1)
  let bound = paid[moments] as number
  for (const { from, until, share, worth } of reuses) {
    const left = worth - share * ((paid[until] as number) - (paid[from] as number))
    if (left <= 0) continue
    bound += left
    changes[from] = (changes[from] as number) + share
    changes[until] = (changes[until] as number) - share
  }
  const crowd = new Float64Array(prices.length)
  let taken = 0
  for (let at = 0; at < moments; at++) {
    taken += changes[at] as number
    const span = Math.floor(at / width)
    crowd[span] = (crowd[span] as number) + taken / Math.min(width, moments - span * width)
  }
  return { bound, crowd }
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
