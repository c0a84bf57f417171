import { expect, it } from 'vitest'
import { EventHub, type EventKind, eventKinds, type ServerEvent, type Subscription } from '../../src/server/event-hub.js'

const all = new Set<EventKind>(eventKinds)

function takeAll(subscription: Subscription): readonly ServerEvent[] {
  const taken: ServerEvent[] = []
  for (let event = subscription.take(); event !== undefined; event = subscription.take()) taken.push(event)
  return taken
}
const payloads = (events: readonly ServerEvent[]): readonly unknown[] => events.map(({ data }) => JSON.parse(data) as unknown)

it('gives each listener the kinds it asked for, and wakes it', () => {
  const hub = new EventHub()
  let woken = 0
  const nodes = hub.subscribe(new Set<EventKind>(['node']), undefined, () => {
    woken += 1
  })
  hub.publish('query', { a: 1 })
  hub.publish('node', { b: 2 })
  expect(woken).toBe(1)
  expect(takeAll(nodes)).toEqual([{ id: 2, kind: 'node', data: '{"b":2}' }])
  expect(nodes.take()).toBeUndefined()
})

it('drops what a slow listener does not take, and says how much', () => {
  const hub = new EventHub()
  const slow = hub.subscribe(all, undefined, () => {})
  for (let index = 0; index < 1_500; index += 1) hub.publish('query', index)
  const taken = takeAll(slow)
  expect(payloads(taken.slice(0, -1))).toEqual(Array.from({ length: 1_000 }, (_, index) => index))
  expect(taken.at(-1)).toEqual({ kind: 'dropped', data: '{"count":500}' })
})

it('tells of a gap in its place, before what came after it', () => {
  const hub = new EventHub()
  const slow = hub.subscribe(all, undefined, () => {})
  for (let index = 0; index < 1_001; index += 1) hub.publish('query', index)
  expect(slow.take()?.id).toBe(1)
  hub.publish('query', 'also lost')
  const rest = takeAll(slow)
  hub.publish('query', 'again there')
  expect([...rest, ...takeAll(slow)].slice(-3).map(({ data }) => data)).toEqual(['999', '{"count":2}', '"again there"'])
})

it('keeps no more text for a listener, or for who comes back, than it has room for', () => {
  const hub = new EventHub()
  const slow = hub.subscribe(all, undefined, () => {})
  for (let index = 0; index < 12; index += 1) hub.publish('query', 'x'.repeat(990_000))
  const ofSlow = takeAll(slow)
  expect(ofSlow.map(({ id }) => id)).toEqual([1, 2, 3, 4, undefined])
  expect(ofSlow.at(-1)?.data).toBe('{"count":8}')
  expect(takeAll(hub.subscribe(all, 0, () => {})).map(({ id }) => id)).toEqual([9, 10, 11, 12])
})

it('tells at once of an event that is too long to be kept', () => {
  const hub = new EventHub()
  let woken = 0
  const listener = hub.subscribe(all, undefined, () => {
    woken += 1
  })
  hub.publish('query', 'x'.repeat(5_000_000))
  expect([woken, takeAll(listener)]).toEqual([1, [{ kind: 'dropped', data: '{"count":1}' }]])
})

it('gives what was missed since an id', () => {
  const hub = new EventHub()
  for (let index = 1; index <= 5; index += 1) hub.publish('query', index)
  const late = hub.subscribe(all, 3, () => {})
  expect(payloads(takeAll(late))).toEqual([4, 5])
})

it('forgets a listener that has gone', () => {
  const hub = new EventHub()
  const gone = hub.subscribe(all, undefined, () => {})
  gone.close()
  hub.publish('query', 1)
  expect(gone.take()).toBeUndefined()
  expect(hub.listeners).toBe(0)
})
