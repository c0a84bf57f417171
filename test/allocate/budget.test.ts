import { expect, it } from 'vitest'
import { Budget } from '../../src/allocate/budget.js'

const hour = 3_600_000
const limits = { windowMs: 24 * hour, byteSeconds: 100, cpuSeconds: 10 }
const cost = (byteSeconds: number) => ({ byteSeconds, cpuSeconds: 0 })

it('goes on with what a former run spent, until the window has passed', () => {
  const former = new Budget(limits)
  for (let at = 0; at < 2 * hour; at += hour / 10) expect(former.take(cost(4), at)).toBe(true)
  const kept = JSON.parse(JSON.stringify(former.snapshot()))
  expect(kept.length).toBe(2)
  const budget = new Budget(limits)
  budget.restore(kept)
  expect(budget.spent(3 * hour)).toEqual(cost(80))
  expect(budget.take(cost(21), 3 * hour)).toBe(false)
  expect(budget.take(cost(20), 3 * hour)).toBe(true)
  expect(budget.spent(27 * hour)).toEqual(cost(0))
})
