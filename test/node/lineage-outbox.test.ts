import { afterAll, describe, expect, it } from 'vitest'
import type { TaskEvent } from '../../src/model/lineage-event.js'
import { LineageOutbox } from '../../src/node/lineage-outbox.js'
import { NodeUnderTest, task, testFolder, toClient } from './node-under-test.js'

const folder = testFolder()
afterAll(() => folder.remove())

function event(id: string): TaskEvent {
  return { id } as TaskEvent
}

function outbox(limits = { eventsPerBatch: 3, delayMs: 5, eventsMax: 8 }) {
  const sent: { batch: number; ids: string[] }[] = []
  const box = new LineageOutbox((batch, events) => sent.push({ batch, ids: events.map(({ id }) => id) }), limits)
  return { box, sent }
}

describe('the lineage outbox', () => {
  it('sends a full batch at once and a smaller one soon', async () => {
    const { box, sent } = outbox()
    for (const id of ['a', 'b', 'c', 'd']) box.add(event(id))
    expect(sent).toEqual([{ batch: 1, ids: ['a', 'b', 'c'] }])
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(sent[1]).toEqual({ batch: 2, ids: ['d'] })
  })

  it('holds events until they are acknowledged and then is empty', async () => {
    const { box, sent } = outbox()
    box.add(event('a'))
    let empty = false
    const drained = box.drained().then(() => {
      empty = true
    })
    await Promise.resolve()
    expect([box.held, empty, sent.length]).toEqual([1, false, 1])
    box.acknowledge(1)
    await drained
    expect(box.held).toBe(0)
    box.acknowledge(1)
    expect(box.held).toBe(0)
  })

  it('is full at its limit, and drops nothing', () => {
    const { box, sent } = outbox()
    for (let at = 0; at < 9; at++) box.add(event(String(at)))
    expect(box.isFull).toBe(true)
    expect(sent.flatMap(({ ids }) => ids)).toHaveLength(9)
    box.acknowledge(1)
    expect(box.isFull).toBe(false)
  })
})

describe('a node', () => {
  it('is not drained before its events are acknowledged', async () => {
    const node = new NodeUnderTest(folder.path)
    await node.ready()
    node.acknowledges = false
    const message = task('SELECT 1', toClient([]))
    await node.finished(message)
    const told = await node.event(message)
    expect(told).toMatchObject({ node: 'n1', incarnation: 1, role: 'root', queryId: message.queryId, kind: 'task' })
    node.send({ type: 'drain' })
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(node.messages.some((sent) => sent.type === 'drained')).toBe(false)
    for (const batch of node.messages)
      if (batch.type === 'lineage') node.send({ type: 'lineage-acknowledged', batch: batch.batch })
    await node.next('drained')
    await node.stop()
  })
})
