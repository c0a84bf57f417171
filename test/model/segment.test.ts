import { expect, it } from 'vitest'
import { stableHash } from '../../src/model/segment.js'

it('hashes as ever, since files and segments on disk have their names from it', () => {
  expect(stableHash([])).toBe('e3b0c44298fc1c149afbf4c8')
  expect(stableHash(['a', 'bc'])).toBe('5310a58788781ab25d5ad7c3')
  expect(stableHash(['é', '', 'x'.repeat(10)], 16)).toBe('d7ee3637ee95d332')
})

it('keeps half a character of one part apart from half a character of the next', () => {
  expect(stableHash(['a\ud83d', '\ude00b'], 8)).toBe('1135922d')
})
