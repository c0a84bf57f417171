import { expect, test } from 'vitest'
import { LabelWindow } from '../../src/predict/run-time/label-window.js'

const label = (n: number) => [Float64Array.of(n, -n), 10 * n, 100 * n] as const

function filled(most: number, labels: number): LabelWindow {
  const window = new LabelWindow(most)
  for (let n = 1; n <= labels; n++) window.add(...label(n))
  return window
}

test.each([
  [0, []],
  [2, [1, 2]],
  [3, [1, 2, 3]],
  [5, [3, 4, 5]],
  [6, [4, 5, 6]],
])('after %d labels holds the last three, oldest first', (labels, held) => {
  const { rows, targets, offsets } = filled(3, labels).read()
  expect(rows.map((row) => [...row])).toEqual(held.map((n) => [n, -n]))
  expect([...targets]).toEqual(held.map((n) => 10 * n))
  expect([...offsets]).toEqual(held.map((n) => 100 * n))
})

test('what was read does not change with what comes', () => {
  const window = filled(3, 3)
  const { rows, targets } = window.read()
  window.add(...label(9))
  expect([rows.map(([first]) => first), [...targets]]).toEqual([
    [1, 2, 3],
    [10, 20, 30],
  ])
})

test('all rows stand in one piece of memory, so that they are sent as one', () => {
  const { rows } = filled(3, 3).read()
  expect(new Set(rows.map((row) => row.buffer)).size).toBe(1)
})

test('begins anew once cleared, with rows of any length', () => {
  const window = filled(3, 5)
  window.clear()
  window.add(Float64Array.of(7, 8, 9), 1, 2)
  expect(window.read().rows.map((row) => [...row])).toEqual([[7, 8, 9]])
})
