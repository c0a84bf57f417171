import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { apportion } from '../../../src/lineage/graph/apportion.js'

it('gives whole shares that add up exactly and differ from the true share by less than one', () => {
  const weights = fc.array(fc.integer({ min: 0, max: 2 ** 45 }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 45 }), weights, (total, parts) => {
      const shares = apportion(total, parts)
      expect(shares.reduce((sum, share) => sum + share, 0)).toBe(total)
      const sum = parts.reduce((a, b) => a + BigInt(b), 0n)
      if (sum === 0n) return
      for (const [index, share] of shares.entries()) {
        const scaled = BigInt(share) * sum - BigInt(total) * BigInt(parts[index] ?? 0)
        expect(scaled < sum && scaled > -sum).toBe(true)
      }
    }),
    { seed: 20260131 },
  )
})

it('gives the largest remainders the rest, the first of equals first', () => {
  expect(apportion(10, [1, 1, 1])).toEqual([4, 3, 3])
  expect(apportion(7, [1, 3, 3])).toEqual([1, 3, 3])
  expect(apportion(5, [0, 0])).toEqual([3, 2])
  expect(apportion(5, [])).toEqual([])
})
