import { BoundedMap } from '../bounded-map.js'

/** What usually comes next, and how sure that is after calibration. */
export interface NextQuery {
  readonly key: string
  /** Share of such statements that came true lately. */
  readonly probability: number
  /** True when statements at least as sure as this one have, together, been right often enough. */
  readonly speaks: boolean
}

/** Decayed counts of what followed one key. */
interface Followers {
  total: number
  /** Times in a row that something else came than was expected, or nothing. */
  missed: number
  lately: Run | undefined
  readonly counts: Map<string, number>
}

/** What came last, how many times in a row, and its share before that. */
interface Run {
  readonly key: string
  readonly times: number
  readonly usual: number
}

export interface NextQuerySnapshot {
  readonly followers: readonly (readonly [
    string,
    { total: number; missed?: number; lately?: Run | undefined; counts: readonly (readonly [string, number])[] },
  ])[]
  /** Absent in snapshots of earlier versions. */
  readonly likeness?: readonly (readonly [string, Likeness])[]
  readonly bins: readonly { readonly right: number; readonly said: number }[]
}

const contextsMax = 5000
const followersMax = 64
const binCount = 20
const forget = 0.98
const calibrationDecay = 0.999
/** A new tenant is taken to be as all are, as if that many expected followers had come; nobody is surer than this to do as others. */
const average = 3
const surestAsOthers = 0.98
/** What a tenant has not done so often in a row it has given up, as far as one can see. */
const missesMax = 3
/** What comes in a row in place of what was expected has replaced it unless that is so likely by chance. */
const chanceMax = 0.02

/** How often a tenant did what most do, and how often it would have if it were as all are on average. */
interface Likeness {
  expected: number
  right: number
}

interface Bin {
  right: number
  said: number
}

/**
 * The next key of a session by order-1 Markov counts, of the tenant where it has enough of its own, backed off to everyone's.
 * Everyone's counts mix those who do as most with those who go their own ways; how often a tenant did as most tells which it is, so
 * that one who does is believed to before its own counts say so. It abstains by calibration: raw probabilities fall into bins, each
 * bin remembers how often its statements came true, and it speaks down to the bin at which all that it would say still comes true
 * with `precision`.
 */
export class NextQueryModel {
  readonly #followers = new BoundedMap<Followers>(contextsMax)
  readonly #likeness = new BoundedMap<Likeness>(contextsMax)
  readonly #bins = Array.from({ length: binCount }, () => ({ right: 0, said: 0 }))
  readonly #precision: number

  constructor(precision = 0.8) {
    this.#precision = precision
  }

  /** What comes after `key` in a session of `tenant`; undefined before anything followed it. */
  next(tenant: string, key: string): NextQuery | undefined {
    const guess = this.#guess(tenant, key)
    if (guess === undefined) return undefined
    const bin = this.#bins[placeOf(guess.raw)] as Bin
    const probability = (bin.right + 1) / (bin.said + 2)
    const stopped = (this.#followers.peek(`${tenant} ${key}`)?.missed ?? 0) >= missesMax
    const speaks = !stopped && bin.said >= 5 && probability > 0.5 && this.#holds(placeOf(guess.raw))
    return { key: guess.key, probability, speaks }
  }

  /** In a session of `tenant`, `key` came after `before`. */
  observe(tenant: string, before: string, key: string): void {
    const guess = this.#guess(tenant, before)
    if (guess !== undefined) {
      const bin = this.#bins[placeOf(guess.raw)] as Bin
      bin.said = bin.said * calibrationDecay + 1
      bin.right = bin.right * calibrationDecay + (guess.key === key ? 1 : 0)
    }
    this.#compare(tenant, before, key)
    const own = this.#own(tenant, before)
    own.missed = guess === undefined || guess.key === key ? 0 : own.missed + 1
    own.lately = runOf(own, key)
    this.#count(own, key)
    if (guess !== undefined && own.missed >= missesMax && isNoChance(own)) replace(own, guess.key, key)
    this.#count(this.#followers.touch(` ${before}`, noFollowers), key)
  }

  /** The session of `tenant` ended with `before`. */
  ended(tenant: string, before: string): void {
    const own = this.#followers.peek(`${tenant} ${before}`)
    if (own !== undefined) own.missed++
  }

  #own(tenant: string, before: string): Followers {
    return this.#followers.touch(`${tenant} ${before}`, noFollowers)
  }

  /** Whether the tenant did as most do after `before`, against how sure that was. */
  #compare(tenant: string, before: string, key: string): void {
    const usual = this.#usual(before)
    if (usual === undefined) return
    const likeness = this.#likeness.touch(tenant, () => ({ expected: 0, right: 0 }))
    likeness.expected = likeness.expected * forget + usual.share
    likeness.right = likeness.right * forget + (usual.key === key ? 1 : 0)
  }

  /** What most often follows a key among all tenants. */
  #usual(key: string): { readonly key: string; readonly share: number } | undefined {
    const all = this.#followers.peek(` ${key}`)
    if (all === undefined) return undefined
    let best = { key: '', share: 0 }
    for (const [candidate, count] of all.counts) {
      const share = count / (all.total + 1)
      if (share > best.share) best = { key: candidate, share }
    }
    return best
  }

  #count(followers: Followers, key: string): void {
    for (const [other, count] of followers.counts) followers.counts.set(other, count * forget)
    followers.counts.set(key, (followers.counts.get(key) ?? 0) + 1)
    followers.total = followers.total * forget + 1
    if (followers.counts.size > followersMax) followers.counts.delete(rarest(followers.counts))
  }

  #guess(tenant: string, key: string): { key: string; raw: number } | undefined {
    const own = this.#followers.peek(`${tenant} ${key}`)
    const all = this.#followers.peek(` ${key}`)
    if (all === undefined) return undefined
    const likeness = this.#likeness.peek(tenant)
    const asOthers = likeness === undefined ? 1 : (likeness.right + average) / (likeness.expected + average)
    let best: { key: string; raw: number } | undefined
    for (const candidate of new Set([...(own?.counts.keys() ?? []), ...all.counts.keys()])) {
      const shared = Math.min(surestAsOthers, (asOthers * (all.counts.get(candidate) ?? 0)) / (all.total + 1))
      const raw = ((own?.counts.get(candidate) ?? 0) + 2 * shared) / ((own?.total ?? 0) + 2)
      if (best === undefined || raw > best.raw) best = { key: candidate, raw }
    }
    return best
  }

  /** Whether this bin and all surer ones together came true often enough: a lower bound, so that little evidence keeps silent. */
  #holds(place: number): boolean {
    let said = 2
    let right = 1
    for (let i = place; i < binCount; i++) {
      said += (this.#bins[i] as Bin).said
      right += (this.#bins[i] as Bin).right
    }
    const share = right / said
    return share - 0.5 * Math.sqrt((share * (1 - share)) / said) >= this.#precision
  }

  snapshot(): NextQuerySnapshot {
    return {
      followers: this.#followers.snapshot((followers) => ({ ...followers, counts: [...followers.counts] })),
      likeness: this.#likeness.snapshot((likeness) => ({ ...likeness })),
      bins: this.#bins.map((bin) => ({ ...bin })),
    }
  }

  restore(snapshot: NextQuerySnapshot): void {
    this.#followers.restore(snapshot.followers, ({ total, missed = 0, lately, counts }) => ({
      total,
      missed,
      lately,
      counts: new Map(counts),
    }))
    this.#likeness.restore(snapshot.likeness ?? [], (likeness) => ({ ...likeness }))
    for (const [i, bin] of snapshot.bins.entries()) this.#bins[i] = { ...bin }
  }
}

function noFollowers(): Followers {
  return { total: 0, missed: 0, lately: undefined, counts: new Map() }
}

function runOf({ total, lately, counts }: Followers, key: string): Run {
  if (lately?.key === key) return { ...lately, times: lately.times + 1 }
  return { key, times: 1, usual: ((counts.get(key) ?? 0) + 1) / (total + 2) }
}

/** Runs begin as often as there are counts, so that a long enough one comes by chance in the end. */
function isNoChance({ total, lately }: Followers): boolean {
  return lately !== undefined && lately.times >= missesMax && total * lately.usual ** lately.times <= chanceMax
}

/** What replaced another key keeps its standing: it is as regular as that was, as far as one can see. */
function replace(followers: Followers, before: string, key: string): void {
  const { counts } = followers
  followers.missed = 0
  counts.set(key, (counts.get(key) ?? 0) + (counts.get(before) ?? 0))
  counts.delete(before)
}

function rarest(counts: ReadonlyMap<string, number>): string {
  let found: [string, number] = ['', Number.POSITIVE_INFINITY]
  for (const entry of counts) if (entry[1] < found[1]) found = entry
  return found[0]
}

function placeOf(raw: number): number {
  return Math.min(binCount - 1, Math.floor(raw * binCount))
}
