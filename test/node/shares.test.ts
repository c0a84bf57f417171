import { describe, expect, it } from 'vitest'
import { Shares } from '../../src/node/shares.js'

function meter() {
  const used = { cpu: 0, memory: 1000 }
  return { used, shares: new Shares({ cpuMicros: () => used.cpu, memoryBytes: () => used.memory }) }
}

describe('shares', () => {
  it('give a task that runs alone all that was used meanwhile', () => {
    const { used, shares } = meter()
    used.cpu = 500
    const share = shares.start(1)
    used.cpu = 1700
    used.memory = 1800
    shares.settle()
    used.memory = 1200
    expect(share.stop()).toEqual({ cpuMicros: 1200, peakMemoryBytes: 800 })
    used.cpu = 9999
    expect(share.stop()).toEqual({ cpuMicros: 1200, peakMemoryBytes: 800 })
  })

  it('part what was used by threads while tasks ran together', () => {
    const { used, shares } = meter()
    const one = shares.start(1)
    used.cpu = 100
    const two = shares.start(3)
    used.cpu = 500
    expect(one.stop().cpuMicros).toBe(200)
    used.cpu = 600
    expect(two.stop().cpuMicros).toBe(400)
  })

  it('add up to what the process used', () => {
    const { used, shares } = meter()
    let total = 0
    let random = 7
    const running: ReturnType<Shares['start']>[] = []
    for (let step = 0; step < 1000; step++) {
      random = (random * 48271) % 2147483647
      used.cpu += running.length > 0 ? random % 100 : 0
      if (random % 3 === 0) running.push(shares.start(1 + (random % 4)))
      else total += running.shift()?.stop().cpuMicros ?? 0
    }
    for (const share of running) total += share.stop().cpuMicros
    expect(Math.abs(total - used.cpu)).toBeLessThan(1000)
  })
})
