import { beforeEach, describe, expect, it } from 'vitest'
import type { TaskMessage } from '../../src/model/messages.js'
import { FakeFleet } from './fake-fleet.js'

const first = {
  taskId: 't1',
  attempt: 1,
  inputs: [],
  output: { to: 'segment', segment: 's1', columns: [] },
} as unknown as TaskMessage
const last: TaskMessage = { ...first, taskId: 't2' }

describe('a node that is asked to go', () => {
  let fleet: FakeFleet
  beforeEach(async () => {
    fleet = new FakeFleet(1, 2)
    await fleet.start('n1')
    fleet.becomeReady('n1')
  })

  it('goes at once when it has nothing to do', async () => {
    await fleet.stop('n1')
    expect(fleet.gone()).toEqual(['n1'])
  })

  it.each<[string, () => unknown]>([
    ['ends', () => fleet.finish('n1', last)],
    ['is refused', () => fleet.refuse('n1', last, 'it is full')],
    ['is cancelled', () => fleet.send('n1', { type: 'cancel', taskId: last.taskId, dispatch: 0 })],
  ])('goes when the last of its tasks %s', async (_, end) => {
    for (const task of [first, last]) fleet.send('n1', { type: 'run', task })
    await fleet.stop('n1')
    fleet.finish('n1', first)
    expect(fleet.gone()).toEqual([])
    end()
    await Promise.resolve()
    expect(fleet.gone()).toEqual(['n1'])
  })
})
