import { BoundedMap } from '../bounded-map.js'
import { type Access, rateHalfLives } from './keep-rules.js'

type Warmth = Pick<Access, 'heat' | 'rates' | 'now'>

const knownMax = 10_000
/** Heat is halved in so many accesses per thing known. */
const heatHalfLife = 20

/** How warm things are: decayed accesses of their whole life, of as many things as can be remembered. */
export class AccessHeat {
  readonly #known = new BoundedMap<Warmth>(knownMax)
  /** Half-lives passed since the beginning, where an access is an ever smaller part of one as more things are known. */
  readonly #ages = rateHalfLives.map(() => 0)
  #now = 0

  /** Something was accessed. */
  access(id: string, bytes: number, value: number): Access {
    this.#now++
    const old = this.#known.peek(id)
    const known = Math.max(16, this.#known.size)
    const heat = 1 + (old === undefined ? 0 : old.heat * 0.5 ** ((this.#now - old.now) / (heatHalfLife * known)))
    const rates = rateHalfLives.map((halfLife, i) => {
      this.#ages[i] = (this.#ages[i] as number) + 1 / (halfLife * known)
      const age = this.#ages[i] as number
      return age + Math.log2(1 + (old === undefined ? 0 : 2 ** ((old.rates[i] as number) - age)))
    })
    this.#known.set(id, { heat, rates, now: this.#now })
    // What is not known counts as little: a rank must be a number.
    return { id, bytes: Math.max(1, bytes || 0), value: Math.max(0.001, value || 0), heat, rates, now: this.#now }
  }
}
