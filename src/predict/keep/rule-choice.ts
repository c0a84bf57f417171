/**
 * Which rule to keep things by: each runs in a shadow cache of ids only, and one is followed until another has saved more by so much
 * that it is more than luck. So where recency is all that matters it is LRU, and it never stays below it. A change of rule costs
 * misses, hence the margin. Of very many things a share is shadowed, chosen by hash, in caches that are as much smaller (Waldspurger
 * et al., SHARDS, 2015), so that shadows stay small.
 */
import { type Access, type KeepRule, keepRules } from './keep-rules.js'
import { PriorityCache } from './priority-cache.js'

/** Of a shadow against the rule that is followed, on accesses where the two differ: value saved less value missed, and its spread. */
interface Duel {
  lead: number
  fought: number
}

/** What is remembered of duels, and by how many of their standard deviations a lead must be more than luck. */
const duelDecay = 0.9995
const luck = 1
/** A shadow that holds more is thinned out. */
const shadowedMax = 1024

export class RuleChoice {
  readonly #shadows: readonly PriorityCache[]
  readonly #bytesMax: number
  #duels: readonly Duel[] = newDuels()
  #followed = 0
  /** Share of all things that is shadowed. */
  #share = 1

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
    this.#shadows = keepRules.map((rule) => new PriorityCache(bytesMax, rule, { keepsWhatFits: true }))
  }

  get rule(): KeepRule {
    return keepRules[this.#followed] as KeepRule
  }

  /** One access. True when another rule is to be followed from now on. */
  access(access: Access): boolean {
    if (!this.#isShadowed(access.id)) return false
    const hits = this.#shadows.map((shadow) => shadow.access(access))
    if (this.#shadows.some(({ size }) => size > shadowedMax)) this.#thin()
    const best = this.#judge(hits, access.value)
    if (best === this.#followed) return false
    this.#followed = best
    this.#duels = newDuels()
    return true
  }

  /** It is gone for good. */
  forget(id: string): void {
    for (const shadow of this.#shadows) shadow.remove(id)
  }

  #judge(hits: readonly boolean[], value: number): number {
    const ours = hits[this.#followed] as boolean
    let best = this.#followed
    let bestLead = 0
    for (const [i, duel] of this.#duels.entries()) {
      duel.lead *= duelDecay
      duel.fought *= duelDecay
      if (hits[i] !== ours) {
        duel.fought += value * value
        duel.lead += ours ? -value : value
      }
      if (duel.lead <= bestLead || duel.lead < value + luck * Math.sqrt(duel.fought)) continue
      best = i
      bestLead = duel.lead
    }
    return best
  }

  #thin(): void {
    this.#share /= 2
    for (const shadow of this.#shadows) shadow.narrow(this.#bytesMax * this.#share, (id) => this.#isShadowed(id))
  }

  #isShadowed(id: string): boolean {
    return this.#share === 1 || hashOf(id) < this.#share * 2 ** 32
  }
}

function newDuels(): readonly Duel[] {
  return keepRules.map(() => ({ lead: 0, fought: 0 }))
}

/** FNV-1a, mixed so that its high bits depend on all characters; 0 to 2³² − 1. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}
