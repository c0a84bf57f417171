import { expect, it } from 'vitest'
import { inTransaction, openDatabase } from '../../../src/lineage/database.js'
import { lineageAnswer } from '../../../src/lineage/lineage-answer.js'
import type { LineageEdge } from '../../../src/lineage/lineage-store.js'
import { SqliteGraph } from '../../../src/lineage/sqlite/sqlite-graph.js'
import { SqliteTracer } from '../../../src/lineage/sqlite/sqlite-trace.js'
import { noon } from '../lineage-fixtures.js'

const totals = { rows: 10, bytes: 1001, cpuMicros: 1234, peakMemoryBytes: 7, queueMicros: 5, transferMicros: 2_000_001 }

function edge(from: string, to: string, type: LineageEdge['type'], index: number): LineageEdge {
  return {
    from,
    to,
    type,
    transformation: { type: 'aggregate', detail: `sum("a\\b") by 'ü' ${index % 2}`, shape: `shape${index % 2}` },
    sourceNode: 'storage',
    destinationNode: 'n1',
    firstAt: noon + index,
    lastAt: noon + index * 1_500,
    count: index + 1,
    totals,
    days: [[20_600, index + 1]],
  }
}

it('answers with the text of the graph that it traces, whatever the names and the limit', () => {
  const database = openDatabase(':memory:', 'normal')
  const names = ['s-"quoted"', 's-ü\\n', 'd-1', 'd-2']
  const edges = names.flatMap((from, index) => [
    edge(from, 'n1', 'PROCESSED_BY', index),
    ...names.slice(index + 1).map((to) => edge(from, to, 'TRANSFORMED_INTO', index)),
  ])
  const segment = { type: 'DataSegment', kind: 'derived', version: null, rows: 3, bytes: 4, location: null } as const
  const node = { type: 'ProcessingNode', id: 'n1', kind: 'duckdb', roles: ['leaf', 'root'], host: '' } as const
  const vertices = [...names.map((id, index) => ({ ...segment, id, dataset: index === 0 ? 'a "table"' : null })), node]
  const graph = new SqliteGraph(database)
  inTransaction(database, () => graph.apply({ from: 0, to: 1, vertices, edges, folds: [] }))
  const tracer = new SqliteTracer(database)
  for (const from of [['d-2'], ['s-"quoted"', 'd-1'], ['node:n1'], ['nobody']]) {
    for (const direction of ['upstream', 'downstream', 'both'] as const) {
      for (const limit of [1, 4, 100]) {
        const options = { direction, depth: 3, limit }
        const text = tracer.answer(from, options)
        expect(text).toBe(lineageAnswer(tracer.trace(from, options)))
      }
    }
  }
  const { vertices: found, edges: whole } = JSON.parse(tracer.answer(['d-2'], { direction: 'upstream', depth: 3, limit: 100 }))
  expect(found).toContainEqual({
    id: 's-"quoted"',
    type: 'DataSegment',
    kind: 'derived',
    dataset: 'a "table"',
    version: null,
    rows: 3,
    bytes: 4,
  })
  expect(found).toContainEqual({ id: 'n1', type: 'ProcessingNode', kind: 'duckdb', roles: ['leaf', 'root'] })
  expect(whole).toHaveLength(edges.length)
  expect(whole).toContainEqual({
    from: 's-ü\\n',
    to: 'd-2',
    type: 'TRANSFORMED_INTO',
    transformation: { type: 'aggregate', detail: `sum("a\\b") by 'ü' 1` },
    firstAt: '2026-05-27T12:00:00.000Z',
    lastAt: '2026-05-27T12:00:00.001Z',
    count: 2,
    totals: { rows: 10, bytes: 1001, cpuMs: 1.234, transferMs: 2000.001, queueMs: 0.005, peakMemoryBytes: 7 },
    sourceNode: 'storage',
    destinationNode: 'n1',
  })
  database.close()
})
