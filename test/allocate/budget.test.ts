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

it('has all to spend again a window after the clock was put right that was far ahead', () => {
  const budget = new Budget(limits)
  expect(budget.take(cost(100), 9_000 * hour)).toBe(true)
  expect(budget.take(cost(100), 10 * hour)).toBe(true)
  expect(budget.take(cost(1), 9 * hour)).toBe(false)
})
