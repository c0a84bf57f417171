import { join } from 'node:path'
import { expect, it } from 'vitest'
import { GraphDatabase } from '../../src/lineage/graph-database.js'
import { LineageLog } from '../../src/lineage/lineage-log.js'
import { temporaryFolder } from './lineage-fixtures.js'

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
