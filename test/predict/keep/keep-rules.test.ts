import { describe, expect, it } from 'vitest'
import { AccessHeat } from '../../../src/predict/keep/access-heat.js'
import { gdsf, type KeepRule, keepRules, lru } from '../../../src/predict/keep/keep-rules.js'
import { PriorityCache } from '../../../src/predict/keep/priority-cache.js'
import { RuleChoice } from '../../../src/predict/keep/rule-choice.js'
import { seeded } from '../seeded.js'

function hits(rule: KeepRule): number {
  const cache = new PriorityCache(20, rule)
  const heat = new AccessHeat()
  const random = seeded(14)
  let found = 0
  // What is popular changes every 2,000 accesses.
  for (let i = 0; i < 10_000; i++) {
    const id = 1000 * Math.floor(i / 2000) + Math.floor(200 * random() ** 4)
    if (cache.access(heat.access(`${id}`, 1, 1))) found++
  }
  return found
}

describe('a cache by priority', () => {
  it.each([
    { keepsWhatFits: false, kept: ['large'] },
    { keepsWhatFits: true, kept: ['small', 'large'] },
  ])(
    'lets go what ranks lowest for something large, and keeps what fits beside it where it is told to',
    ({ keepsWhatFits, kept }) => {
      const cache = new PriorityCache(100, ({ value }) => value, { keepsWhatFits })
      const heat = new AccessHeat()
      for (const [id, bytes, value] of [
        ['small', 10, 1],
        ['medium', 60, 2],
        ['large', 90, 3],
      ] as const) {
        cache.access(heat.access(id, bytes, value))
      }
      expect(cache.size).toBe(kept.length)
      for (const id of kept) expect(cache.access(heat.access(id, id === 'small' ? 10 : 90, 1))).toBe(true)
    },
  )
})

describe('rates of access by size', () => {
  it('forget what was popular once, in so far as their half-life is short', () => {
    const [, , density, , , shortest, , , longest] = keepRules.map(hits) as [number, ...number[]]
    expect(shortest).toBeGreaterThan(longest as number)
    expect(shortest).toBeGreaterThan(1.1 * (density as number))
  })
})

describe('the choice of a rule', () => {
  /** What is followed in the end, where of `things` each run of ten is read twice, with a pause, and never again. */
  function followed(things: number, value: (id: number) => number): KeepRule {
    const choice = new RuleChoice(things / 10)
    const heat = new AccessHeat()
    for (let i = 0; i < 6 * things; i++) {
      const id = Math.floor(i / 20) * 10 + (i % 10)
      choice.access(heat.access(`${id}`, 1 + (id % 3), value(id)))
    }
    return choice.rule
  }

  it('leaves the first rule when recency is all that matters', () => {
    expect(keepRules[0]).toBe(gdsf)
    expect(followed(200, () => 1)).not.toBe(gdsf)
  })

  it('shadows a share of very many things, and chooses as well by it', () => {
    const choice = new RuleChoice(4_000)
    const heat = new AccessHeat()
    const random = seeded(3)
    for (let i = 0; i < 60_000; i++) choice.access(heat.access(`${Math.floor(i / 3) + Math.floor(1600 * random())}`, 1, 1))
    expect([lru, ...keepRules.slice(5)]).toContain(choice.rule)
  })
})
