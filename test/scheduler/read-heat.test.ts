import { expect, test } from 'vitest'
import { ReadHeat } from '../../src/scheduler/read-heat.js'

const minute = 60_000

test('columns read three times within ten minutes are hot, others are not', () => {
  const heat = new ReadHeat()
  heat.note('orders', ['a', 'b'], ['s1'], 0)
  heat.note('orders', ['a'], ['s2'], minute)
  expect(heat.hot(2 * minute)).toEqual([])
  heat.note('orders', ['a'], ['s2'], 2 * minute)
  expect(heat.hot(3 * minute)).toEqual([{ dataset: 'orders', columns: ['a'], alongside: ['b'], segments: ['s1', 's2'] }])
})

test('reads more than ten minutes ago do not count', () => {
  const heat = new ReadHeat()
  for (const at of [0, minute, 11 * minute]) heat.note('orders', ['a'], ['s1'], at)
  expect(heat.hot(11 * minute)).toEqual([])
})

test('counts anew once packed', () => {
  const heat = new ReadHeat()
  for (const at of [0, 1, 2]) heat.note('orders', ['a'], ['s1'], at)
  heat.packed('orders', ['a'])
  expect(heat.hot(3)).toEqual([])
})

test('columns that were not packed go on counting', () => {
  const heat = new ReadHeat()
  for (const at of [0, 1]) heat.note('orders', ['a', 'b'], ['s1'], at)
  heat.note('orders', ['a'], ['s1'], 2)
  heat.packed('orders', ['a'])
  heat.note('orders', ['a', 'b'], ['s1'], 3)
  expect(heat.hot(4)).toEqual([{ dataset: 'orders', columns: ['b'], alongside: ['a'], segments: ['s1'] }])
})

test('tells what is read along with hot columns, most often read first, and nothing else', () => {
  const heat = new ReadHeat()
  heat.note('orders', ['a', 'b', 'c'], ['s1'], 0)
  heat.note('orders', ['a', 'c'], ['s1'], 1)
  heat.note('orders', ['a'], ['s1'], 2)
  heat.note('orders', ['d'], ['s1'], 3)
  expect(heat.hot(4)).toEqual([{ dataset: 'orders', columns: ['a'], alongside: ['c', 'b'], segments: ['s1'] }])
})
