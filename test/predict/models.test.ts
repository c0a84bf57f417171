import { describe, expect, it } from 'vitest'
import { binRows } from '../../src/predict/boosting/bins.js'
import { TreeEnsemble } from '../../src/predict/boosting/boosted-trees.js'
import { fitTrees } from '../../src/predict/boosting/fit-trees.js'
import { median, select } from '../../src/predict/boosting/select.js'
import { BoundedMap } from '../../src/predict/bounded-map.js'
import { complexity, complexityOfText } from '../../src/predict/complexity.js'
import { ConformalInterval, sideOf } from '../../src/predict/conformal.js'
import { RecursiveLeastSquares } from '../../src/predict/least-squares.js'
import { HeatBook } from '../../src/predict/load-score.js'
import { NeedModel } from '../../src/predict/need-model.js'
import { SlidingQuantiles } from '../../src/predict/sliding-quantiles.js'
import { normal, seeded } from './seeded.js'

describe('load score', () => {
  it('weighs operators, and counts a second join twice', () => {
    expect(complexity([{ type: 'scan', detail: '' }])).toBe(1)
    expect(complexity([])).toBe(1)
    expect(complexityOfText('aggregate', 'scan; join; join; aggregate')).toBe(1 + 2.5 + 2.5 + 2)
    expect(complexityOfText('aggregate', 'sum(x) by y')).toBe(2)
  })

  it('sums decayed count × complexity over hot segments only', () => {
    const work = [
      { node: 'n1', segment: 'a', transformation: 'sort', detail: 'by x', decayedCount: 2 },
      { node: 'n1', segment: 'b', transformation: 'scan', detail: 't', decayedCount: 0.2 },
      { node: 'n2', segment: 'a', transformation: 'scan', detail: 't', decayedCount: 1 },
    ]
    expect(Object.fromEntries(new HeatBook().of(work).scores)).toEqual({ n1: 6, n2: 1 })
  })

  it('counts the hot segments that a node worked on, each once', () => {
    const row = { node: 'n1', transformation: 'scan', detail: 't', decayedCount: 0.4 }
    const heat = new HeatBook().of([
      { ...row, segment: 'a' },
      { ...row, segment: 'a', transformation: 'sort' },
      { ...row, segment: 'b' },
      { ...row, segment: 'b', node: 'n2' },
      { ...row, segment: 'c' },
    ])
    expect(['a', 'b', 'c', 'd'].map((segment) => heat.isHot(segment))).toEqual([true, true, false, false])
    expect(Object.fromEntries(heat.worked)).toEqual({ n1: 2, n2: 1 })
  })

  it('keeps answers apart, however many segments came before', () => {
    const heats = new HeatBook()
    const rows = (from: number) =>
      Array.from({ length: 15_000 }, (_, i) => {
        return { node: 'n1', segment: `s${from + i}`, transformation: 'scan', detail: 't', decayedCount: 1 }
      })
    const [first, second, third] = [0, 10_000, 20_000].map((from) => heats.of(rows(from)))
    for (const heat of [first, second, third]) expect(Object.fromEntries(heat?.worked ?? [])).toEqual({ n1: 15_000 })
    expect(['s0', 's12000', 's22000', 's34999'].map((id) => first?.isHot(id))).toEqual([true, true, false, false])
    expect(['s0', 's12000', 's22000', 's34999'].map((id) => third?.isHot(id))).toEqual([false, false, true, true])
  })
})

describe('need = base + score × factor', () => {
  it('recovers base and factor of each node', () => {
    const needs = new NeedModel()
    const random = seeded(3)
    for (let i = 0; i < 400; i++) {
      const score = 50 * random()
      needs.observe('cpuMs', 'n1', score, 40 + 3 * score + normal(random))
      needs.observe('cpuMs', 'n2', score, 10 + 0.5 * score + normal(random))
      needs.observe('memoryBytes', 'n1', score, 5e7 + 1e6 * score)
    }
    expect(needs.line('cpuMs', 'n1')?.base).toBeCloseTo(40, 0)
    expect(needs.line('cpuMs', 'n1')?.factor).toBeCloseTo(3, 1)
    expect(needs.line('cpuMs', 'n2')?.base).toBeCloseTo(10, 0)
    expect(needs.line('cpuMs', 'n2')?.factor).toBeCloseTo(0.5, 1)
    expect(needs.line('memoryBytes', 'n1')?.factor).toBeCloseTo(1e6, -2)
  })

  it('lends a new node what all nodes share, and nothing before anything was seen', () => {
    const needs = new NeedModel()
    expect(needs.need('cpuMs', 'n9', 1)).toBeUndefined()
    for (let i = 0; i < 50; i++) needs.observe('cpuMs', 'n1', i, 5 + 2 * i)
    expect(needs.need('cpuMs', 'n9', 10)).toBeCloseTo(25, 1)
  })
})

describe('recursive least squares', () => {
  it('recovers weights, and keeps them when something is not a number', () => {
    const model = new RecursiveLeastSquares(3)
    const random = seeded(4)
    for (let i = 0; i < 500; i++) {
      const x = [1, normal(random), normal(random)]
      model.update(x, 2 - 3 * (x[1] as number) + 0.5 * (x[2] as number))
    }
    const weights = [...model.weights]
    model.update([1, Number.NaN, 0], 1)
    model.update([1, 1, 1], Number.POSITIVE_INFINITY)
    expect([...model.weights]).toEqual(weights)
    expect(weights[1]).toBeCloseTo(-3, 2)
  })

  it('stays finite when a direction is never observed again', () => {
    const model = new RecursiveLeastSquares(2, { forgetting: 0.9 })
    model.update([0, 1], 1)
    for (let i = 0; i < 20_000; i++) model.update([1, 0], 1)
    model.update([1, 1], 3)
    expect(model.predict([1, 1])).toBeCloseTo(3, 1)
  })
})

describe('intervals', () => {
  it('count what is still growing as censored, as the product-limit estimator does', () => {
    const random = seeded(14)
    for (let round = 0; round < 40; round++) {
      const interval = new ConformalInterval({ gain: 0, nominal: 0.8998 })
      const ended = Array.from({ length: 60 }, () => normal(random))
      for (const residual of ended) interval.observe(residual, 'inside')
      const grown = Float64Array.from({ length: Math.floor(12 * random()) }, () => normal(random) + 1)
      const { low, high } = interval.bounds(grown.slice())
      const slack = 1 / 61
      expect(low).toBeCloseTo(Math.min(0, productLimit(ended, grown, 0.0501)) - slack, 9)
      expect(high).toBeCloseTo(Math.max(0, productLimit(ended, grown, 0.9499)) + slack, 9)
    }
  })

  it.each([1, 2, 3])('hold nine times out of ten, also when the world changes (seed %i)', (seed) => {
    const interval = new ConformalInterval()
    const random = seeded(seed)
    let inside = 0
    let worst = 1
    const last: number[] = []
    for (let i = 0; i < 4000; i++) {
      const residual = normal(random) * (i < 2000 ? 0.3 : 0.9)
      const { low, high } = interval.bounds()
      const held = residual >= low && residual <= high
      if (i >= 300) {
        inside += held ? 1 : 0
        last.push(held ? 1 : 0)
        if (last.length > 500) last.shift()
        if (last.length === 500) worst = Math.min(worst, last.reduce((a, b) => a + b, 0) / 500)
      }
      interval.observe(residual, sideOf(residual, low, high))
    }
    expect(inside / 3700).toBeGreaterThan(0.88)
    expect(inside / 3700).toBeLessThan(0.92)
    expect(worst).toBeGreaterThan(0.75)
  })

  it('abstains while it does not hold', () => {
    const interval = new ConformalInterval()
    expect(interval.abstains).toBe(true)
    for (let i = 0; i < 100; i++) interval.observe(0.1, 'inside')
    expect(interval.abstains).toBe(false)
    for (let i = 0; i < 100; i++) interval.observe(5, 'above')
    expect(interval.abstains).toBe(true)
  })
})

/** The estimator by its definition: one factor per ended one, in order. */
function productLimit(ended: readonly number[], grown: Float64Array, share: number): number {
  let survival = 1
  const sorted = [...ended].sort((a, b) => a - b)
  for (const [i, value] of sorted.entries()) {
    survival *= 1 - 1 / (sorted.length - i + grown.filter((other) => other >= value).length)
    if (1 - survival > share + 1e-12) return value
  }
  return Math.max(sorted.at(-1) as number, ...grown)
}

it('selects as sorting would', () => {
  const random = seeded(15)
  for (let round = 0; round < 200; round++) {
    const values = Float64Array.from({ length: 1 + Math.floor(40 * random()) }, () => Math.floor(12 * random()))
    const sorted = values.slice().sort()
    const k = Math.floor(values.length * random())
    expect(select(values.slice(), values.length, k)).toBe(sorted[k])
    const half = values.length >> 1
    const middle = values.length % 2 === 1 ? sorted[half] : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2
    expect(median(values)).toBe(middle)
  }
})

describe('boosted trees', () => {
  const random = seeded(5)
  const rows = Array.from({ length: 1500 }, () => Float64Array.of(random() * 10, random() * 10, random() * 10, 7))
  const truth = (x: ArrayLike<number>): number => (((x[0] as number) > 5 ? 3 : 0) + Math.sin(x[1] as number)) * 2
  const target = Float64Array.from(rows, (row) => truth(row) + 0.1 * normal(random))

  it.each(['absolute', 'huber'] as const)('find steps, curves and interactions (%s)', (loss) => {
    const options = { loss, trees: 80, depth: 4, rate: 0.1, leafMin: 10, rowShare: 0.8, columnShare: 1, seed: 1 }
    const trees = fitTrees(binRows(rows, 4, 32), target, options)
    const model = new TreeEnsemble(trees)
    const errors = rows.map((row) => Math.abs(model.predict(row) - truth(row)))
    expect(errors.reduce((a, b) => a + b, 0) / errors.length).toBeLessThan(0.25)
    expect(new TreeEnsemble(JSON.parse(JSON.stringify(trees))).predict([1, 2, 3, 7])).toBe(model.predict([1, 2, 3, 7]))
    expect(fitTrees(binRows(rows, 4, 32), target, options)).toEqual(trees)
  })

  it('learn nothing from nothing', () => {
    const options = { loss: 'huber', trees: 3, depth: 4, rate: 0.1, leafMin: 10, rowShare: 1, columnShare: 1, seed: 1 } as const
    const trees = fitTrees(binRows([Float64Array.of(1)], 1, 32), [4], options)
    expect(new TreeEnsemble(trees).predict([9])).toBe(4)
  })
})

describe('bounded collections', () => {
  it('forget what was used longest ago', () => {
    const map = new BoundedMap<number>(2)
    map.set('a', 1)
    map.set('b', 2)
    map.touch('a', () => 0)
    map.set('c', 3)
    expect([...map.entries()]).toEqual([
      ['a', 1],
      ['c', 3],
    ])
  })

  it('give quantiles of the last numbers as sorting would', () => {
    const random = seeded(6)
    const sliding = new SlidingQuantiles(50)
    const all: number[] = []
    for (let i = 0; i < 300; i++) {
      const value = Math.floor(20 * random())
      sliding.add(value)
      all.push(value)
      const sorted = all.slice(-50).sort((a, b) => a - b)
      for (const p of [0, 0.1, 0.5, 0.9, 1]) {
        expect(sliding.quantile(p)).toBe(sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))])
      }
    }
    expect(sliding.snapshot()).toEqual(all.slice(-50))
  })
})
