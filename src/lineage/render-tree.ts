/**
 * A lineage answer as text for a terminal: the start, below it what it was made from (upstream) or what was made of it
 * (downstream), one line a segment with its size, its node and the cost of making it. Many segments of one dataset that went the
 * same way are one line. A segment that was shown before is not unfolded again. Pure: an answer in, text out.
 */
import type { AnswerEdge, AnswerVertex, LineageAnswer } from './lineage-answer.js'

export interface RenderOptions {
  /** What was asked for, e.g. `query:q-1`: the heading. */
  readonly from: string
  readonly direction: string
}

/** Siblings of one dataset up to this many are shown one by one. */
const siblingsShownMax = 4
const linesMax = 500

type SegmentVertex = Extract<AnswerVertex, { type: 'DataSegment' }>

/** The tree as lines joined by newlines, without one at the end. */
export function renderTree(graph: LineageAnswer, options: RenderOptions): string {
  const drawing = new Drawing(graph)
  const directions = options.direction === 'both' ? ['upstream', 'downstream'] : [options.direction]
  const lines: string[] = []
  for (const direction of directions) {
    if (lines.length > 0) lines.push('')
    const upstream = direction !== 'downstream'
    lines.push(`${options.from}  ${upstream ? 'made from' : 'made into'}`)
    append(lines, drawing.tree(drawing.roots(options.from, upstream), upstream))
  }
  if (lines.length > linesMax) lines.splice(linesMax, lines.length, `… ${lines.length - linesMax} more lines`)
  const nodes = drawing.nodeLines()
  if (nodes.length > 0) lines.push('', 'nodes', ...nodes)
  if (graph.existenceOnly === true) lines.push('', 'older than the checkpoint: what existed is known, not how often')
  if (graph.truncated) lines.push('', 'cut off at the limit: ask for more with --limit')
  return lines.join('\n')
}

class Drawing {
  readonly #segments = new Map<string, SegmentVertex>()
  readonly #nodes: Extract<AnswerVertex, { type: 'ProcessingNode' }>[] = []
  readonly #incoming = new Map<string, AnswerEdge[]>()
  readonly #outgoing = new Map<string, AnswerEdge[]>()
  readonly #processed = new Map<string, AnswerEdge[]>()
  readonly #processing = new Map<string, AnswerEdge[]>()

  constructor(graph: LineageAnswer) {
    for (const vertex of graph.vertices) {
      if (vertex.type === 'DataSegment') this.#segments.set(vertex.id, vertex)
      else this.#nodes.push(vertex)
    }
    for (const edge of graph.edges) {
      if (edge.type === 'PROCESSED_BY') {
        push(this.#processed, edge.from, edge)
        push(this.#processing, edge.to, edge)
      } else if (edge.from !== edge.to) {
        push(this.#outgoing, edge.from, edge)
        push(this.#incoming, edge.to, edge)
      }
    }
  }

  /** Segments that nothing in the answer leads to: where the walk began. The segment asked for, when it is one. */
  roots(from: string, upstream: boolean): string[] {
    const id = from.slice(from.indexOf(':') + 1)
    if (from.startsWith('segment:') && this.#segments.has(id)) return [id]
    const before = upstream ? this.#outgoing : this.#incoming
    const roots = [...this.#segments.keys()].filter((segment) => !before.has(segment))
    return roots.length > 0 ? roots : [...this.#segments.keys()].slice(0, 1)
  }

  tree(roots: readonly string[], upstream: boolean): string[] {
    const shown = new Set<string>()
    return this.#siblings(
      roots.map((id) => ({ id, edges: [] })),
      upstream,
      '',
      shown,
    )
  }

  nodeLines(): string[] {
    const rows = this.#nodes.map((node) => {
      const edges = this.#processing.get(node.id) ?? []
      const work =
        edges.length === 0
          ? ''
          : `${plural(new Set(edges.map((edge) => edge.transformation.detail)).size, 'kind')} of work, ${costs(edges)}`
      return [`  ${node.id}`, node.roles.length > 0 ? node.roles.join(', ') : node.kind, work]
    })
    const widths = [0, 1].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)))
    return rows.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
  }

  #siblings(
    siblings: readonly { readonly id: string; readonly edges: readonly AnswerEdge[] }[],
    upstream: boolean,
    indent: string,
    shown: Set<string>,
  ): string[] {
    const lines: string[] = []
    const groups = this.#grouped(siblings, upstream)
    for (const [index, group] of groups.entries()) {
      const last = index === groups.length - 1
      const [only] = group
      if (only === undefined) continue
      const edges = group.flatMap((sibling) => sibling.edges)
      const again = group.length === 1 && shown.has(only.id)
      const label = group.length === 1 ? this.#label(only.id) : this.#groupLabel(group.map((sibling) => sibling.id))
      lines.push(`${indent}${last ? '└─ ' : '├─ '}${label}${this.#workers(group)}${again ? '  (see above)' : ''}`)
      const below = `${indent}${last ? '   ' : '│  '}`
      if (edges.length > 0) lines.push(`${below}   ${edgeLabel(edges)}`)
      if (again || group.length > 1 || lines.length > linesMax) continue
      shown.add(only.id)
      append(lines, this.#siblings(this.#next(only.id, upstream), upstream, below, shown))
    }
    return lines
  }

  /** The segments one hop further, each with the edges that lead to it. */
  #next(id: string, upstream: boolean): { id: string; edges: AnswerEdge[] }[] {
    const found = new Map<string, AnswerEdge[]>()
    for (const edge of (upstream ? this.#incoming : this.#outgoing).get(id) ?? [])
      push(found, upstream ? edge.from : edge.to, edge)
    return [...found].map(([segment, edges]) => ({ id: segment, edges }))
  }

  /** Leaves of one dataset that are too many to be shown one by one come together. */
  #grouped<T extends { readonly id: string }>(siblings: readonly T[], upstream: boolean): T[][] {
    const groups = new Map<string, T[]>()
    for (const sibling of siblings) {
      const vertex = this.#segments.get(sibling.id)
      const leaf = this.#next(sibling.id, upstream).length === 0
      const key = leaf && vertex?.kind === 'base' ? `dataset ${vertex.dataset}` : `segment ${sibling.id}`
      push(groups, key, sibling)
    }
    return [...groups.values()].flatMap((group) => (group.length > siblingsShownMax ? [group] : group.map((one) => [one])))
  }

  #label(id: string): string {
    const vertex = this.#segments.get(id)
    if (vertex === undefined) return id
    if (id.startsWith('d-folded-')) return `${id}  results whose bytes are gone`
    const dataset = vertex.dataset === null ? '' : `${vertex.dataset}  `
    return `${dataset}${id}  ${size(vertex.rows, vertex.bytes)}`
  }

  #groupLabel(ids: readonly string[]): string {
    const vertices = ids.flatMap((id) => this.#segments.get(id) ?? [])
    const rows = vertices.reduce((sum, vertex) => sum + vertex.rows, 0)
    const bytes = vertices.reduce((sum, vertex) => sum + vertex.bytes, 0)
    return `${vertices[0]?.dataset ?? ''}  ${plural(ids.length, 'segment')}  ${size(rows, bytes)}`
  }

  #workers(group: readonly { readonly id: string }[]): string {
    const nodes = new Set(group.flatMap(({ id }) => (this.#processed.get(id) ?? []).map((edge) => edge.to)))
    if (nodes.size === 0) return ''
    const names = [...nodes].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    return `  → ${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}`
  }
}

function edgeLabel(edges: readonly AnswerEdge[]): string {
  const [first] = edges
  const details = new Set(edges.map((edge) => edge.transformation.detail))
  const detail = details.size === 1 ? (first?.transformation.detail ?? '') : `${details.size} transformations`
  const moves = new Set(edges.map((edge) => `${edge.sourceNode} → ${edge.destinationNode}`))
  const move = moves.size <= 2 ? [...moves].join(', ') : `${moves.size} ways`
  return `${shorten(detail)}  ${move}  ${costs(edges)}`
}

function costs(edges: readonly AnswerEdge[]): string {
  const count = Math.max(...edges.map((edge) => edge.count))
  const cpuMs = edges.reduce((sum, edge) => sum + edge.totals.cpuMs, 0)
  const bytes = edges.reduce((sum, edge) => sum + edge.totals.bytes, 0)
  return `${count > 1 ? `${count}×, ` : ''}${formatBytes(bytes)} read, ${formatMs(cpuMs)} CPU`
}

function size(rows: number, bytes: number): string {
  return `${plural(rows, 'row')}${bytes > 0 ? `, ${formatBytes(bytes)}` : ''}`
}

function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`
}

function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

function formatMs(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`
}

function shorten(text: string): string {
  return text.length <= 90 ? text : `${text.slice(0, 89)}…`
}

/** An answer may have two hundred thousand lines, more than a call takes arguments. */
function append(lines: string[], more: readonly string[]): void {
  for (const line of more) lines.push(line)
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
