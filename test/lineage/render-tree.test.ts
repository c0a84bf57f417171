import { expect, it } from 'vitest'
import type { AnswerEdge, AnswerVertex } from '../../src/lineage/lineage-answer.js'
import { renderTree } from '../../src/lineage/render-tree.js'

const segment = (id: string): AnswerVertex => ({
  id,
  type: 'DataSegment',
  kind: 'derived',
  dataset: null,
  version: null,
  rows: 1,
  bytes: 1,
})
const totals = { rows: 1, bytes: 1, cpuMs: 1, transferMs: 0, queueMs: 0, peakMemoryBytes: 1 }
const edge = (from: string, to: string): AnswerEdge => ({
  from,
  to,
  type: 'TRANSFORMED_INTO',
  transformation: { type: 'aggregate', detail: 'sum(a)' },
  firstAt: '2026-01-31T10:00:00.000Z',
  lastAt: '2026-01-31T10:00:00.000Z',
  count: 1,
  totals,
  sourceNode: 'n1',
  destinationNode: 'n1',
})

it('draws the largest answer that may be asked for', () => {
  const others = Array.from({ length: 100_000 }, (_, n) => `d-${n}`)
  const vertices = ['d-one', ...others].map(segment)
  const edges = others.map((id) => edge('d-one', id))
  const text = renderTree({ vertices, edges, truncated: false }, { from: 'segment:d-one', direction: 'downstream' })
  expect(text).toMatch(/^segment:d-one {2}made into\n└─ d-one/)
  expect(text).toContain('… 199502 more lines')
})
