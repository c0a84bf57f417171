import type { NodeKind, Role } from '../../model/node.js'
import { stableHash } from '../../model/segment.js'
import { TextPlaces } from '../graph/text-places.js'
import { isoTime } from '../lineage-answer.js'
import type { LineageEdge, NodeVertex, SegmentVertex, Vertex } from '../lineage-store.js'

type Properties = Readonly<Record<string, unknown>>

/** Rows as the statements take them: see cypher.ts. */
export interface Rows {
  readonly strings: readonly (string | null)[]
  readonly rows: string
}

export function segmentRows(vertices: readonly SegmentVertex[]): Rows {
  const texts = new TextPlaces()
  const rows = vertices.map(({ id, kind, dataset, version, rows: count, bytes, location }) =>
    [...[id, kind, dataset, version, location].map((text) => texts.place(text)), count, bytes].join(' '),
  )
  return { strings: texts.texts, rows: rows.join(';') }
}

export function nodeRow({ id, kind, roles, host }: NodeVertex): Properties {
  return { id, kind, roles, host }
}

/** `key` tells edges of the same ends apart; short, so that it is kept in the edge's own record. */
export function edgeRows(edges: readonly LineageEdge[]): Rows {
  const texts = new TextPlaces()
  const rows = edges.map((edge) => {
    const { transformation, totals, sourceNode, destinationNode } = edge
    const { type, detail, shape } = transformation
    const words = [
      edge.from,
      edge.to,
      keyOf(shape, sourceNode, destinationNode),
      type,
      detail,
      shape,
      sourceNode,
      destinationNode,
    ]
    return [
      ...words.map((text) => texts.place(text)),
      edge.firstAt,
      edge.lastAt,
      totals.peakMemoryBytes,
      edge.count,
      totals.rows,
      totals.bytes,
      totals.cpuMicros,
      totals.queueMicros,
      totals.transferMicros,
      isoTime(edge.lastAt),
      edge.days.map(([day]) => day).join(','),
      edge.days.map(([, count]) => count).join(','),
    ].join(' ')
  })
  return { strings: texts.texts, rows: rows.join(';') }
}

const keys = new Map<string, string>()

function keyOf(...parts: readonly string[]): string {
  const text = parts.join('\n')
  let key = keys.get(text)
  if (key === undefined) {
    if (keys.size > 10_000) keys.clear()
    key = stableHash(parts, 16)
    keys.set(text, key)
  }
  return key
}

export type StoredEdge = [
  from: string,
  to: string,
  type: string,
  detail: string,
  shape: string,
  source: string,
  destination: string,
  numbers: string,
]

/** A stored edge in the words of the port. */
export function edgeOf(stored: StoredEdge, kind: LineageEdge['type']): LineageEdge {
  const [from, to, type, detail, shape, sourceNode, destinationNode, text] = stored
  const words = text.split(' ')
  const [firstAt = 0, lastAt = 0, count = 0, rows = 0, bytes = 0, cpuMicros = 0, peakMemoryBytes = 0, ...others] =
    words.map(Number)
  const [queueMicros = 0, transferMicros = 0] = others
  const counts = (words[10] ?? '').split(',')
  const days = (words[9] ?? '').split(',').slice(0, -1)
  return {
    from,
    to,
    type: kind,
    transformation: { type, detail, shape },
    sourceNode,
    destinationNode,
    firstAt,
    lastAt,
    count,
    totals: { rows, bytes, cpuMicros, peakMemoryBytes, queueMicros, transferMicros },
    days: days.map((day, index) => [Number(day), Number(counts[index])] as const).sort((a, b) => a[0] - b[0]),
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
