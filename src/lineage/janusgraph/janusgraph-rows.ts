import type { NodeKind, Role } from '../../model/node.js'
import { parseDays, printDays } from '../graph/days.js'
import type { TextPlaces } from '../graph/text-places.js'
import type { LineageEdge, Vertex } from '../lineage-store.js'

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

/** An edge as the script takes it: `EdgeValues`, of which the first eight are places of texts. */
export function edgeRow(edge: LineageEdge, texts: TextPlaces): readonly (number | string)[] {
  const { transformation, totals } = edge
  const { rows, bytes, cpuMicros, peakMemoryBytes, queueMicros, transferMicros } = totals
  const { type, detail, shape } = transformation
  const words = [edge.from, edge.type, edge.to, type, detail, shape, edge.sourceNode, edge.destinationNode]
  const numbers = [edge.firstAt, edge.lastAt, edge.count, rows, bytes, cpuMicros, peakMemoryBytes, queueMicros, transferMicros]
  return [...words.map((text) => texts.place(text)), ...numbers, printDays(edge.days)]
}

/** An edge that a script gives, in the words of the port. */
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
