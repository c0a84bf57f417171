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

/**
 * A graph in the words and units of the API, a `LineageAnswer` as JSON. The text is put together here: an answer of a thousand edges
 * has few names, and to quote each of them once takes a third of the time that objects and JSON.stringify take.
 */
export function lineageAnswer(graph: LineageGraph): string {
  const quoted = new Map<string, string>()
  const quote = (name: string): string => {
    let text = quoted.get(name)
    if (text === undefined) {
      text = JSON.stringify(name)
      quoted.set(name, text)
    }
    return text
  }
  const vertices = graph.vertices.map((vertex) => JSON.stringify(answerVertex(vertex)))
  const edges = graph.edges.map((edge) => answerEdge(edge, quote))
  const existence = graph.existenceOnly === true ? ',"existenceOnly":true' : ''
  return `{"vertices":[${vertices.join(',')}],"edges":[${edges.join(',')}],"truncated":${graph.truncated}${existence}}`
}

/** One vertex as the API shows it. */
export function answerVertex(vertex: Vertex): AnswerVertex {
  if (vertex.type === 'ProcessingNode') {
    return { id: vertex.id, type: 'ProcessingNode', kind: vertex.kind, roles: vertex.roles }
  }
  const { id, kind, dataset, version, rows, bytes } = vertex
  return { id, type: 'DataSegment', kind, dataset, version, rows, bytes }
}

function answerEdge(edge: LineageEdge, quote: (name: string) => string): string {
  const { totals, transformation } = edge
  const ends = `"from":${quote(edge.from)},"to":${quote(edge.to)},"type":"${edge.type}"`
  const work = `"transformation":{"type":${quote(transformation.type)},"detail":${quote(transformation.detail)}}`
  const times = `"firstAt":"${isoTime(edge.firstAt)}","lastAt":"${isoTime(edge.lastAt)}","count":${edge.count}`
  const moved = `"rows":${totals.rows},"bytes":${totals.bytes},"cpuMs":${totals.cpuMicros / 1000}`
  const waits = `"transferMs":${totals.transferMicros / 1000},"queueMs":${totals.queueMicros / 1000}`
  const costs = `"totals":{${moved},${waits},"peakMemoryBytes":${totals.peakMemoryBytes}}`
  const nodes = `"sourceNode":${quote(edge.sourceNode)},"destinationNode":${quote(edge.destinationNode)}`
  return `{${ends},${work},${times},${costs},${nodes}}`
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
