import type { NodeKind, Role } from '../../model/node.js'
import type { LineageEdge, Vertex } from '../lineage-store.js'
import { parseDays, printDays } from '../sqlite/days.js'

export type EdgeValues = [
  from: string,
  type: LineageEdge['type'],
  to: string,
  transformationType: string,
  detail: string,
  shape: string,
  source: string,
  destination: string,
  firstAt: number,
  lastAt: number,
  count: number,
  rows: number,
  bytes: number,
  cpuMicros: number,
  peakMemoryBytes: number,
  queueMicros: number,
  transferMicros: number,
  days: string,
]
export type VertexValues =
  | ['DataSegment', [string, 'base' | 'derived' | 'external', string | null, string | null, number, number, string | null]]
  | ['ProcessingNode', [string, NodeKind, string, string]]

/** An edge as the scripts take it and give it. */
export function edgeValues(edge: LineageEdge): EdgeValues {
  const { transformation, totals } = edge
  const { rows, bytes, cpuMicros, peakMemoryBytes, queueMicros, transferMicros } = totals
  return [
    ...([edge.from, edge.type, edge.to, transformation.type, transformation.detail, transformation.shape] as const),
    ...([edge.sourceNode, edge.destinationNode, edge.firstAt, edge.lastAt, edge.count] as const),
    ...([rows, bytes, cpuMicros, peakMemoryBytes, queueMicros, transferMicros, printDays(edge.days)] as const),
  ]
}

/** Such an edge in the words of the port. */
export function edgeOf(values: EdgeValues): LineageEdge {
  const [from, type, to, transformation, detail, shape, sourceNode, destinationNode, firstAt, lastAt, count, ...rest] = values
  const [rows, bytes, cpuMicros, peakMemoryBytes, queueMicros, transferMicros, days] = rest
  return {
    from,
    to,
    type,
    transformation: { type: transformation, detail, shape },
    sourceNode,
    destinationNode,
    firstAt,
    lastAt,
    count,
    totals: { rows, bytes, cpuMicros, peakMemoryBytes, queueMicros, transferMicros },
    days: parseDays(days),
  }
}

/** A vertex in the words of the port. */
export function vertexOf([label, values]: VertexValues): Vertex {
  if (label === 'ProcessingNode') {
    const [id, kind, host, roles] = values
    return { type: label, id, kind, roles: roles.split(' ').filter((role) => role !== '') as Role[], host }
  }
  const [id, kind, dataset, version, rows, bytes, location] = values
  return { type: label, id, kind, dataset, version, rows, bytes, location }
}
