import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { LineageBatch, SegmentVertex } from '../../../src/lineage/lineage-store.js'
import { SqliteLineageStore } from '../../../src/lineage/sqlite/sqlite-lineage-store.js'
import { lineageStoreConformance } from '../../conformance/lineage-store.js'
import { temporaryFolder } from '../lineage-fixtures.js'

lineageStoreConformance('SQLite', async () => {
  const path = join(temporaryFolder(), 'graph.sqlite')
  return { store: SqliteLineageStore.open(path), reopen: async () => SqliteLineageStore.open(path) }
})

const never = new AbortController().signal

/** A batch that says the same of one segment, whatever was said before. */
function batch(from: number, more: Partial<LineageBatch> = {}): LineageBatch {
  const segment: SegmentVertex = {
    type: 'DataSegment',
    id: 'd-1',
    kind: 'derived',
    dataset: null,
    version: null,
    rows: 4,
    bytes: 90,
    location: '/spool/d-1',
  }
  return { from, to: from + 1, vertices: [segment], edges: [], folds: [], ...more }
}

const knows = async (store: SqliteLineageStore): Promise<boolean> => {
  const { vertices } = await store.trace(['d-1'], { direction: 'both', depth: 1, limit: 10 }, never)
  return vertices.some((vertex) => vertex.type === 'DataSegment' && vertex.rows === 4 && vertex.location === '/spool/d-1')
}

function edgeOf(counts: { readonly rows: number; readonly bytes: number }): LineageBatch['edges'][number] {
  return {
    from: 'd-1',
    to: 'n1',
    type: 'PROCESSED_BY',
    transformation: { type: 'scan', detail: '', shape: 'scan' },
    sourceNode: 'n1',
    destinationNode: 'n1',
    firstAt: 1,
    lastAt: 1,
    count: 1,
    totals: { ...counts, cpuMicros: 0, peakMemoryBytes: 0, queueMicros: 0, transferMicros: 0 },
    days: [],
  }
}

test('adds up no further than can be read again', async () => {
  const store = SqliteLineageStore.open(':memory:')
  const edge = edgeOf({ rows: 9e15, bytes: 9e15 })
  for (const number of [0, 1, 2]) await store.apply(batch(number, { edges: [edge] }), never)
  const { edges } = await store.trace(['d-1'], { direction: 'both', depth: 1, limit: 10 }, never)
  expect(edges.map(({ count, totals }) => [count, totals.rows, totals.bytes])).toEqual([
    [3, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ])
  expect((await store.digest()).hash).not.toBe('')
  await store.close()
})

test('writes a vertex again that was folded away, though it was remembered', async () => {
  const store = SqliteLineageStore.open(':memory:')
  await store.apply(batch(0), never)
  await store.apply(batch(1, { vertices: [], folds: [{ from: 'd-1', into: 'folded' }] }), never)
  expect(await knows(store)).toBe(false)
  await store.apply(batch(2), never)
  expect(await knows(store)).toBe(true)
  await store.close()
})

test('writes a vertex again whose transaction was rolled back, or whose graph was cleared', async () => {
  const store = SqliteLineageStore.open(':memory:')
  // A count that is no number is refused by its table, after the vertices were written.
  const edge = edgeOf({ rows: null as unknown as number, bytes: 0 })
  await expect(store.apply(batch(0, { edges: [edge] }), never)).rejects.toThrow(/NOT NULL/)
  expect(await knows(store)).toBe(false)
  await store.apply(batch(0), never)
  expect(await knows(store)).toBe(true)
  await store.clear()
  await store.apply(batch(0), never)
  expect(await knows(store)).toBe(true)
  await store.close()
})
