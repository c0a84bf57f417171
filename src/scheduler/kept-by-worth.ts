/**
 * Which things to keep within a budget of bytes, by what finding them saves. The rule is chosen by shadow comparison, as
 * `forebay evaluate` does on a log; at first it is that of the GreedyDual-Size-Frequency family (Cherkasova 1998): clock + uses ×
 * milliseconds saved ÷ bytes, where the clock moves up to the worth of what was last let go, so that what was once worth much
 * ages away without any timer.
 */
import { AccessHeat } from '../predict/keep/access-heat.js'
import type { Access } from '../predict/keep/keep-rules.js'
import { RuleChoice } from '../predict/keep/rule-choice.js'

interface Thing {
  access: Access
  uses: number
  worth: number
  pins: number
}

export class KeptByWorth<Key extends string> {
  readonly #bytesMax: number
  readonly #kept = new Map<Key, Thing>()
  readonly #heat = new AccessHeat()
  readonly #choice: RuleChoice
  #bytes = 0
  #clock = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
    this.#choice = new RuleChoice(bytesMax)
  }

  get bytes(): number {
    return this.#bytes
  }

  has(key: Key): boolean {
    return this.#kept.has(key)
  }

  /** Adds a thing, or renews it. Returns the keys that have to go; the new one may be among them when it is worth least. */
  add(key: Key, bytes: number, savedMs: number): readonly Key[] {
    this.#drop(key)
    const access = this.#observe(key, bytes, savedMs)
    this.#kept.set(key, { access, uses: 1, worth: this.#worth(access, 1), pins: 0 })
    this.#bytes += access.bytes
    return this.#shrink()
  }

  /** Counts a use. */
  use(key: Key): void {
    const thing = this.#kept.get(key)
    if (thing === undefined) return
    thing.access = this.#observe(key, thing.access.bytes, thing.access.value)
    thing.uses += 1
    thing.worth = this.#worth(thing.access, thing.uses)
  }

  /** Keeps a thing while somebody reads it, whatever it is worth. Every pin is followed by an unpin. */
  pin(key: Key): void {
    const thing = this.#kept.get(key)
    if (thing !== undefined) thing.pins += 1
  }

  /** Returns the keys that may go now. */
  unpin(key: Key): readonly Key[] {
    const thing = this.#kept.get(key)
    if (thing !== undefined && thing.pins > 0) thing.pins -= 1
    return this.#shrink()
  }

  /** Whether somebody reads it. */
  isPinned(key: Key): boolean {
    return (this.#kept.get(key)?.pins ?? 0) > 0
  }

  /** It is gone for good. */
  remove(key: Key): void {
    this.#choice.forget(key)
    this.#drop(key)
  }

  #drop(key: Key): void {
    const thing = this.#kept.get(key)
    if (thing === undefined) return
    this.#bytes -= thing.access.bytes
    this.#kept.delete(key)
  }

  /** One access; where another rule is chosen by it, all are ranked anew. */
  #observe(key: Key, bytes: number, savedMs: number): Access {
    const access = this.#heat.access(key, bytes, savedMs)
    if (this.#choice.access(access)) {
      this.#clock = 0
      for (const thing of this.#kept.values()) thing.worth = this.#worth(thing.access, thing.uses)
    }
    return access
  }

  #worth(access: Access, uses: number): number {
    return this.#choice.rule(access, uses, this.#clock)
  }

  #shrink(): readonly Key[] {
    const going: (readonly [Key, Thing])[] = []
    while (this.#bytes > this.#bytesMax) {
      const least = this.#least()
      if (least === undefined) break
      this.#drop(least[0])
      going.push(least)
    }
    return going.toReversed().flatMap(([key, thing]) => {
      // Of what would go for something large, what fits beside it stays.
      if (this.#bytes + thing.access.bytes <= this.#bytesMax) {
        this.#kept.set(key, thing)
        this.#bytes += thing.access.bytes
        return []
      }
      this.#clock = Math.max(this.#clock, thing.worth)
      return [key]
    })
  }

  #least(): readonly [Key, Thing] | undefined {
    let least: readonly [Key, Thing] | undefined
    for (const [key, thing] of this.#kept) {
      if (thing.pins === 0 && (least === undefined || thing.worth < least[1].worth)) least = [key, thing]
    }
    return least
  }
}
