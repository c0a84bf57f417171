import { expect, it } from 'vitest'
import { aggregatorTask, type DraftContext, type SplitWork } from '../../../src/engine/embedded/tasks/work-draft.js'

it('tells the aggregators of a later round apart by their ids', () => {
  const stage = { sql: 'SELECT 1', columns: [], operators: [] }
  const work = { shape: 'split', leaf: stage, merge: stage } as unknown as SplitWork
  const idIn = (round: number) =>
    aggregatorTask({ queryId: 'q', plan: {}, round } as unknown as DraftContext, work, 'a1-1', []).taskId
  expect([idIn(1), idIn(2)]).toEqual(['q-a1-1', 'q-t2-a1-1'])
})
