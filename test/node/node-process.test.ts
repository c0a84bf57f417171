import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { baseInput, baseSegment, duckdb, jsonRowsOf, NodeUnderTest, task, testFolder, toClient } from './node-under-test.js'

const folder = testFolder()
const numbers = `${folder.path}/lake/numbers.parquet`
let node: NodeUnderTest

beforeAll(async () => {
  await duckdb(`COPY (SELECT range AS i, 'text ' || range AS s FROM range(10000)) TO '${numbers}'`)
  node = new NodeUnderTest(folder.path)
  await node.ready()
})
afterAll(async () => {
  await node.stop()
  folder.remove()
})

const columns = [
  { name: 'i', type: 'BIGINT' },
  { name: 's', type: 'VARCHAR' },
]

describe('a node', () => {
  it('answers a query over a Parquet file', async () => {
    const input = baseInput('__fb0', columns, [baseSegment(numbers, 10_000)])
    const outcome = await node.finished(task('SELECT i, s FROM __fb0 WHERE i < 3 ORDER BY i', toClient(columns), [input]))
    expect(jsonRowsOf(outcome)).toEqual([
      [0, 'text 0'],
      [1, 'text 1'],
      [2, 'text 2'],
    ])
  })

  it('publishes a segment that another task reads', async () => {
    const input = baseInput('__fb0', columns, [baseSegment(numbers, 10_000)])
    const sums = [{ name: 'a0', type: 'HUGEINT' }]
    const leaf = await node.finished(
      task('SELECT sum(i) FROM __fb0', { to: 'segment', segment: 'd-1', columns: sums }, [input], { role: 'leaf' }),
    )
    if (leaf.result.to !== 'segment') throw new Error('no segment')
    const source = { stored: leaf.result.stored, url: `${node.url}/segments/d-1`, via: 'file', tier: 'remote' } as const
    const partials = { kind: 'derived', relation: '__partials', columns: sums, sources: [source] } as const
    const root = await node.finished(task('SELECT sum(a0) FROM __partials', toClient(sums), [partials]))
    expect(jsonRowsOf(root)).toEqual([['49995000']])
  })

  it('starts cheaply', async () => {
    // CPU, not time: 0.2 s on a machine that does nothing else, and no more than this on one that is very busy.
    expect((await node.next('vital-signs')).cpuSeconds).toBeLessThan(2)
  })
})
