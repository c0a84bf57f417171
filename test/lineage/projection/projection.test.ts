import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LineageEdge } from '../../../src/lineage/lineage-store.js'
import { LineageLog } from '../../../src/lineage/log/lineage-log.js'
import { GraphDatabase } from '../../../src/lineage/projection/graph-database.js'
import { SqliteExport } from '../../../src/lineage/sqlite/sqlite-export.js'
import type { LineageEvent } from '../../../src/model/lineage-event.js'
import {
  answerEvent,
  baseRead,
  derivedRead,
  evictionEvent,
  noon,
  output,
  snapshotEvent,
  taskEvent,
  treeOfTasks,
} from '../lineage-fixtures.js'

/** The graph that a log of these events gives, projected in batches of some size. */
function graphOf(events: readonly LineageEvent[], batchSize = 1000) {
  const log = LineageLog.open(':memory:', 1 << 30)
  const graph = new GraphDatabase(':memory:', log)
  log.append(
    events.map((event) => event.id),
    events.map((event) => JSON.stringify(event)),
    0,
  )
  while (graph.advance(batchSize) > 0) continue
  const found = new SqliteExport(graph.database)
  const batches = [...found.batches(100)]
  const result = {
    digest: found.digest(),
    edges: batches.flatMap((batch) => batch.edges),
    vertices: batches.flatMap((batch) => batch.vertices),
  }
  graph.close()
  log.close()
  return result
}

function names(edges: readonly LineageEdge[], type: LineageEdge['type']): string[] {
  return edges
    .filter((edge) => edge.type === type)
    .map((edge) => `${edge.from} → ${edge.to} (${edge.sourceNode} → ${edge.destinationNode}) ×${edge.count}`)
    .toSorted()
}

function sum(edges: readonly LineageEdge[], type: LineageEdge['type'], of: (edge: LineageEdge) => number): number {
  return edges.filter((edge) => edge.type === type).reduce((total, edge) => total + of(edge), 0)
}

describe('the projection', () => {
  it('credits each node with its own work and names source and destination', () => {
    const { edges, vertices } = graphOf([snapshotEvent('S1', 't', 3), ...treeOfTasks('q-1', 'S1', 't', 3)])
    expect(names(edges, 'PROCESSED_BY')).toEqual([
      'd-q-1-aggregator-0 → n1 (n2 → n1) ×1',
      'd-q-1-aggregator-1 → n1 (n3 → n1) ×1',
      'd-q-1-leaf-0 → n2 (n1 → n2) ×1',
      'd-q-1-leaf-1 → n3 (n2 → n3) ×1',
      'd-q-1-leaf-2 → n2 (n3 → n2) ×1',
      'd-q-1-root → client (n1 → client) ×1',
      's-t-0 → n1 (storage → n1) ×1',
      's-t-1 → n2 (storage → n2) ×1',
      's-t-2 → n3 (storage → n3) ×1',
    ])
    expect(names(edges, 'TRANSFORMED_INTO')).toContain('d-q-1-leaf-1 → d-q-1-aggregator-1 (n2 → n3) ×1')
    const n2 = vertices.find((vertex) => vertex.id === 'n2')
    expect(n2).toMatchObject({ roles: ['aggregator', 'leaf'] })
  })

  it('shares out the costs of a task exactly over the segments that it read', () => {
    const event = taskEvent('t1', {
      base: [baseRead('S1', 't', [0, 2, 4, 5])],
      derived: [derivedRead('d-9', 'n2')],
      output: output('d-1'),
    })
    const { edges } = graphOf([snapshotEvent('S1', 't', 6), event])
    for (const type of ['PROCESSED_BY', 'TRANSFORMED_INTO'] as const) {
      expect(sum(edges, type, (edge) => edge.totals.cpuMicros)).toBe(10_007)
      expect(sum(edges, type, (edge) => edge.totals.queueMicros)).toBe(211)
      expect(sum(edges, type, (edge) => edge.totals.bytes)).toBe(1001 + 120)
      expect(sum(edges, type, (edge) => edge.totals.rows)).toBe(997 + 12)
      expect(sum(edges, type, (edge) => edge.totals.transferMicros)).toBe(503 + 41)
    }
    expect(
      edges
        .filter((edge) => edge.type === 'PROCESSED_BY')
        .map((edge) => edge.from)
        .toSorted(),
    ).toEqual(['d-9', 's-t-0', 's-t-2', 's-t-4', 's-t-5'])
  })

  it('keeps pack reads apart', () => {
    const packed = taskEvent('t1', { base: [baseRead('S1', 't', [0], { tier: 'pack', source: 'n1' })] })
    const { edges } = graphOf([snapshotEvent('S1', 't', 1), packed, taskEvent('t2', { base: [baseRead('S1', 't', [0])] })])
    expect(edges.map((edge) => [edge.transformation.detail, edge.sourceNode])).toEqual(
      expect.arrayContaining([
        ['aggregate sum(a) T1 tier=pack', 'n1'],
        ['aggregate sum(a) T1', 'storage'],
      ]),
    )
  })

  it('joins a write with its commit in either order', () => {
    const write = taskEvent('w1', { kind: 'write', role: 'root', base: [baseRead('S1', 't', [0, 1])], queryId: 'q-w' })
    const written: LineageEvent = {
      kind: 'written',
      id: 'written:q-w',
      at: noon + 5,
      queryId: 'q-w',
      table: 'copy',
      snapshot: 'C1',
      segments: [
        { id: 's-copy-0', rows: 5, bytes: 60 },
        { id: 's-copy-1', rows: 5, bytes: 40 },
      ],
    }
    const one = graphOf([snapshotEvent('S1', 't', 2), write, written])
    const other = graphOf([written, write, snapshotEvent('S1', 't', 2)])
    expect(names(one.edges, 'TRANSFORMED_INTO')).toEqual([
      's-t-0 → s-copy-0 (storage → n1) ×1',
      's-t-0 → s-copy-1 (storage → n1) ×1',
      's-t-1 → s-copy-0 (storage → n1) ×1',
      's-t-1 → s-copy-1 (storage → n1) ×1',
    ])
    expect(sum(one.edges, 'TRANSFORMED_INTO', (edge) => edge.totals.cpuMicros)).toBe(10_007)
    expect(other.digest).toEqual(one.digest)
  })

  it('folds evicted segments into one vertex per snapshot, template and role, however many queries there were', () => {
    const events: LineageEvent[] = [snapshotEvent('S1', 't', 3)]
    for (let query = 0; query < 20; query++) {
      const tree = treeOfTasks(`q-${query}`, 'S1', 't', 3, 'T1', noon + query * 1000)
      events.push(...tree)
      const made = tree.flatMap((event) => ('output' in event && event.output ? [event.output.segment] : []))
      events.push(evictionEvent(`e-${query}`, made, noon + query * 1000 + 900))
    }
    const { edges, vertices } = graphOf(events, 7)
    const derived = vertices.filter((vertex) => vertex.type === 'DataSegment' && vertex.kind === 'derived')
    expect(derived).toHaveLength(3)
    expect(derived.every((vertex) => vertex.id.startsWith('d-folded-'))).toBe(true)
    expect(sum(edges, 'TRANSFORMED_INTO', (edge) => edge.totals.cpuMicros)).toBe(20 * 6 * 10_007)
  })

  it('folds an answer whose bytes were not kept at once', () => {
    const root = taskEvent('t1', { role: 'root', base: [baseRead('S1', 't', [0])], output: output('d-1', { location: '' }) })
    const { vertices } = graphOf([snapshotEvent('S1', 't', 1), root, answerEvent('q-1', 'd-1', noon + 9)])
    expect(vertices.map((vertex) => vertex.id).filter((id) => id === 'd-1')).toEqual([])
  })

  it('shows a segment anew that is made again after its eviction', () => {
    const make = (id: string, at: number) => taskEvent(id, { base: [baseRead('S1', 't', [0])], output: output('d-1'), at })
    const events = [snapshotEvent('S1', 't', 1), make('t1', noon), evictionEvent('e1', ['d-1'], noon + 5), make('t2', noon + 9)]
    for (const size of [1, 2, 3, 100]) {
      const { edges } = graphOf(events, size)
      expect(edges.filter((edge) => edge.type === 'TRANSFORMED_INTO').map((edge) => [edge.to.slice(0, 8), edge.count])).toEqual(
        expect.arrayContaining([
          ['d-1', 1],
          ['d-folded', 1],
        ]),
      )
    }
  })

  it('never folds a segment of a table', () => {
    const event = taskEvent('t1', { base: [baseRead('S1', 't', [0])], output: output('d-1', { dataset: 'copy' }) })
    const { vertices } = graphOf([snapshotEvent('S1', 't', 1), event, evictionEvent('e1', ['d-1', 's-t-0'], noon + 9)])
    expect(vertices.map((vertex) => vertex.id)).toEqual(expect.arrayContaining(['d-1', 's-t-0']))
  })

  it('gives the same graph, bit for bit, for any order, duplicates and batches of the same events', () => {
    const events: LineageEvent[] = [snapshotEvent('S1', 't', 5), snapshotEvent('S2', 'u', 2)]
    const evicted: string[] = []
    for (const [index, template] of ['T1', 'T2', 'T1'].entries()) {
      const tree = treeOfTasks(`q-${index}`, index === 1 ? 'S2' : 'S1', index === 1 ? 'u' : 't', index === 1 ? 2 : 5, template)
      events.push(...tree)
      if (index < 2) evicted.push(...tree.flatMap((event) => ('output' in event && event.output ? [event.output.segment] : [])))
    }
    events.push(evictionEvent('e-1', evicted.slice(0, 4), noon + 5000), evictionEvent('e-2', evicted.slice(4), noon + 6000))
    const expected = graphOf(events).digest
    fc.assert(
      fc.property(
        fc.shuffledSubarray(events, { minLength: events.length }),
        fc.array(fc.nat(events.length - 1), { maxLength: 8 }),
        fc.integer({ min: 1, max: 12 }),
        (order, repeated, batchSize) => {
          const log = [...order]
          for (const index of repeated) log.splice(index, 0, events[index] as LineageEvent)
          expect(graphOf(log, batchSize).digest).toEqual(expected)
        },
      ),
      { numRuns: 60, seed: 20260131 },
    )
  })
})
