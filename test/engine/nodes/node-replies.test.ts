import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { FleetListener, NodeFleet } from '../../../src/allocate/node-fleet.js'
import { NodeReplies } from '../../../src/engine/embedded/nodes/node-replies.js'
import type { StoredSegment } from '../../../src/model/segment.js'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

function setUp() {
  let listener: FleetListener | undefined
  const fleet = {
    nodes: () => [],
    send: () => true,
    subscribe: (each: FleetListener) => {
      listener = each
      return () => {}
    },
  } as unknown as NodeFleet
  const replies = new NodeReplies(fleet)
  const say = (taskId: string): void => listener?.message('n1', 1, { type: 'stored', taskId, stored: storedAs(taskId) })
  const took: string[] = []
  const ask = (taskId: string): void => replies.whenStored(taskId, (stored) => took.push(stored.id))
  return { say, ask, took }
}

const storedAs = (id: string): StoredSegment => ({ id }) as StoredSegment

it('gives what was stored to whoever asked for it, before or after it was', () => {
  const { say, ask, took } = setUp()
  ask('t1')
  say('t1')
  say('t2')
  ask('t2')
  expect(took).toEqual(['t1', 't2'])
  say('t1')
  expect(took).toEqual(['t1', 't2'])
})

it('keeps no timer for what is never stored, and forgets it after a minute', () => {
  const { say, ask, took } = setUp()
  ask('never')
  vi.advanceTimersByTime(59_000)
  ask('later')
  expect(vi.getTimerCount()).toBe(0)
  vi.advanceTimersByTime(2_000)
  ask('last')
  for (const taskId of ['never', 'later', 'last']) say(taskId)
  expect(took).toEqual(['later', 'last'])
})

it('holds what nobody asked for five seconds', () => {
  const { say, ask, took } = setUp()
  say('t1')
  vi.advanceTimersByTime(4_000)
  say('t2')
  vi.advanceTimersByTime(2_000)
  say('t3')
  for (const taskId of ['t1', 't2', 't3']) ask(taskId)
  expect(took).toEqual(['t2', 't3'])
})
