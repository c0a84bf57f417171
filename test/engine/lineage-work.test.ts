import { expect, it } from 'vitest'
import { Predictions } from '../../src/engine/embedded/predictions.js'
import { systemClock } from '../../src/model/clock.js'
import type { NodeWork } from '../../src/predict/prediction.js'

it('holds what lineage says of the segments of many queries within a number of rows', async () => {
  const asked: string[] = []
  const rows = 3_000
  const predictions = new Predictions({
    predictor: undefined,
    reader: {
      work: async ([segment = '']) => {
        asked.push(segment)
        const row = { node: 'n1', segment, transformation: 'scan', detail: '', decayedCount: 1 }
        return Array.from({ length: rows }, (): NodeWork => row)
      },
    },
    clock: systemClock,
    emit: () => {},
    onError: () => {},
  })
  const ask = (segment: string) => predictions.work([segment], 1_000)
  for (let number = 0; number < 10; number++) await ask(`s-${number}`)
  expect((await ask('s-9')).length).toBe(rows)
  expect(asked.length).toBe(10)
  await ask('s-0')
  expect(asked.slice(10)).toEqual(['s-0'])
})
