import { expect, it } from 'vitest'
import { OnlineOdds } from '../../../src/predict/arrivals/online-odds.js'
import { normal, seeded } from '../seeded.js'

it('tells apart regressors that go together, within a few thousand observations', () => {
  const odds = new OnlineOdds(new Float64Array(4))
  const random = seeded(7)
  let off = 0
  for (let i = 0; i < 6000; i++) {
    const common = normal(random)
    const x = Float64Array.of(1, common + 0.1 * normal(random), common + 0.1 * normal(random), common)
    const truth = 1 / (1 + Math.exp(1 - 6 * ((x[1] as number) - (x[2] as number))))
    if (i >= 4000) off += Math.abs(odds.probability(x) - truth) / 2000
    odds.learn(x, random() < truth, 1)
  }
  expect(off).toBeLessThan(0.07)
})

it('stays a number whatever comes, and follows what changes', () => {
  const odds = new OnlineOdds(Float64Array.of(0, 0))
  const x = Float64Array.of(1, 1e6)
  for (let i = 0; i < 2000; i++) odds.learn(x, i >= 1000, 1)
  expect(odds.probability(x)).toBeGreaterThan(0.9)
})
