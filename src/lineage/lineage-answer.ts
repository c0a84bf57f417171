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
  const quote = quoter()
  const answer = new AnswerText()
  for (const vertex of graph.vertices) answer.vertex(vertexText(vertex, quote))
  for (const edge of graph.edges) {
    const transformation = transformationText(edge.transformation, quote)
    const head = edgeHead(quote(edge.from), quote(edge.to), edge.type, transformation)
    answer.edge(edgeText(head, edge, edgeNodes(quote(edge.sourceNode), quote(edge.destinationNode))))
  }
  return answer.text(graph.truncated, graph.existenceOnly)
}

/** An answer of the texts of its vertices and edges, each added to one text: to join a thousand of them takes a third longer. */
export class AnswerText {
  #vertices = ''
  #edges = ''

  vertex(text: string): void {
    this.#vertices += this.#vertices === '' ? text : `,${text}`
  }

  edge(text: string): void {
    this.#edges += this.#edges === '' ? text : `,${text}`
  }

  text(truncated: boolean, existenceOnly = false): string {
    const existence = existenceOnly ? ',"existenceOnly":true' : ''
    return `{"vertices":[${this.#vertices}],"edges":[${this.#edges}],"truncated":${truncated}${existence}}`
  }
}

type Quote = (text: string | null) => string

/** Quotes texts for JSON, each of them once. */
export function quoter(): Quote {
  const quoted = new Map<string | null, string>()
  return (text) => {
    let known = quoted.get(text)
    if (known === undefined) {
      known = JSON.stringify(text)
      quoted.set(text, known)
    }
    return known
  }
}

/** One vertex as the API shows it. */
export function vertexText(vertex: Vertex, quote: Quote): string {
  const head = `{"id":${quote(vertex.id)},"type":"${vertex.type}","kind":"${vertex.kind}"`
  if (vertex.type === 'ProcessingNode') return `${head},"roles":${JSON.stringify(vertex.roles)}}`
  const data = `"dataset":${quote(vertex.dataset)},"version":${quote(vertex.version)}`
  return `${head},${data},"rows":${vertex.rows},"bytes":${vertex.bytes}}`
}

/** A transformation as the API shows it. */
export function transformationText({ type, detail }: LineageEdge['transformation'], quote: Quote): string {
  return `{"type":${quote(type)},"detail":${quote(detail)}}`
}

/** What an edge begins with; the names are quoted already, and the transformation is JSON. */
export function edgeHead(from: string, to: string, type: LineageEdge['type'], transformation: string): string {
  return `{"from":${from},"to":${to},"type":"${type}","transformation":${transformation}`
}

/** What an edge ends with; the names are quoted already. */
export function edgeNodes(source: string, destination: string): string {
  return `"sourceNode":${source},"destinationNode":${destination}}`
}

/** One edge as the API shows it. */
export function edgeText(
  head: string,
  { firstAt, lastAt, count, totals }: Pick<LineageEdge, 'firstAt' | 'lastAt' | 'count' | 'totals'>,
  nodes: string,
): string {
  const first = isoTime(firstAt)
  const last = lastAt === firstAt ? first : isoTime(lastAt)
  const moved = `"rows":${totals.rows},"bytes":${totals.bytes},"cpuMs":${totals.cpuMicros / 1000}`
  const waits = `"transferMs":${totals.transferMicros / 1000},"queueMs":${totals.queueMicros / 1000}`
  const costs = `{${moved},${waits},"peakMemoryBytes":${totals.peakMemoryBytes}}`
  return `${head},"firstAt":"${first}","lastAt":"${last}","count":${count},"totals":${costs},${nodes}`
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
