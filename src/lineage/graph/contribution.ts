/**
 * What one event adds to the graph: a function of the event, the snapshots that it names and the renames of its marks. Costs of a
 * task are shared out over the segments that it read by their bytes, exactly; the edges of each type add up to the task's costs.
 */
import { type ByName, valueOf } from '../../model/by-name.js'
import type { AnswerEvent, SnapshotEvent, TaskEvent, WrittenEvent } from '../../model/lineage-event.js'
import { clientNode, type NodeId } from '../../model/node.js'
import type { SegmentId, SnapshotId } from '../../model/segment.js'
import type { Transformation } from '../../model/transformation.js'
import type { EdgeTotals, LineageEdge, SegmentVertex } from '../lineage-store.js'
import type { Renames } from '../log/marked-event.js'
import { apportion } from './apportion.js'
import { bitmapOrdinals } from './bitmap.js'
import type { GraphDelta } from './graph-delta.js'

/** What the projector needs to know of a base segment to expand a bitmap. */
export interface KnownSegment {
  readonly id: SegmentId
  readonly dataset: string
  readonly rows: number
  readonly bytes: number
  readonly columnBytes: ByName<number>
}
export type SnapshotLookup = (id: SnapshotId) => readonly KnownSegment[] | undefined

/** One segment that a task read, with its share of the read. */
export interface InputShare {
  readonly segment: SegmentId
  readonly source: NodeId
  readonly rows: number
  readonly bytes: number
  readonly transferMicros: number
  readonly packed: boolean
  readonly vertex: SegmentVertex
}

const microsPerDay = 86_400_000_000

/** The segments that a task read. Ordinals beyond the snapshot, which no catalogue gives, are left out. */
export function taskInputs(event: TaskEvent, snapshot: SnapshotLookup): InputShare[] {
  const inputs: InputShare[] = []
  for (const read of event.baseReads) {
    const known = snapshot(read.snapshot) ?? []
    const segments = bitmapOrdinals(read.segments).flatMap((ordinal) => known[ordinal] ?? [])
    const weights = segments.map((segment) => columnBytes(segment, read.columns))
    const bytes = apportion(read.bytes, weights)
    const micros = apportion(read.micros, weights)
    const rows = apportion(
      read.rows,
      segments.map((segment) => segment.rows),
    )
    for (const [index, segment] of segments.entries()) {
      inputs.push({
        segment: segment.id,
        source: read.source,
        rows: rows[index] ?? 0,
        bytes: bytes[index] ?? 0,
        transferMicros: micros[index] ?? 0,
        packed: read.tier === 'pack',
        vertex: baseVertex(segment),
      })
    }
  }
  for (const read of event.derivedReads) {
    const moves = event.transfers.filter((transfer) => transfer.segment === read.segment)
    inputs.push({
      segment: read.segment,
      source: read.source,
      rows: read.rows,
      bytes: read.bytes,
      transferMicros: moves.reduce((sum, transfer) => sum + transfer.micros, 0),
      packed: false,
      vertex: derivedVertex(read.segment, read.rows, 0),
    })
  }
  return inputs
}

/** Adds a task: PROCESSED_BY from each segment read to its node, TRANSFORMED_INTO from each segment read to its output. */
export function addTask(delta: GraphDelta, event: TaskEvent, snapshot: SnapshotLookup, renames: Renames): void {
  const inputs = taskInputs(event, snapshot)
  const { node, output } = event
  delta.node(node, event.role)
  const child = output === undefined ? undefined : renamed(output.segment, renames)
  if (output !== undefined && child === output.segment) delta.segment(outputVertex(output))
  if (inputs.length === 0) {
    if (child !== undefined) delta.edge(edge(event, child, node, 'PROCESSED_BY', node, event.transformation, sourceless(event)))
    return
  }
  for (const { input, totals } of sharedCosts(event, inputs)) {
    const parent = renamed(input.segment, renames)
    if (parent === input.segment) delta.segment(input.vertex)
    delta.node(input.source)
    const shape = input.packed ? packedShape(event.transformation) : event.transformation
    delta.edge(edge(event, parent, node, 'PROCESSED_BY', input.source, shape, totals))
    if (child !== undefined && event.kind !== 'pack') {
      delta.edge(edge(event, parent, child, 'TRANSFORMED_INTO', input.source, event.transformation, totals))
    }
  }
}

/** Adds the segments of a snapshot. */
export function addSnapshot(delta: GraphDelta, event: SnapshotEvent): void {
  for (const [index, segment] of event.segments.entries()) {
    const { path, version } = event.locations[index] ?? { path: null, version: null }
    delta.segment({
      type: 'DataSegment',
      id: segment.id,
      kind: 'base',
      dataset: event.dataset,
      version,
      rows: segment.rows,
      bytes: segment.bytes,
      location: path,
    })
  }
}

/** Adds the move of an answer to the client. */
export function addAnswer(delta: GraphDelta, event: AnswerEvent, renames: Renames): void {
  const { transfer } = event
  const segment = renamed(event.segment, renames)
  if (segment === event.segment) delta.segment(derivedVertex(segment, transfer.rows, 0))
  delta.node(transfer.source)
  delta.node(clientNode)
  const totals = { ...noTotals, rows: transfer.rows, bytes: transfer.bytes, transferMicros: transfer.micros }
  const shape: Transformation = { type: 'encode', operators: [{ type: 'encode', detail: 'answer' }], shape: 'answer' }
  delta.edge(edge({ at: event.at, node: clientNode }, segment, clientNode, 'PROCESSED_BY', transfer.source, shape, totals))
}

/** Adds what a committed write made of what its task read, shared out over the new segments by their bytes. */
export function addWritten(
  delta: GraphDelta,
  write: TaskEvent,
  written: WrittenEvent,
  snapshot: SnapshotLookup,
  renames: Renames,
): void {
  const inputs = taskInputs(write, snapshot)
  const weights = written.segments.map((segment) => segment.bytes)
  for (const segment of written.segments) {
    delta.segment({ ...baseVertex(segment), dataset: written.table })
  }
  if (inputs.length === 0) {
    delta.node(write.node, write.role)
    const costs = apportionTotals(sourceless(write), weights)
    for (const [index, segment] of written.segments.entries()) {
      const totals = costs[index] ?? noTotals
      delta.edge(edge(write, segment.id, write.node, 'PROCESSED_BY', write.node, write.transformation, totals))
    }
    return
  }
  for (const { input, totals } of sharedCosts(write, inputs)) {
    const costs = apportionTotals(totals, weights)
    const parent = renamed(input.segment, renames)
    for (const [index, segment] of written.segments.entries()) {
      const share = costs[index] ?? noTotals
      delta.edge(edge(write, parent, segment.id, 'TRANSFORMED_INTO', input.source, write.transformation, share))
    }
  }
}

const noTotals: EdgeTotals = { rows: 0, bytes: 0, cpuMicros: 0, peakMemoryBytes: 0, queueMicros: 0, transferMicros: 0 }

function sharedCosts(event: TaskEvent, inputs: readonly InputShare[]): { input: InputShare; totals: EdgeTotals }[] {
  const weights = inputs.map((input) => input.bytes)
  const cpu = apportion(event.cost.cpuMicros, weights)
  const queue = apportion(event.cost.queueMicros, weights)
  return inputs.map((input, index) => ({
    input,
    totals: {
      rows: input.rows,
      bytes: input.bytes,
      cpuMicros: cpu[index] ?? 0,
      peakMemoryBytes: event.cost.peakMemoryBytes,
      queueMicros: queue[index] ?? 0,
      transferMicros: input.transferMicros,
    },
  }))
}

function apportionTotals(totals: EdgeTotals, weights: readonly number[]): EdgeTotals[] {
  const rows = apportion(totals.rows, weights)
  const bytes = apportion(totals.bytes, weights)
  const cpu = apportion(totals.cpuMicros, weights)
  const queue = apportion(totals.queueMicros, weights)
  const transfer = apportion(totals.transferMicros, weights)
  return weights.map((_, index) => ({
    rows: rows[index] ?? 0,
    bytes: bytes[index] ?? 0,
    cpuMicros: cpu[index] ?? 0,
    peakMemoryBytes: totals.peakMemoryBytes,
    queueMicros: queue[index] ?? 0,
    transferMicros: transfer[index] ?? 0,
  }))
}

function sourceless(event: TaskEvent): EdgeTotals {
  const { cpuMicros, peakMemoryBytes, queueMicros } = event.cost
  const { rows, bytes } = event.output ?? noTotals
  return { rows, bytes, cpuMicros, peakMemoryBytes, queueMicros, transferMicros: 0 }
}

function edge(
  event: { readonly at: number; readonly node: NodeId },
  from: string,
  to: string,
  type: LineageEdge['type'],
  source: NodeId,
  transformation: Transformation,
  totals: EdgeTotals,
): LineageEdge {
  return {
    from,
    to,
    type,
    transformation: { type: transformation.type, detail: transformationDetail(transformation), shape: transformation.shape },
    sourceNode: source,
    destinationNode: event.node,
    firstAt: event.at,
    lastAt: event.at,
    count: 1,
    totals,
    days: [[Math.floor(event.at / microsPerDay), 1]],
  }
}

const details = new WeakMap<Transformation, string>()

/** A transformation's operators as one line. */
export function transformationDetail(transformation: Transformation): string {
  let detail = details.get(transformation)
  if (detail === undefined) {
    detail = transformation.operators.map((operator) => `${operator.type} ${operator.detail}`.trim()).join('; ')
    details.set(transformation, detail)
  }
  return detail
}

const packed = new WeakMap<Transformation, Transformation>()

/** A pack read is an edge of its own: the same transformation with `tier=pack`. */
function packedShape(transformation: Transformation): Transformation {
  let shape = packed.get(transformation)
  if (shape === undefined) {
    const [scan, ...rest] = transformation.operators
    const operators = [{ type: scan?.type ?? 'scan', detail: `${scan?.detail ?? ''} tier=pack`.trim() }, ...rest]
    shape = { type: transformation.type, operators, shape: `${transformation.shape}:pack` }
    packed.set(transformation, shape)
  }
  return shape
}

function renamed(segment: SegmentId, renames: Renames): SegmentId {
  return renames[segment] ?? segment
}

function columnBytes(segment: KnownSegment, columns: readonly string[]): number {
  let bytes = 0
  for (const column of columns) bytes += valueOf(segment.columnBytes, column) ?? 0
  return bytes
}

function baseVertex(segment: Pick<KnownSegment, 'id' | 'rows' | 'bytes'> & { readonly dataset?: string }): SegmentVertex {
  const { id, rows, bytes, dataset = null } = segment
  return { type: 'DataSegment', id, kind: 'base', dataset, version: null, rows, bytes, location: null }
}

function derivedVertex(id: SegmentId, rows: number, bytes: number): SegmentVertex {
  return { type: 'DataSegment', id, kind: 'derived', dataset: null, version: null, rows, bytes, location: null }
}

function outputVertex(output: NonNullable<TaskEvent['output']>): SegmentVertex {
  const { segment: id, rows, bytes, location, dataset = null, version = null } = output
  const kind = id.startsWith('s-') ? 'base' : 'derived'
  return { type: 'DataSegment', id, kind, dataset, version, rows, bytes, location: location === '' ? null : location }
}
