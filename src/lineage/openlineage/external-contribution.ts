/**
 * What events of other programs add to the graph. A dataset's version is a segment, a job a node, a run a task: each input and
 * each output is PROCESSED_BY the job, and each input is TRANSFORMED_INTO each output, unless explicit lineage says which.
 *
 * A run tells of itself in several events, in any order and more than once. What the graph holds of a run is a function of the
 * set of its events: datasets and pairs are united, statistics are the largest said, and a run counts once for an edge, on each
 * day that it reported on. `joinRun` adds an event to what is known of its run and gives what is new; so nothing is counted twice.
 */
import type { SegmentId } from '../../model/segment.js'
import type { GraphDelta } from '../graph/graph-delta.js'
import type { EdgeTotals, LineageEdge, SegmentVertex } from '../lineage-store.js'
import { type ExplicitTarget, explicitOf, explicitOfJob } from './explicit-lineage.js'
import { datasetVersion, externalDataset, externalSegment, jobNode, jobShape } from './external-vertex.js'
import { type DatasetReference, type EventDataset, type Facets, facetOf, type OpenLineageEvent } from './open-lineage-event.js'

const microsPerDay = 86_400_000_000

/** Most edges of one run: every input with every output of a large event would be more than a thread's memory holds. */
const runEdgesMax = 100_000

type Statistics = readonly [rows: number, bytes: number]

/** What the graph holds of one run, as plain data. */
export interface RunGraph {
  readonly first: number
  readonly last: number
  readonly days: readonly number[]
  readonly inputs: Readonly<Record<SegmentId, Statistics>>
  readonly outputs: Readonly<Record<SegmentId, Statistics>>
  /** Outputs that some event named without explicit lineage. */
  readonly plain: readonly SegmentId[]
  /** `from to`, from explicit lineage. */
  readonly explicit: readonly string[]
}

/** How an edge changes: `use` is what the job does with the segment, or that one segment becomes another. */
export type ExternalEdge = readonly [
  use: 'read' | 'write' | 'into',
  from: SegmentId,
  to: SegmentId,
  count: number,
  rows: number,
  bytes: number,
  days: readonly number[],
]

/** New edges and changes to edges of one run. All of them have the run's first and last time so far. */
export interface ExternalChange {
  readonly first: number
  readonly last: number
  readonly edges: readonly ExternalEdge[]
}

const nothingKnown: RunGraph = {
  first: Number.MAX_SAFE_INTEGER,
  last: 0,
  days: [],
  inputs: {},
  outputs: {},
  plain: [],
  explicit: [],
}

interface JoinedRun {
  readonly run: RunGraph
  readonly change: ExternalChange
}
/** What the first events of runs say: asked for by the catalogue and, right afterwards, by the graph. */
const firstJoins = new WeakMap<OpenLineageEvent, JoinedRun>()

/** Joins what an event says to what is known of its run. `at` is the event's time in epoch microseconds. */
export function joinRun(event: OpenLineageEvent, at: number, known?: RunGraph): JoinedRun {
  if (known !== undefined) return joinTo(event, at, known)
  const joined = firstJoins.get(event) ?? joinTo(event, at, nothingKnown)
  firstJoins.set(event, joined)
  return joined
}

function joinTo(event: OpenLineageEvent, at: number, known: RunGraph): JoinedRun {
  const said = saidBy(event)
  const day = Math.floor(at / microsPerDay)
  const run: RunGraph = {
    first: Math.min(known.first, at),
    last: Math.max(known.last, at),
    // A job's declaration is not a run: it shows what flows, and counts nothing.
    days: event.run === undefined || known.days.includes(day) ? known.days : [...known.days, day],
    inputs: largest(known.inputs, said.inputs),
    outputs: largest(known.outputs, said.outputs),
    plain: united(known.plain, said.plain),
    explicit: united(known.explicit, said.explicit),
  }
  refuseTooMany(run)
  return { run, change: difference(known, run, event.run === undefined ? 0 : 1) }
}

/** Throws where a run has more edges than the graph takes. Pairs that are named twice count twice. */
function refuseTooMany({ inputs, outputs, plain, explicit }: RunGraph): void {
  const read = Object.keys(inputs).length
  const edges = read + Object.keys(outputs).length + read * plain.length + explicit.length
  if (edges > runEdgesMax) throw new Error(`its run would have ${edges} edges, more than the ${runEdgesMax} that one may have`)
}

/** Adds the vertices that an event names, and a change to the edges of its run. */
export function addExternal(delta: GraphDelta, event: OpenLineageEvent, at: number, change: ExternalChange | undefined): void {
  const { job } = event
  for (const { dataset, rows, bytes } of datasetsOf(event)) delta.segment(vertex(dataset, rows, bytes))
  if (job === undefined) return
  const node = jobNode(job)
  delta.node(node)
  const { first, last, edges } = change ?? joinRun(event, at).change
  for (const [use, from, to, count, rows, bytes, days] of edges) {
    const totals: EdgeTotals = { rows, bytes, cpuMicros: 0, peakMemoryBytes: 0, queueMicros: 0, transferMicros: 0 }
    const edge: LineageEdge = {
      from,
      to: use === 'into' ? to : node,
      type: use === 'into' ? 'TRANSFORMED_INTO' : 'PROCESSED_BY',
      transformation: { type: use === 'into' ? 'job' : use, detail: `${job.namespace}:${job.name}`, shape: jobShape(node, use) },
      sourceNode: node,
      destinationNode: node,
      firstAt: first,
      lastAt: last,
      count,
      totals,
      days: days.toSorted((a, b) => a - b).map((day) => [day, 1] as const),
    }
    delta.edge(edge)
  }
}

interface Said {
  readonly inputs: Readonly<Record<SegmentId, Statistics>>
  readonly outputs: Readonly<Record<SegmentId, Statistics>>
  readonly plain: readonly SegmentId[]
  readonly explicit: readonly string[]
}

function saidBy(event: OpenLineageEvent): Said {
  const inputs: Record<SegmentId, Statistics> = {}
  const outputs: Record<SegmentId, Statistics> = {}
  const plain: SegmentId[] = []
  const explicit: string[] = []
  const { targets, read } = explicitOfJob(event)
  // What a job declares was not moved.
  const measured = (facets: Facets | undefined, name: string): Statistics =>
    event.run === undefined ? [0, 0] : statistics(facets, name)
  const mention = (dataset: DatasetReference): SegmentId => {
    const segment = segmentOf(dataset)
    inputs[segment] ??= [0, 0]
    return segment
  }
  const follow = ({ target, sources }: ExplicitTarget): void => {
    const to = segmentOf(target)
    outputs[to] ??= [0, 0]
    for (const source of sources) {
      const from = mention(source)
      if (from !== to) explicit.push(`${from} ${to}`)
    }
  }
  for (const dataset of event.inputs ?? []) {
    const segment = segmentOf(dataset)
    inputs[segment] = larger(inputs[segment] ?? [0, 0], measured(dataset.inputFacets, 'inputStatistics'))
  }
  for (const dataset of read) mention(dataset)
  const named = new Set(targets.map(({ target }) => segmentOf(target)))
  for (const dataset of event.outputs ?? []) {
    const segment = segmentOf(dataset)
    outputs[segment] = larger(outputs[segment] ?? [0, 0], measured(dataset.outputFacets, 'outputStatistics'))
    const own = explicitOf(dataset)
    if (own !== undefined) follow(own)
    else if (!named.has(segment)) plain.push(segment)
  }
  for (const target of targets) follow(target)
  return { inputs, outputs, plain, explicit }
}

/** What `next` has beyond `known`. A run whose time or days grew touches every edge that it has. */
function difference(known: RunGraph, next: RunGraph, once: number): ExternalChange {
  const edges: ExternalEdge[] = []
  const newDays = next.days.filter((day) => !known.days.includes(day))
  const grown = next.first < known.first || next.last > known.last || newDays.length > 0
  const add = (use: ExternalEdge[0], from: SegmentId, to: SegmentId, isNew: boolean, was: Statistics, is: Statistics): void => {
    const [rows, bytes] = [is[0] - was[0], is[1] - was[1]]
    if (isNew) edges.push([use, from, to, once, is[0], is[1], next.days])
    else if (grown || rows > 0 || bytes > 0) edges.push([use, from, to, 0, rows, bytes, newDays])
  }
  for (const [use, before, after] of [
    ['read', known.inputs, next.inputs],
    ['write', known.outputs, next.outputs],
  ] as const) {
    for (const segment in after) {
      const was = before[segment]
      add(use, segment, '', was === undefined, was ?? [0, 0], after[segment] ?? [0, 0])
    }
  }
  const knownPairs = pairsOf(known)
  for (const pair of pairsOf(next)) {
    const [from = '', to = ''] = pair.split(' ')
    const isNew = !knownPairs.has(pair)
    add('into', from, to, isNew, isNew ? [0, 0] : (known.inputs[from] ?? [0, 0]), next.inputs[from] ?? [0, 0])
  }
  return { first: next.first, last: next.last, edges }
}

/** A segment that a run reads and writes is not made of itself. */
function pairsOf({ inputs, plain, explicit }: RunGraph): Set<string> {
  const pairs = new Set(explicit)
  for (const to of plain) for (const from in inputs) if (from !== to) pairs.add(`${from} ${to}`)
  return pairs
}

function segmentOf(dataset: EventDataset): SegmentId {
  return externalSegment(dataset, datasetVersion(dataset))
}

function datasetsOf(
  event: OpenLineageEvent,
): { readonly dataset: EventDataset; readonly rows: number; readonly bytes: number }[] {
  const found: { dataset: EventDataset; rows: number; bytes: number }[] = []
  const add = (dataset: EventDataset, [rows, bytes]: Statistics = [0, 0]): void => {
    const quality = facetOf(dataset.facets, 'dataQualityMetrics')
    found.push({ dataset, rows: Math.max(rows, whole(quality?.rowCount)), bytes: Math.max(bytes, whole(quality?.bytes)) })
  }
  if (event.dataset !== undefined && event.job === undefined) add(event.dataset)
  for (const dataset of event.inputs ?? []) add(dataset)
  for (const dataset of event.outputs ?? []) {
    add(dataset, statistics(dataset.outputFacets, 'outputStatistics'))
    for (const source of explicitOf(dataset)?.sources ?? []) add(source)
  }
  const { targets, read } = explicitOfJob(event)
  for (const { target, sources } of targets) for (const dataset of [target, ...sources]) add(dataset)
  for (const dataset of read) add(dataset)
  return found
}

function vertex(dataset: EventDataset, rows: number, bytes: number): SegmentVertex {
  const version = datasetVersion(dataset)
  return {
    type: 'DataSegment',
    id: externalSegment(dataset, version),
    kind: 'external',
    dataset: externalDataset(dataset),
    version,
    rows,
    bytes,
    location: null,
  }
}

function statistics(facets: Facets | undefined, name: string): Statistics {
  const facet = facetOf(facets, name)
  return facet === undefined ? [0, 0] : [whole(facet.rowCount), whole(facet.size)]
}

/** Largest count of one run that is believed: a petabyte. Sums of some runs stay below 2^53, where the graph's sums stop. */
const countMax = 1e15

/** A count that the graph can add up; what is none counts nothing. */
function whole(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? Math.min(value, countMax) : 0
}

function larger(a: Statistics, b: Statistics): Statistics {
  return [Math.max(a[0], b[0]), Math.max(a[1], b[1])]
}

function largest(a: RunGraph['inputs'], b: RunGraph['inputs']): RunGraph['inputs'] {
  const joined: Record<SegmentId, Statistics> = { ...a }
  for (const segment in b) joined[segment] = larger(joined[segment] ?? [0, 0], b[segment] ?? [0, 0])
  return joined
}

function united<T>(a: readonly T[], b: readonly T[]): readonly T[] {
  return b.length === 0 ? a : [...new Set([...a, ...b])]
}
