import type { NodeKind, Role } from '../../model/node.js'
import type { LineageEdge, NodeVertex, SegmentVertex, Vertex } from '../lineage-store.js'

/** Makes the driver's integer of a number: plain numbers would be stored as floats. */
export type ToInteger = (value: number) => unknown
type Properties = Readonly<Record<string, unknown>>

/** A segment as the statements take it. */
export function segmentRow(vertex: SegmentVertex, int: ToInteger): Properties {
  const { id, kind, dataset, version, rows, bytes, location } = vertex
  return { id, kind, dataset, version, rows: int(rows), bytes: int(bytes), location }
}

export function nodeRow({ id, kind, roles, host }: NodeVertex): Properties {
  return { id, kind, roles, host }
}

/** An edge as the statements take it: all properties of a new one in `set`, its per-day counts once more by day. */
export function edgeRow(edge: LineageEdge, int: ToInteger): Properties {
  const { transformation, totals } = edge
  const byDay: Record<string, unknown> = {}
  for (const [day, count] of edge.days) byDay[day] = int(count)
  const key = `${transformation.shape}\n${edge.sourceNode}\n${edge.destinationNode}`
  return {
    from: edge.from,
    to: edge.to,
    key,
    byDay,
    set: {
      key,
      transformationType: transformation.type,
      transformationDetail: transformation.detail,
      transformationShape: transformation.shape,
      sourceNode: edge.sourceNode,
      destinationNode: edge.destinationNode,
      firstAt: int(edge.firstAt),
      lastAt: int(edge.lastAt),
      count: int(edge.count),
      rows: int(totals.rows),
      bytes: int(totals.bytes),
      cpuMicros: int(totals.cpuMicros),
      peakMemoryBytes: int(totals.peakMemoryBytes),
      queueMicros: int(totals.queueMicros),
      transferMicros: int(totals.transferMicros),
      days: edge.days.map(([day]) => int(day)),
      dayCounts: edge.days.map(([, count]) => int(count)),
    },
  }
}

interface StoredEdge {
  readonly transformationType: string
  readonly transformationDetail: string
  readonly transformationShape: string
  readonly sourceNode: string
  readonly destinationNode: string
  readonly firstAt: number
  readonly lastAt: number
  readonly count: number
  readonly rows: number
  readonly bytes: number
  readonly cpuMicros: number
  readonly peakMemoryBytes: number
  readonly queueMicros: number
  readonly transferMicros: number
  readonly days: readonly number[]
  readonly dayCounts: readonly number[]
}

/** A stored edge in the words of the port. */
export function edgeOf(from: string, to: string, type: LineageEdge['type'], stored: StoredEdge): LineageEdge {
  const { rows, bytes, cpuMicros, peakMemoryBytes, queueMicros, transferMicros } = stored
  return {
    from,
    to,
    type,
    transformation: { type: stored.transformationType, detail: stored.transformationDetail, shape: stored.transformationShape },
    sourceNode: stored.sourceNode,
    destinationNode: stored.destinationNode,
    firstAt: stored.firstAt,
    lastAt: stored.lastAt,
    count: stored.count,
    totals: { rows, bytes, cpuMicros, peakMemoryBytes, queueMicros, transferMicros },
    days: stored.days.map((day, index) => [day, stored.dayCounts[index] ?? 0] as const).toSorted((a, b) => a[0] - b[0]),
  }
}

/** A stored vertex in the words of the port. */
export function vertexOf(label: Vertex['type'], stored: Properties): Vertex {
  const optional = (name: string): string | null => (stored[name] as string | undefined) ?? null
  if (label === 'ProcessingNode') {
    const roles = [...((stored['roles'] as Role[] | undefined) ?? [])].sort()
    return { type: label, id: stored['id'] as string, kind: stored['kind'] as NodeKind, roles, host: optional('host') ?? '' }
  }
  return {
    type: label,
    id: stored['id'] as string,
    kind: stored['kind'] as SegmentVertex['kind'],
    dataset: optional('dataset'),
    version: optional('version'),
    rows: (stored['rows'] as number | undefined) ?? 0,
    bytes: (stored['bytes'] as number | undefined) ?? 0,
    location: optional('location'),
  }
}
