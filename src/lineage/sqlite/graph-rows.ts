import type { NodeKind, Role } from '../../model/node.js'
import type { LineageEdge, Vertex } from '../lineage-store.js'

export type VertexRow = [
  name: string,
  kind: string,
  dataset: string | null,
  version: string | null,
  rows: number,
  bytes: number,
  location: string | null,
  roles: string | null,
  host: string | null,
]

/** Columns of a `VertexRow` over `vertices v`. */
export const vertexColumns = 'v.name, v.kind, v.dataset, v.version, v.rows, v.bytes, v.location, v.roles, v.host'

export type EdgeRow = readonly (string | number)[]

/** Columns of an `EdgeRow` over edges `e`, their ends `s` and `t`, shape `x` and nodes `fn` and `tn`. */
export const edgeColumns = `s.name, e.kind, t.name, x.type, x.detail, x.shape, fn.name, tn.name, e.first_at, e.last_at, e.count,
  e.rows, e.bytes, e.cpu, e.peak, e.queue, e.transfer, e.days`

const nodePrefix = 'node:'

/** A stored vertex in the words of the port. */
export function vertexOf(row: VertexRow): Vertex {
  const [name, kind, dataset, version, rows, bytes, location, roles, host] = row
  if (name.startsWith(nodePrefix)) {
    return {
      type: 'ProcessingNode',
      id: name.slice(nodePrefix.length),
      kind: kind as NodeKind,
      roles: (roles ?? '').split(' ').filter((role) => role !== '') as Role[],
      host: host ?? '',
    }
  }
  return { type: 'DataSegment', id: name, kind: kind as 'base' | 'derived' | 'external', dataset, version, rows, bytes, location }
}

/** A stored edge in the words of the port. */
export function edgeOf(row: EdgeRow, days: LineageEdge['days']): LineageEdge {
  const [
    from,
    kind,
    to,
    type,
    detail,
    shape,
    source,
    destination,
    firstAt,
    lastAt,
    count,
    rows,
    bytes,
    cpu,
    peak,
    queue,
    transfer,
  ] = row as [string, number, string, string, string, string, string, string, ...number[]]
  return {
    from,
    to: kind === 1 ? to.slice(nodePrefix.length) : to,
    type: kind === 1 ? 'PROCESSED_BY' : 'TRANSFORMED_INTO',
    transformation: { type, detail, shape },
    sourceNode: source.slice(nodePrefix.length),
    destinationNode: destination.slice(nodePrefix.length),
    firstAt: firstAt ?? 0,
    lastAt: lastAt ?? 0,
    count: count ?? 0,
    totals: {
      rows: rows ?? 0,
      bytes: bytes ?? 0,
      cpuMicros: cpu ?? 0,
      peakMemoryBytes: peak ?? 0,
      queueMicros: queue ?? 0,
      transferMicros: transfer ?? 0,
    },
    days,
  }
}
