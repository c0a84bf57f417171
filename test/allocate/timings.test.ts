import { describe, expect, it } from 'vitest'
import { Timings } from '../../src/allocate/timings.js'

describe('learned durations', () => {
  it('are means and deviations as of round trips', () => {
    const timings = new Timings()
    timings.observe('start-node', 800)
    timings.observe('start-node', 1600)
    expect(timings.mean('start-node', 1)).toBe(900)
    expect(timings.upper('start-node', 1)).toBe(900 + 4 * 500)
  })

  it('are kept of the latest names, over a restart too', () => {
    const timings = new Timings()
    for (let i = 0; i < 20_000; i++) {
      timings.observe('precompute', 100)
      timings.observe(`precompute t${i}`, 200)
    }
    const kept = timings.snapshot()
    expect(kept).toHaveLength(5000)
    expect(timings.mean('precompute', 1)).toBe(100)
    expect(timings.mean('precompute t19999', 1)).toBe(200)
    expect(timings.mean('precompute t0', 1)).toBe(1)
    const restored = new Timings()
    restored.restore([['precompute old', 300, 0], ...kept])
    expect(restored.snapshot()).toEqual(kept)
  })
})
