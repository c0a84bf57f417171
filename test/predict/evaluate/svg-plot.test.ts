import { expect, it } from 'vitest'
import { type PlotOptions, plot } from '../../../src/predict/evaluate/svg-plot.js'

const options: PlotOptions = {
  title: 'a < b',
  x: { label: 'x', from: 0, to: 5100 },
  y: { label: 'y', from: 1, to: 20, log: true },
  kind: 'line',
}
const points = [
  [0, 2],
  [5100, 200],
] as const

it('has round numbers at its axes', () => {
  const drawn = plot(options, [])
  const numbers = [...drawn.matchAll(/<text [^>]*>([\d.]+)<\/text>/g)].map(([, number]) => number)
  expect(numbers).toEqual(['0', '1000', '2000', '3000', '4000', '5000', '1', '2', '5', '10', '20'])
})

it('writes large numbers short', () => {
  const x = { label: 'x', from: 1000, to: 10_000_000, log: true }
  const numbers = [...plot({ ...options, x }, []).matchAll(/text-anchor="middle">([\dkM]+)</g)].map(([, number]) => number)
  expect(numbers).toEqual(['1000', '10k', '100k', '1M', '10M'])
})

it('cuts off what lies beyond its axes, where a line along the edge would say what is not so', () => {
  const drawn = plot(options, [{ name: 'rule', points }])
  const [, box, end] = drawn.match(/<svg x="56" y="(\d+)"[^>]*><polyline points="[\d.]+,[\d.]+ [\d.]+,(-?[\d.]+)"/) ?? []
  expect(Number(box)).toBe(28)
  expect(Number(end)).toBeLessThan(0)
})

it('draws a single point at the edge whole, and none beyond it', () => {
  const drawn = plot({ ...options, kind: 'dots' }, [
    { name: 'corner', points: [[0, 20]] },
    { name: 'beyond', points: [[6000, 2]] },
  ])
  expect(drawn).toMatch(/<\/svg><circle cx="56.0" cy="28.0" r="4"[^>]*><\/svg>/)
  expect(drawn).toMatch(/<svg x="56"[^>]*><circle cx="\d{3}\.\d" [^>]*><\/svg>/)
})

it('draws ours above the others, each in the colour of its name', () => {
  const drawn = plot(options, [
    { name: 'ours', points, main: true },
    { name: 'rule', points },
  ])
  const lines = [...drawn.matchAll(/stroke="(#\w+)" stroke-width="([\d.]+)"/g)].map(([, colour, width]) => [colour, width])
  expect(lines).toEqual([
    ['#c2571a', '1.2'],
    ['#0b5fa5', '2.5'],
  ])
  expect(drawn).toContain('background:#0b5fa5"></i>ours')
})
