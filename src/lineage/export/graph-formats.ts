/**
 * The whole graph as text that other programs read: one JSON object a line; GraphML; a Cypher script that makes the graph of an
 * empty Neo4j as the store would; OpenLineage events, one RunEvent for each edge between segments.
 */
import { createHash } from 'node:crypto'
import { isoTime } from '../lineage-answer.js'
import type { LineageEdge, SegmentVertex, Vertex } from '../lineage-store.js'

export const exportFormats = ['ndjson', 'graphml', 'cypher', 'openlineage'] as const
export type ExportFormat = (typeof exportFormats)[number]

/** How a graph is written: text before, for each vertex, for each edge, and after. */
export interface GraphFormat {
  readonly head: string
  vertex(vertex: Vertex): string
  edge(edge: LineageEdge): string
  readonly tail: string
}

const vertexKeys = ['kind', 'dataset', 'version', 'rows', 'bytes', 'location', 'roles', 'host'] as const
const edgeKeys = [
  'transformationType',
  'transformationDetail',
  'transformationShape',
  'sourceNode',
  'destinationNode',
  'firstAt',
  'lastAt',
  'count',
  'rows',
  'bytes',
  'cpuMicros',
  'peakMemoryBytes',
  'queueMicros',
  'transferMicros',
  'days',
  'dayCounts',
] as const

/** The format of a name. */
export function graphFormat(name: ExportFormat): GraphFormat {
  return { ndjson, graphml, cypher, openlineage }[name]
}

const ndjson: GraphFormat = {
  head: '',
  vertex: (vertex) => `${JSON.stringify(vertex)}\n`,
  edge: (edge) => `${JSON.stringify(edge)}\n`,
  tail: '',
}

const numeric = new Set([
  'rows',
  'bytes',
  'firstAt',
  'lastAt',
  'count',
  'cpuMicros',
  'peakMemoryBytes',
  'queueMicros',
  'transferMicros',
])

const graphml: GraphFormat = {
  head: `<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
${declared('node', ['label', 'name', ...vertexKeys])}${declared('edge', ['label', ...edgeKeys])}<graph id="lineage" edgedefault="directed">
`,
  vertex: (vertex) => {
    const data = { label: vertex.type, name: vertex.id, ...properties(vertex, vertexKeys) }
    return `<node id="${xml(nameOf(vertex))}">${xmlData('node', data)}</node>\n`
  },
  edge: (edge) => {
    const to = edge.type === 'PROCESSED_BY' ? `node:${edge.to}` : edge.to
    return `<edge source="${xml(edge.from)}" target="${xml(to)}">${xmlData('edge', { label: edge.type, ...flat(edge) })}</edge>\n`
  },
  tail: '</graph>\n</graphml>\n',
}

const cypher: GraphFormat = {
  head: `CREATE CONSTRAINT forebay_segment_id IF NOT EXISTS FOR (s:DataSegment) REQUIRE s.id IS UNIQUE;
CREATE CONSTRAINT forebay_node_id IF NOT EXISTS FOR (n:ProcessingNode) REQUIRE n.id IS UNIQUE;
`,
  vertex: (vertex) => `MERGE (v:${vertex.type} {id: ${literal(vertex.id)}}) SET v += ${map(properties(vertex, vertexKeys))};\n`,
  edge: (edge) => {
    const target = edge.type === 'PROCESSED_BY' ? 'ProcessingNode' : 'DataSegment'
    const all = { ...flat(edge), timestamp: isoTime(edge.lastAt) }
    return `MATCH (a:DataSegment {id: ${literal(edge.from)}}), (b:${target} {id: ${literal(edge.to)}}) CREATE (a)-[:${edge.type} ${map(all)}]->(b);\n`
  },
  tail: '',
}

/** Between segments only: OpenLineage has no place for who processed a dataset but the run itself, where it stands in a facet. */
const openlineage: GraphFormat = {
  head: '',
  vertex: () => '',
  edge: (edge) => (edge.type === 'TRANSFORMED_INTO' ? `${JSON.stringify(runEvent(edge))}\n` : ''),
  tail: '',
}

const producer = 'https://github.com/forebay/forebay'

function runEvent(edge: LineageEdge): object {
  const { transformation, totals, sourceNode, destinationNode, count } = edge
  const runId = uuidOf(JSON.stringify([edge.from, edge.to, transformation.shape, sourceNode, destinationNode]))
  const facet = { _producer: producer, _schemaURL: `${producer}/blob/main/docs/lineage.md` }
  return {
    eventType: 'COMPLETE',
    eventTime: isoTime(edge.lastAt),
    producer,
    schemaURL: 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent',
    run: {
      runId,
      facets: { forebay_edge: { ...facet, sourceNode, destinationNode, count, firstAt: isoTime(edge.firstAt), ...totals } },
    },
    job: {
      namespace: 'forebay',
      name: `${transformation.type} ${transformation.shape}`,
      facets: { documentation: { ...facet, description: transformation.detail } },
    },
    inputs: [{ namespace: 'forebay', name: edge.from }],
    outputs: [{ namespace: 'forebay', name: edge.to }],
  }
}

/** A UUID (version 8) of a text. */
function uuidOf(text: string): string {
  const hash = createHash('sha256').update(text).digest('hex')
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`
}

type Value = string | number | null | readonly (string | number)[]

function properties(vertex: Vertex, keys: readonly string[]): Record<string, Value> {
  const given = vertex as SegmentVertex & Record<string, Value>
  return Object.fromEntries(keys.flatMap((key) => (given[key] === undefined || given[key] === null ? [] : [[key, given[key]]])))
}

function flat(edge: LineageEdge): Record<(typeof edgeKeys)[number], Value> {
  const { transformation, totals, sourceNode, destinationNode, firstAt, lastAt, count, days } = edge
  return {
    transformationType: transformation.type,
    transformationDetail: transformation.detail,
    transformationShape: transformation.shape,
    sourceNode,
    destinationNode,
    firstAt,
    lastAt,
    count,
    ...totals,
    days: days.map(([day]) => day),
    dayCounts: days.map(([, uses]) => uses),
  }
}

function nameOf(vertex: Vertex): string {
  return vertex.type === 'ProcessingNode' ? `node:${vertex.id}` : vertex.id
}

function declared(of: 'node' | 'edge', names: readonly string[]): string {
  const lines = names.map((name) => {
    const type = numeric.has(name) ? 'long' : 'string'
    return `<key id="${of}-${name}" for="${of}" attr.name="${name}" attr.type="${type}"/>\n`
  })
  return lines.join('')
}

function xmlData(of: string, values: Readonly<Record<string, Value>>): string {
  return Object.entries(values)
    .map(([name, value]) => `<data key="${of}-${name}">${xml(Array.isArray(value) ? value.join(' ') : String(value))}</data>`)
    .join('')
}

/** XML 1.0 cannot hold most control characters, not even escaped; they become U+FFFD. Readers take others for spaces unless escaped. */
function xml(text: string): string {
  return (
    text
      // oxlint-disable-next-line no-control-regex -- they are what is looked for
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replace(/[<>&"\t\n\r]/g, (sign) => `&#${sign.charCodeAt(0)};`)
  )
}

function literal(value: Value): string {
  if (typeof value === 'number') return String(value)
  if (value === null) return 'null'
  if (typeof value !== 'string') return `[${value.map(literal).join(', ')}]`
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  const escaped = value.replace(/[\\'\u0000-\u001f]/g, (sign) =>
    sign < ' ' ? `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}` : `\\${sign}`,
  )
  return `'${escaped}'`
}

function map(values: Readonly<Record<string, Value>>): string {
  return `{${Object.entries(values)
    .map(([name, value]) => `${name}: ${literal(value)}`)
    .join(', ')}}`
}
