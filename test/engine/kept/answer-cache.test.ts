import { expect, test } from 'vitest'
import { AnswerCache } from '../../../src/engine/embedded/kept/answer-cache.js'

test('keeps the bytes of an answer, and not all that came with them', () => {
  const cache = new AnswerCache(1e6)
  const message = new Uint8Array(65_536).fill(7)
  const bytes = message.subarray(100, 400)
  cache.add('d-1', 'json', { bytes, contentType: 'application/json', rows: 1, node: 'n1' }, 5)
  const kept = cache.get('d-1', 'json')
  expect(kept?.bytes).toEqual(new Uint8Array(300).fill(7))
  expect(kept?.bytes.buffer.byteLength).toBe(300)
})
