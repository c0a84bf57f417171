import type { LineageEdge, LineageGraph, Vertex } from './lineage-store.js'

export type AnswerVertex =
  | {
      readonly id: string
      readonly type: 'DataSegment'
      readonly kind: 'base' | 'derived' | 'external'
      readonly dataset: string | null
      readonly version: string | null
      readonly rows: number
      readonly bytes: number
    }
  | { readonly id: string; readonly type: 'ProcessingNode'; readonly kind: string; readonly roles: readonly string[] }

export interface AnswerEdge {
  readonly from: string
  readonly to: string
  readonly type: 'PROCESSED_BY' | 'TRANSFORMED_INTO'
  readonly transformation: { readonly type: string; readonly detail: string }
  readonly firstAt: string
  readonly lastAt: string
  readonly count: number
  readonly totals: {
    readonly rows: number
    readonly bytes: number
    readonly cpuMs: number
    readonly transferMs: number
    readonly queueMs: number
    readonly peakMemoryBytes: number
  }
  readonly sourceNode: string
  readonly destinationNode: string
}

/** The body of `GET /v1/lineage`. */
export interface LineageAnswer {
  readonly vertices: readonly AnswerVertex[]
  readonly edges: readonly AnswerEdge[]
  readonly truncated: boolean
  /** Present when `asOf` is before the checkpoint: counts and totals are then zero, for only existence is known. */
  readonly existenceOnly?: boolean
}

/** A graph in the words and units of the API: milliseconds, ISO-8601. */
export function lineageAnswer(graph: LineageGraph): LineageAnswer {
  return {
    vertices: graph.vertices.map(answerVertex),
    edges: graph.edges.map(answerEdge),
    truncated: graph.truncated,
    ...(graph.existenceOnly === true ? { existenceOnly: true } : {}),
  }
}

/** One vertex as the API shows it. */
export function answerVertex(vertex: Vertex): AnswerVertex {
  if (vertex.type === 'ProcessingNode') {
    return { id: vertex.id, type: 'ProcessingNode', kind: vertex.kind, roles: vertex.roles }
  }
  const { id, kind, dataset, version, rows, bytes } = vertex
  return { id, type: 'DataSegment', kind, dataset, version, rows, bytes }
}

function answerEdge(edge: LineageEdge): AnswerEdge {
  const { totals } = edge
  return {
    from: edge.from,
    to: edge.to,
    type: edge.type,
    transformation: { type: edge.transformation.type, detail: edge.transformation.detail },
    firstAt: isoTime(edge.firstAt),
    lastAt: isoTime(edge.lastAt),
    count: edge.count,
    totals: {
      rows: totals.rows,
      bytes: totals.bytes,
      cpuMs: totals.cpuMicros / 1000,
      transferMs: totals.transferMicros / 1000,
      queueMs: totals.queueMicros / 1000,
      peakMemoryBytes: totals.peakMemoryBytes,
    },
    sourceNode: edge.sourceNode,
    destinationNode: edge.destinationNode,
  }
}

const dates = new Map<number, string>()

/** Epoch microseconds as ISO-8601 with milliseconds. Dates are remembered: an answer has thousands of times on few days. */
export function isoTime(micros: number): string {
  const ms = Math.floor(micros / 1000)
  const day = Math.floor(ms / 86_400_000)
  let date = dates.get(day)
  if (date === undefined) {
    if (dates.size > 1000) dates.clear()
    date = new Date(day * 86_400_000).toISOString().slice(0, 11)
    dates.set(day, date)
  }
  const rest = ms - day * 86_400_000
  const seconds = Math.floor(rest / 1000)
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  return `${date}${clock}.${String(rest % 1000).padStart(3, '0')}Z`
}

function two(value: number): string {
  return value < 10 ? `0${value}` : `${value}`
}
