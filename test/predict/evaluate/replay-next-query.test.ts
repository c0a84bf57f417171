import { describe, expect, it } from 'vitest'
import { NextQueryReplay, type NextScores } from '../../../src/predict/evaluate/replay-next-query.js'
import { generateSessions } from '../generate-sessions.js'

const seeds = [1, 2, 3, 4, 5, 6]

function replayed(seed: number, random: boolean, users = 20, sessions = 40): NextScores {
  const replay = new NextQueryReplay()
  for (const line of generateSessions({ users, sessions, seed, random })) replay.add(line)
  return replay.finish().template
}

describe('the next template of a session', () => {
  it.each(seeds)('is right when it is said, and said often, where users walk chains with noise (seed %i)', (seed) => {
    const { precision, coverage } = replayed(seed, false)
    expect(precision).toBeGreaterThanOrEqual(0.8)
    expect(coverage).toBeGreaterThanOrEqual(0.35)
  })

  it('is said of many users with few sessions each too, most of whom do as others do', () => {
    const scores = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((seed) => replayed(seed, false, 60, 15))
    const coverage = scores.reduce((sum, score) => sum + (score.coverage as number), 0) / scores.length
    console.log(`spoken ${coverage} of times`)
    expect(Math.min(...scores.map(({ precision }) => precision as number))).toBeGreaterThanOrEqual(0.8)
    expect(coverage).toBeGreaterThanOrEqual(0.48)
  })

  it.each(seeds)('is never said where the next is drawn at random (seed %i)', (seed) => {
    expect(replayed(seed, true)).toMatchObject({ precision: null, coverage: 0 })
  })
})
