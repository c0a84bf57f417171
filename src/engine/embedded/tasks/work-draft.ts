/** Turns a plan into tasks: what each relation is read from, which node reads which segments, and the statement of each task. */
import assert from 'node:assert/strict'
import { valueOf } from '../../../model/by-name.js'
import type { BasePart, DerivedSource, TaskInput, TaskOutput } from '../../../model/messages.js'
import type { NodeId, Role } from '../../../model/node.js'
import { type DatasetRead, type Plan, partialsRelation, type QueryId, type Stage, type Work } from '../../../model/query.js'
import type { BaseSegment, Pack, SegmentId, Snapshot } from '../../../model/segment.js'
import { place } from '../../../scheduler/place.js'
import type { TaskDraft } from '../../../scheduler/run-task.js'
import type { LeafWork } from '../../../scheduler/run-tree.js'
import { mergedId, partialId } from './derived-ids.js'
import { groupBy } from './group-by.js'
import type { Tiers } from './tiers.js'
import { transformationOf } from './transformation-of.js'

/** What tasks of one query are made with. */
export interface DraftContext {
  readonly queryId: QueryId
  /** Told apart from other rounds of the same query by its task ids. */
  readonly round: number
  readonly plan: Plan
  readonly tenant: string
  readonly timeZone: string
  readonly traceparent?: string | undefined
  /** Epoch milliseconds of the machine's clock. */
  readonly deadlineAt: number
  readonly memoryBytes: number
  readonly snapshot: (read: DatasetRead) => Snapshot
  readonly tiers: Tiers
  readonly verify: (segment: BaseSegment, columns: readonly string[]) => readonly string[]
  /** Nodes where a segment, or a pack, is warm. */
  readonly warmOn: (segment: BaseSegment, pack: Pack | undefined) => readonly NodeId[]
}

export type SplitWork = Extract<Work, { shape: 'split' }>

/** The base segments that a read keeps. */
export function segmentsOf(read: DatasetRead, snapshot: Snapshot): readonly BaseSegment[] {
  return read.segments.flatMap((ordinal) => snapshot.segments[ordinal] ?? [])
}

/** Compressed bytes of some columns of a segment. */
export function bytesOf(segment: BaseSegment, read: DatasetRead): number {
  return read.columns.reduce((sum, column) => sum + (valueOf(segment.columnBytes, column.name) ?? 0), 0)
}

/** One task that reads everything and gives the answer. */
export function wholeTask(context: DraftContext, output: TaskOutput): TaskDraft {
  const inputs = context.plan.reads.map((read) => baseInput(context, read, segmentsOf(read, context.snapshot(read))))
  return draft(context, 'root', 'root', context.plan.work.whole, inputs, output, 'all')
}

/** The node on which most of what a whole task reads is warm; undefined when nothing is. */
export function warmestNode(context: DraftContext, ready: readonly NodeId[]): NodeId | undefined {
  const warm = new Map<NodeId, number>()
  const note = (read: DatasetRead, segments: readonly BaseSegment[], pack?: Pack): void => {
    for (const segment of segments) {
      for (const node of context.warmOn(segment, pack)) warm.set(node, (warm.get(node) ?? 0) + bytesOf(segment, read) + 1)
    }
  }
  for (const read of context.plan.reads) {
    const { packed, unpacked } = context.tiers.of(read, segmentsOf(read, context.snapshot(read)))
    for (const { pack, segments } of packed) note(read, segments, pack)
    note(read, unpacked)
  }
  return [...warm].filter(([node]) => ready.includes(node)).toSorted((a, b) => b[1] - a[1])[0]?.[0]
}

/** Leaves over `segments` of the shared-out relation: one per node for Parquet, and one per node and pack. */
export function leafTasks(
  context: DraftContext,
  work: SplitWork,
  workKey: string,
  segments: readonly BaseSegment[],
  nodes: readonly NodeId[],
): readonly (LeafWork & { readonly covers: readonly SegmentId[] })[] {
  const read = readOf(context.plan, work.distributed)
  const broadcast = (work.broadcast ?? []).map((relation) => readOf(context.plan, relation))
  const others = broadcast.map((each) => baseInput(context, each, segmentsOf(each, context.snapshot(each))))
  const choice = context.tiers.of(read, segments)
  const packOf = new Map(choice.packed.flatMap((packed) => packed.segments.map((segment) => [segment.id, packed.pack] as const)))
  const items = segments.map((segment) => {
    const pack = packOf.get(segment.id)
    return { segment, pack, bytes: Math.max(1, bytesOf(segment, read)), warmOn: context.warmOn(segment, pack) }
  })
  const shares = [...place(items, nodes)].flatMap(([node, share]) =>
    groupBy(share, (item) => item.pack?.id ?? '').map((group) => ({ node, segments: group.map((item) => item.segment) })),
  )
  // A statement over no segments still has an answer, e.g. a count of 0, so one leaf runs over nothing.
  if (shares.length === 0 && nodes[0] !== undefined) shares.push({ node: nodes[0], segments: [] })
  // One leaf beside no other, as when one new file is left to read, has the machine to itself.
  const threads = shares.length === 1 && work.exact ? 'all' : 'one'
  return shares.map((share, index) => {
    const covers = share.segments.map((segment) => segment.id)
    const inputs = [baseInput(context, read, share.segments), ...others]
    const output: TaskOutput = { to: 'segment', segment: partialId(workKey, covers), columns: work.leaf.columns }
    return { node: share.node, covers, task: draft(context, `l${index + 1}`, 'leaf', work.leaf, inputs, output, threads) }
  })
}

/** A merge of partials into one partial. */
export function aggregatorTask(
  context: DraftContext,
  work: SplitWork,
  name: string,
  sources: readonly DerivedSource[],
): TaskDraft {
  const segment = mergedId(
    work.merge.sql,
    sources.map((source) => source.stored.id),
  )
  const output: TaskOutput = { to: 'segment', segment, columns: work.merge.columns }
  return draft(context, name, 'aggregator', work.merge, [partials(work, sources)], output, 'one')
}

/** The last merge, which gives the answer. */
export function rootTask(
  context: DraftContext,
  work: SplitWork,
  sources: readonly DerivedSource[],
  output: TaskOutput,
): TaskDraft {
  const others = (work.rootReads ?? []).map((relation) => readOf(context.plan, relation))
  const inputs = others.map((read) => baseInput(context, read, segmentsOf(read, context.snapshot(read))))
  return draft(context, 'root', 'root', work.root, [partials(work, sources), ...inputs], bounded(output, work, sources), 'one')
}

/** What the partials say of the most rows of the answer. */
function bounded(output: TaskOutput, work: SplitWork, sources: readonly DerivedSource[]): TaskOutput {
  if (output.to !== 'client' || !work.rootKeepsRows) return output
  const rows = sources.reduce((sum, { stored }) => sum + stored.rows, 0)
  return { ...output, rowsMax: Math.min(output.rowsMax ?? Number.POSITIVE_INFINITY, Math.max(1, rows)) }
}

/** An answer of an earlier query, encoded anew. */
export function storedAnswerTask(context: DraftContext, source: DerivedSource, output: TaskOutput): TaskDraft {
  const { columns } = source.stored
  const stage: Stage = {
    sql: `SELECT * FROM ${partialsRelation}`,
    columns,
    operators: [{ type: 'encode', detail: 'stored answer' }],
  }
  const input: TaskInput = { kind: 'derived', relation: partialsRelation, columns, sources: [source] }
  // The node may not have let go of it yet when the answer is computed anew, as "root".
  return draft(context, 'stored', 'root', stage, [input], output, 'one')
}

function draft(
  context: DraftContext,
  name: string,
  role: Role,
  stage: Stage,
  inputs: readonly TaskInput[],
  output: TaskOutput,
  threads: 'one' | 'all',
): TaskDraft {
  const { queryId, tenant, plan, round } = context
  const operators =
    output.to === 'table' ? [...stage.operators, { type: 'write' as const, detail: output.table }] : stage.operators
  return {
    taskId: `${queryId}-${round > 1 ? `t${round}-` : ''}${name}`,
    queryId,
    tenant,
    template: plan.fingerprint,
    role,
    sql: stage.sql,
    inputs,
    output,
    transformation: transformationOf(operators),
    threads,
    timeZone: context.timeZone,
    memoryBytes: context.memoryBytes,
    deadlineAt: context.deadlineAt,
    ...(context.traceparent === undefined ? {} : { traceparent: context.traceparent }),
    eventKind: output.to === 'table' ? 'write' : 'task',
  }
}

function partials(work: SplitWork, sources: readonly DerivedSource[]): TaskInput {
  return { kind: 'derived', relation: partialsRelation, columns: work.leaf.columns, sources }
}

function baseInput(context: DraftContext, read: DatasetRead, segments: readonly BaseSegment[]): TaskInput {
  const snapshot = context.snapshot(read)
  return {
    kind: 'base',
    relation: read.relation,
    dataset: read.dataset,
    snapshot: read.snapshot,
    columns: read.columns,
    mixedSchemas: snapshot.mixedSchemas,
    partitionColumns: snapshot.partitionColumns.filter((name) => read.columns.some((column) => column.name === name)),
    parts: parts(context, read, segments),
  }
}

function parts(context: DraftContext, read: DatasetRead, segments: readonly BaseSegment[]): readonly BasePart[] {
  const { packed, unpacked } = context.tiers.of(read, segments)
  const columns = read.columns.map((column) => column.name)
  const made: BasePart[] = packed.map((choice) => ({ from: 'pack', ...choice }))
  // Segments with the same columns to verify go together; as a rule there is one such group.
  for (const group of groupBy(unpacked, (segment) => context.verify(segment, columns).join('\0'))) {
    const [first] = group
    if (first !== undefined) made.push({ from: 'parquet', segments: group, verify: context.verify(first, columns) })
  }
  return made
}

function readOf(plan: Plan, relation: string): DatasetRead {
  const read = plan.reads.find((each) => each.relation === relation)
  assert(read !== undefined, `the plan has no relation "${relation}"`)
  return read
}
