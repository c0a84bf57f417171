import { expect, test } from 'vitest'
import { ReferenceWait } from '../../src/allocate/reference-wait.js'

test('is what was predicted until a query came that nothing was prepared for, and then the mean of their waits', () => {
  const reference = new ReferenceWait()
  expect(reference.of('team t1', 400)).toBe(400)
  reference.observe('team t1', 100)
  reference.observe('team t1', 300)
  expect(reference.of('team t1', 400)).toBe(200)
})

test('forgets what came longest ago, not what was known first', () => {
  const reference = new ReferenceWait()
  for (let other = 0; other < 10_000; other++) {
    reference.observe('team often', 100)
    reference.observe(`team ${other}`, 10)
  }
  expect(reference.of('team often', 400)).toBe(100)
  expect(reference.of('team 0', 400)).toBe(400)
})
