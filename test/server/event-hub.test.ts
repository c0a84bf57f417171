import { expect, it } from 'vitest'
import { EventHub, type EventKind, eventKinds } from '../../src/server/event-hub.js'

const all = new Set<EventKind>(eventKinds)

it('gives each listener the kinds it asked for, and wakes it', () => {
  const hub = new EventHub()
  let woken = 0
  const nodes = hub.subscribe(new Set<EventKind>(['node']), undefined, () => {
    woken += 1
  })
  hub.publish('query', { a: 1 })
  hub.publish('node', { b: 2 })
  expect(woken).toBe(1)
  expect(nodes.take().events.map(({ payload }) => payload)).toEqual([{ b: 2 }])
  expect(nodes.take()).toEqual({ events: [], dropped: 0 })
})

it('drops what a slow listener does not take, and says how much', () => {
  const hub = new EventHub()
  const slow = hub.subscribe(all, undefined, () => {})
  for (let index = 0; index < 1_500; index += 1) hub.publish('query', index)
  const { events, dropped } = slow.take()
  expect([events.length, dropped]).toEqual([1_000, 500])
})

it('gives what was missed since an id', () => {
  const hub = new EventHub()
  for (let index = 1; index <= 5; index += 1) hub.publish('query', index)
  const late = hub.subscribe(all, 3, () => {})
  expect(late.take().events.map(({ payload }) => payload)).toEqual([4, 5])
})

it('forgets a listener that has gone', () => {
  const hub = new EventHub()
  const gone = hub.subscribe(all, undefined, () => {})
  gone.close()
  hub.publish('query', 1)
  expect(gone.take().events).toEqual([])
  expect(hub.listeners).toBe(0)
})
