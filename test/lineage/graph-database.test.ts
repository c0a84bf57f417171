import { join } from 'node:path'
import { expect, it } from 'vitest'
import { GraphDatabase } from '../../src/lineage/graph-database.js'
import { LineageLog } from '../../src/lineage/lineage-log.js'
import { baseRead, brokenEvent, snapshotEvent, taskEvent, temporaryFolder } from './lineage-fixtures.js'

it('is at its old offset again after a transaction that failed, and at none after it was cleared', () => {
  const log = LineageLog.open(join(temporaryFolder(), 'log.sqlite'), 1 << 20)
  const graph = new GraphDatabase(':memory:', log)
  graph.change(() => graph.graph.setOffset(3))
  const fail = (): void => {
    graph.graph.setOffset(7)
    throw new Error('no room')
  }
  expect(() => graph.change(fail)).toThrow('no room')
  expect(graph.offset()).toBe(3)
  graph.change(() => graph.clear())
  expect(graph.offset()).toBe(0)
  graph.close()
  log.close()
})

it('sets nothing aside for want of room, and tries an event that was set aside again when it is made anew', () => {
  const log = LineageLog.open(join(temporaryFolder(), 'log.sqlite'), 1 << 20)
  const events = [snapshotEvent('S1', 't', 500), brokenEvent('t1')]
  const sound = taskEvent('t1', { base: [baseRead('S1', 't', [1])] })
  log.append(
    events.map(({ id }) => id),
    events.map((event) => JSON.stringify(event)),
    0,
  )
  const graph = new GraphDatabase(':memory:', log)
  const { page_count } = graph.database.prepare('PRAGMA page_count').get() as { page_count: number }
  graph.database.exec(`PRAGMA max_page_count = ${page_count + 1}`)
  expect(() => graph.advance(2)).toThrow('full')
  expect([graph.offset(), graph.setAside()]).toEqual([0, 0])
  graph.database.exec('PRAGMA max_page_count = 10000')
  expect(graph.advance(2)).toBe(2)
  expect([graph.offset(), graph.setAside()]).toEqual([2, 1])
  expect(log.read(1, 1)).toMatchObject([{ marks: { setAside: true } }])
  log.sql.run('UPDATE log SET body = ? WHERE offset = 1', JSON.stringify(sound))
  graph.change(() => graph.clear())
  graph.advance(2)
  expect(graph.setAside()).toBe(0)
  expect(log.read(1, 1)).toMatchObject([{ marks: {} }])
  graph.close()
  log.close()
})
