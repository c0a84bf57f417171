import { expect, it } from 'vitest'
import { WarmBudget } from '../../../src/predict/evaluate/warm-budget.js'
import { seeded } from '../seeded.js'

it('takes the threshold at which forecasts that come true as often as they say cost the target, and holds it', () => {
  const budget = new WarmBudget()
  const random = seeded(31)
  const thresholds: number[] = []
  let active = 0
  let extra = 0
  for (let hour = 0; hour < 2000; hour++) {
    for (let tenant = 0; tenant < 30; tenant++) {
      const probability = random()
      const came = random() < probability
      const warm = probability >= budget.threshold
      budget.add(probability, warm, came)
      if (came) active++
      else if (warm) extra++
    }
    budget.close(0.1)
    thresholds.push(budget.threshold)
  }
  // Of uniform forecasts, (1 − t)² / 2 of all hours are extra at threshold t, and half are active.
  expect(extra / active).toBeGreaterThan(0.095)
  expect(extra / active).toBeLessThan(0.104)
  const late = thresholds.slice(1000)
  expect(Math.max(...late) - Math.min(...late)).toBeLessThan(0.04)
  expect(late.at(-1)).toBeCloseTo(1 - Math.sqrt(0.1), 1)
})
