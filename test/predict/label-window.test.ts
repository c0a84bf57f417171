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

test('holds the same labels after a restart, to three digits of what trees compare', () => {
  const window = new LabelWindow(5)
  for (let n = 1; n <= 8; n++) window.add(Float64Array.of(n / 3, -1e6 * n, 0), n / 7, n)
  const again = new LabelWindow(5)
  again.add(Float64Array.of(7), 1, 2)
  again.restore(JSON.parse(JSON.stringify(window.snapshot())))
  again.add(Float64Array.of(3, -9e6, 0), 9 / 7, 9)
  const held = [5, 6, 7, 8, 9]
  const { rows, targets, offsets } = again.read()
  for (const [i, n] of held.entries()) {
    expect((rows[i]?.[0] as number) / (n / 3)).toBeCloseTo(1, 2)
    expect((rows[i]?.[1] as number) / (-1e6 * n)).toBeCloseTo(1, 2)
    expect(rows[i]?.[2]).toBe(0)
    expect(targets[i]).toBeCloseTo(n / 7, 6)
  }
  expect([...offsets]).toEqual(held)
})

test('is saved in less than half a megabyte, the latest labels where there are more', () => {
  const window = new LabelWindow(4000)
  for (let n = 1; n <= 4100; n++) window.add(new Float64Array(44).fill(n), n, 0)
  const saved = JSON.stringify(window.snapshot())
  expect(saved.length).toBeLessThan(500_000)
  const again = new LabelWindow(4000)
  again.restore(JSON.parse(saved))
  const { targets } = again.read()
  expect([targets.length, targets.at(-1)]).toEqual([3000, 4100])
})
