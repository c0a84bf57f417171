import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openScene, runQuery } from '../simulation/simulated-query.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const nodes = ['n1', 'n2']

it('runs leaves and root again under names of their own when a partial was damaged', async () => {
  const finished: string[] = []
  const rows: string[] = []
  const { fleet, queue, dispatcher, context } = await openScene(nodes, 'q', ({ task, state, outcome }) => {
    if (state !== 'finished') return
    finished.push(task.taskId)
    expect(outcome?.taskId).toBe(task.taskId)
  })
  const query = runQuery('q', ['s1', 's2'], nodes, context).then((answer) => void rows.push(...answer))
  for (let step = 0; rows.length === 0 && step < 100; step++) {
    for (const { node, task } of fleet.busy()) {
      fleet.finish(node, task)
      if (task.taskId === 'q-l0') fleet.flipped.add([...fleet.spool.keys()][0] ?? '')
    }
    await vi.advanceTimersByTimeAsync(10)
  }
  await query
  expect(rows.toSorted()).toEqual(['s1', 's2'])
  expect(finished.toSorted()).toEqual(['q-l0', 'q-l0-r2', 'q-l1', 'q-l1-r2', 'q-root-r2'])
  expect(Object.values(queue.depth())).toEqual([0, 0, 0, 0])
  await dispatcher.close()
})
