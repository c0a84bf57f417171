import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openScene, runQuery } from '../simulation/simulated-query.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const nodes = ['n1', 'n2', 'n3', 'n4']
const segments = nodes.map((node) => `s-${node}`)

/** A query with a leaf on each of four nodes, of which `slow` does nothing (or, `late`, ends it together with whoever began it again); others end what they are given every 10 ms. */
async function ask(slow: string, late = false) {
  const attempts: string[] = []
  const unused: string[] = []
  const answers: (readonly string[])[] = []
  const { fleet, dispatcher, context } = await openScene(nodes, 'q', ({ task, node, state }) => {
    if (state === 'running') attempts.push(`${task.taskId} on ${node}`)
  })
  void runQuery('q', segments, nodes, context, ({ id }) => void unused.push(id)).then((rows) => answers.push(rows))
  const startedAt = Date.now()
  for (let step = 0; answers.length === 0 && step < 1_000; step++) {
    const again = late && fleet.busy().some(({ task }) => task.taskId.endsWith('-h'))
    for (const { node, task } of fleet.busy()) if (node !== slow || again) fleet.finish(node, task)
    await vi.advanceTimersByTimeAsync(10)
  }
  const tookMs = Date.now() - startedAt
  // What the slow node still has it ends now, far too late.
  for (const { node, task } of fleet.busy()) fleet.finish(node, task)
  await vi.advanceTimersByTimeAsync(1_000)
  await dispatcher.close()
  return { rows: answers[0], tookMs, attempts, unused }
}

it('runs the leaf of a slow node once more elsewhere, uses one of the two, and gives that node no more of the query', async () => {
  const { rows, tookMs, attempts } = await ask('n3')
  expect(rows?.toSorted()).toEqual(segments)
  const again = attempts.filter((attempt) => attempt.startsWith('q-l2'))
  expect(again[0]).toBe('q-l2 on n3')
  expect(again.length).toBe(2)
  expect(again[1]).not.toContain('n3')
  expect(attempts.filter((attempt) => attempt.endsWith('on n3'))).toEqual(['q-l2 on n3'])
  expect(tookMs).toBeGreaterThanOrEqual(1_000)
  expect(tookMs).toBeLessThan(3_000)
})

it('tells of what the slower attempt has made where both have ended', async () => {
  const { rows, unused } = await ask('n3', true)
  expect(rows?.toSorted()).toEqual(segments)
  expect(unused).toEqual(['d-s-n3'])
})

it('runs each leaf once where no node is slow', async () => {
  const { rows, attempts } = await ask('none')
  expect(rows?.toSorted()).toEqual(segments)
  expect(attempts.filter((attempt) => /q-l\d/.test(attempt))).toHaveLength(4)
})
