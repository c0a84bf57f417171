import { expect, it } from 'vitest'
import { PutBehind } from '../../src/catalog/put-behind.js'

it('puts the last value of each key, holds no more than the keys while a put hangs, and goes on after one that failed', async () => {
  const puts: (readonly [string, unknown])[] = []
  let release = (): void => {}
  let answer: Promise<void> = new Promise((resolve) => {
    release = resolve
  })
  const behind = new PutBehind({
    put: (key, value) => {
      puts.push([key, value])
      return answer
    },
  })
  behind.put([])
  behind.put([['a', 0]])
  for (let round = 1; round <= 100; round++) {
    behind.put([
      ['a', round],
      ['b', round],
    ])
  }
  expect(puts).toEqual([['a', 0]])
  answer = Promise.reject(new Error('lost'))
  answer.catch(() => {})
  release()
  await behind.settled()
  expect(puts).toEqual([
    ['a', 0],
    ['a', 100],
    ['b', 100],
  ])
  answer = Promise.resolve()
  behind.put([['a', null]])
  await behind.settled()
  expect(puts.at(-1)).toEqual(['a', null])
})
