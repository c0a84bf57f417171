import { join } from 'node:path'
import { expect, it } from 'vitest'
import { GraphExports } from '../../../src/lineage/export/graph-exports.js'
import { graphFormat } from '../../../src/lineage/export/graph-formats.js'
import { LineageLog } from '../../../src/lineage/log/lineage-log.js'
import { GraphDatabase } from '../../../src/lineage/projection/graph-database.js'
import { temporaryFolder } from '../lineage-fixtures.js'

it('neither ends an export of a thread that has died nor goes on with that of somebody else', () => {
  const path = join(temporaryFolder(), 'graph.sqlite')
  const log = LineageLog.open(':memory:', 1 << 20)
  new GraphDatabase(path, log).close()
  log.close()
  const before = new GraphExports(path)
  const after = new GraphExports(path)
  const id = before.open('cypher')
  after.open('cypher')
  expect(() => after.next(id)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }))
  while (before.next(id) !== undefined) continue
  expect(before.next(id)).toBeUndefined()
  before.closeAll()
  after.closeAll()
})

it('escapes in GraphML what a reader of XML would take for a space', () => {
  const text = graphFormat('graphml').vertex({
    type: 'DataSegment',
    id: 'x\ty\nz\r',
    kind: 'external',
    dataset: null,
    version: null,
    rows: 0,
    bytes: 0,
    location: null,
  })
  expect(text).toContain('id="x&#9;y&#10;z&#13;"')
})
