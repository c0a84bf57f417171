/**
 * The path of one planned query, from the confirmed plan to the root's outcome: look for its answer, predict, be admitted,
 * have nodes, choose the shape, run, and keep what was made. Called again with a new plan when its segments changed.
 */
import { basename } from 'node:path'
import type { DerivedSource, TaskOutput } from '../../../model/messages.js'
import type { NodeStatus } from '../../../model/node.js'
import type { Plan, QueryId, QueryRequest } from '../../../model/query.js'
import type { SegmentId, StoredSegment } from '../../../model/segment.js'
import type { DerivedEntry } from '../../../scheduler/derived-index.js'
import type { TaskOutcome } from '../../../scheduler/dispatcher.js'
import { elsewhere, runTask, type TaskContext, type TaskDraft } from '../../../scheduler/run-task.js'
import { runTree, unreadable } from '../../../scheduler/run-tree.js'
import { questionOf } from '../ask-prediction.js'
import type { EngineParts } from '../engine-parts.js'
import { answerId, type Identity } from '../tasks/derived-ids.js'
import { identityOf } from '../tasks/plan-identity.js'
import { type ShapeChoice, shapeOf, treeQuestion } from '../tasks/shape-of.js'
import { Tiers } from '../tasks/tiers.js'
import {
  aggregatorTask,
  type DraftContext,
  leafTasks,
  rootTask,
  type SplitWork,
  segmentsOf,
  storedAnswerTask,
  warmestNode,
  wholeTask,
} from '../tasks/work-draft.js'
import { worthGathering } from '../tasks/worth-gathering.js'
import type { QueryAccounts } from './query-accounts.js'
import type { QueryProgress } from './query-progress.js'

/** One query on its way, as this file sees it. */
export interface QueryRun {
  readonly queryId: QueryId
  readonly request: QueryRequest
  readonly signal: AbortSignal
  readonly progress: QueryProgress
  readonly accounts: QueryAccounts
  /** Epoch milliseconds of the machine's clock. */
  readonly deadlineAt: number
  /** Work of the engine's own: it gives way at once, and teaches nothing about arrivals. */
  readonly onPreempt?: () => void
  /** Keeps the state that the outside sees. */
  readonly enter: (state: 'waiting' | 'running') => void
  readonly dispatched: () => void
  /** Does something for it as soon as all that can be sent has been sent; its outcome is learned from after that. */
  readonly meanwhile: (work: () => Promise<void>) => void
  /** Bytes that it is predicted to need, once that was asked: a second round asks for what the first one did. */
  memoryBytes?: Promise<number>
}

/** How one round is run. */
export interface Round {
  readonly number: number
  readonly plan: Plan
  /** False after something stored or packed was found damaged: then everything is read from its source. */
  readonly trustStored: boolean
  /** Where the rows go; the segment's id is set by the round. */
  readonly output: (answer: SegmentId) => TaskOutput
}

export interface RoundEnd {
  readonly answer: SegmentId
  readonly outcome: TaskOutcome
  /** True when nothing was computed: the stored answer was encoded. */
  readonly reused: boolean
}

/** A larger partial is read where it stands. */
const networkBytesMax = 16e6
/** Memory that a query is thought to need before anything is known of it. */
const memoryPriorBytes = 64e6
/** How long a query waits for the lineage graph's word on its segments. */
const workPatienceMs = 2

export async function runRound(parts: EngineParts, query: QueryRun, round: Round): Promise<RoundEnd> {
  const { plan } = round
  const identity = identityOf(parts, query.request.timeZone, plan)
  const answer = answerId(identity, `${query.queryId}-${round.number}`)
  parts.lineage.snapshots(plan.reads.map(identity.snapshot))
  const release = await admit(parts, query, memoryPrediction(parts, query, plan, identity))
  try {
    return await runAdmitted(parts, query, round, identity, answer)
  } finally {
    release()
  }
}

/** Predicts, once a query, what it needs among those that are under way at this moment; it resolves with the memory to reserve. */
function memoryPrediction(parts: EngineParts, query: QueryRun, plan: Plan, identity: Identity): () => Promise<number> {
  const among = { running: parts.admission.running, queued: parts.admission.waiting }
  return () => {
    query.memoryBytes ??= predictMemory(parts, query, plan, identity, among).catch((error: unknown) => {
      parts.onError(error)
      return memoryPriorBytes
    })
    return query.memoryBytes
  }
}

async function predictMemory(
  parts: EngineParts,
  { queryId, request, progress, accounts }: QueryRun,
  plan: Plan,
  identity: Identity,
  among: { readonly running: number; readonly queued: number },
): Promise<number> {
  const question = { ...questionOf(parts, request, plan, identity), ...among }
  const asked = await parts.predictions.ask(question, workPatienceMs)
  if (asked === undefined) return memoryPriorBytes
  const { total } = asked.prediction
  progress.predicted = total
  parts.predictions.admitted(queryId, asked)
  if (accounts.dispatchedAt !== undefined) parts.predictions.dispatched(queryId)
  return total.memoryBytes.abstained === true ? memoryPriorBytes : total.memoryBytes.p90
}

/**
 * Waits for the query's turn, with the memory that it is predicted to need. Where it is alone it need not wait, so its tasks go out
 * first: it has all memory until the prediction is there, half a millisecond later.
 */
async function admit(parts: EngineParts, query: QueryRun, predict: () => Promise<number>): Promise<() => void> {
  const { admission } = parts
  const { queryId, request, onPreempt } = query
  query.progress.why = () => admission.why(queryId)
  const isAlone = admission.isIdle
  const memoryBytes = isAlone ? Number.POSITIVE_INFINITY : await predict()
  query.enter('waiting')
  const demand = { queryId, priority: request.priority, memoryBytes }
  const release = await admission.enter(onPreempt === undefined ? demand : { ...demand, onPreempt }, query.signal)
  if (isAlone) query.meanwhile(async () => admission.resize(queryId, await predict()))
  return release
}

async function runAdmitted(
  parts: EngineParts,
  query: QueryRun,
  round: Round,
  identity: Identity,
  answer: SegmentId,
): Promise<RoundEnd> {
  const { plan, trustStored } = round
  const { request, signal, progress } = query
  const everything = request.tree === 'always' || request.priority === 'proactive'
  const wanted = everything ? parts.pool.all().length : Math.min(parts.pool.all().length, parts.admission.running)
  progress.why = () => parts.pool.why()
  const ready = await parts.pool.want(wanted, everything, signal)
  const draft = draftContext(parts, query, round, identity)
  const tasks = taskContext(parts, query)
  const output = round.output(answer)
  query.enter('running')
  const isFirst = query.accounts.dispatchedAt === undefined
  query.dispatched()
  if (isFirst && progress.predicted !== undefined) parts.predictions.dispatched(query.queryId)

  const stored = request.reuse && trustStored && plan.repeatable ? parts.derived.find(answer) : undefined
  if (stored !== undefined && output.to === 'client') {
    const found = await useStoredAnswer(parts, draft, tasks, stored, output, ready)
    if (found !== undefined) {
      query.accounts.reused = true
      query.accounts.levels = 1
      return { answer, outcome: found, reused: true }
    }
  }
  const { shape, cover, workKey } = shapeOf(parts, request, plan, identity, draft.tiers, ready.length)
  if (shape.shape === 'whole' || plan.work.shape === 'whole') {
    const task = wholeTask(draft, output)
    progress.expect([{ role: 'root', tasks: 1 }])
    query.accounts.levels = 1
    const outcome = await runTask(task, wholeNode(parts, draft, ready), tasks)
    noteReads(parts, query, task, outcome.node)
    return { answer, outcome, reused: false }
  }
  const outcome = await runSplit(parts, query, draft, tasks, plan.work, workKey, cover, output, ready)
  return { answer, outcome, reused: false }
}

/** Encodes a stored answer; undefined when its bytes turn out to be lost or changed, and then it is computed anew. */
async function useStoredAnswer(
  parts: EngineParts,
  draft: DraftContext,
  tasks: TaskContext,
  stored: StoredSegment,
  output: Extract<TaskOutput, { to: 'client' }>,
  ready: readonly string[],
): Promise<TaskOutcome | undefined> {
  const node = ready.includes(stored.node) ? stored.node : elsewhere(ready, undefined, parts.dispatcher)
  const { segment: _, ...encoded } = output
  const task = storedAnswerTask(draft, sourceOf(parts, stored, node, 'reused'), encoded)
  parts.derived.pin(stored.id)
  const release = (): void => parts.derived.unpin(stored.id)
  try {
    const outcome = await runTask(task, node, tasks)
    whenRead(parts, outcome, release)
    return outcome
  } catch (error) {
    if (!tasks.signal.aborted) loseStored(parts, [stored])
    release()
    if (tasks.signal.aborted) throw error
    return undefined
  }
}

/** Calls `release` when a task has read its inputs to the end: with its outcome, or with the end of the stream that it offers. */
export function whenRead(parts: EngineParts, { taskId, node, result }: TaskOutcome, release: () => void): void {
  if (result.to !== 'client' || result.streamPath === undefined) release()
  else parts.streamEnd(node, taskId).then(release, release)
}

/** Forgets derived segments whose bytes are not what they should be. */
function loseStored(parts: EngineParts, segments: readonly StoredSegment[]): void {
  if (segments.length === 0) return
  for (const segment of segments) {
    parts.derived.lose(segment.id)
    parts.discard(segment)
  }
  parts.lineage.evicted(segments)
}

/** What a query has made for those to come. */
type Made = Omit<DerivedEntry, 'work'>

async function runSplit(
  parts: EngineParts,
  query: QueryRun,
  draft: DraftContext,
  tasks: TaskContext,
  work: SplitWork,
  workKey: string,
  cover: ShapeChoice['cover'],
  output: TaskOutput,
  ready: readonly string[],
): Promise<TaskOutcome> {
  const { progress, accounts, request } = query
  const read = draft.plan.reads.find((each) => each.relation === work.distributed)
  const open = new Set(cover.rest)
  const rest = read === undefined ? [] : segmentsOf(read, draft.snapshot(read)).filter((segment) => open.has(segment.id))
  const leaves = rest.length === 0 && cover.found.length > 0 ? [] : leafTasks(draft, work, workKey, rest, ready)
  const found = cover.found.map((entry) => entry.stored)
  const gathered = leaves.length === 0 ? [] : worthGathering(cover.found, request.tree, draft.memoryBytes)
  const made: Made[] = []
  const merged: StoredSegment[] = []
  const coverOf = new Map(leaves.map((leaf) => [leaf.task.taskId, leaf.covers]))
  for (const { id } of found) parts.derived.pin(id)
  const expect = (widths: readonly number[]): void => {
    const aggregators = gathered.length > 0 ? [1, ...widths] : widths
    progress.expect([
      { role: 'leaf', tasks: leaves.length },
      ...aggregators.map((width) => ({ role: 'aggregator' as const, tasks: width })),
      { role: 'root', tasks: 1 },
    ])
    accounts.levels = (leaves.length > 0 ? 2 : 1) + widths.length
  }
  expect([])
  const release = (): void => {
    for (const { id } of found) parts.derived.unpin(id)
    for (const stored of merged) parts.discard(stored)
    // The newest first: where leaves had to run again, what they made before was damaged, and goes as a duplicate.
    for (const entry of made.toReversed()) parts.derived.add({ ...entry, work: workKey })
    const before = made.some((entry) => entry.gathered) ? gathered.filter((entry) => entry.gathered) : []
    for (const { stored } of before) parts.derived.replaced(stored.id)
  }
  try {
    const outcome = await runTree(
      {
        leaves,
        reused: found.map((stored) => sourceOf(parts, stored, stored.node, 'reused')),
        gathered: gathered.map((entry) => entry.stored),
        aggregator: (name, sources) => aggregatorTask(draft, work, name, sources),
        root: (sources) => rootTask(draft, work, sources, output),
        source: (stored, reader) => sourceOf(parts, stored, reader, found.includes(stored) ? 'reused' : 'remote'),
        question: treeQuestion(parts, request.tree),
        onPartial: (leaf, stored, { report, node }) => {
          const covers = coverOf.get(leaf.task.taskId) ?? []
          made.push({ stored, covers, savedMs: report.wallMs })
          parts.leafMemory.partial(workKey, stored.rows)
          noteReads(parts, query, leaf.task, node)
        },
        onGathered: (stored) => {
          const covers = gathered.flatMap((entry) => entry.covers)
          made.push({ stored, covers, savedMs: gathered.reduce((sum, entry) => sum + entry.savedMs, 0), gathered: true })
        },
        onMerged: (stored) => void merged.push(stored),
        onUnused: parts.discard,
        onShape: expect,
      },
      tasks,
    )
    whenRead(parts, outcome, release)
    return outcome
  } catch (error) {
    // Which of them it was is not worth finding out: they are made again.
    if (unreadable(error)) loseStored(parts, found)
    release()
    throw error
  }
}

function draftContext(parts: EngineParts, query: QueryRun, round: Round, identity: Identity): DraftContext {
  return {
    queryId: query.queryId,
    round: round.number,
    plan: round.plan,
    tenant: query.request.tenant,
    timeZone: query.request.timeZone,
    traceparent: query.request.traceparent,
    deadlineAt: query.deadlineAt,
    memoryBytes: parts.pool.memoryBytesPerNode,
    snapshot: identity.snapshot,
    tiers: new Tiers(parts, round.trustStored),
    verify: (segment, columns) => parts.catalog.checksums?.verificationNeeded(segment, columns) ?? [],
    warmOn: (segment, pack) => parts.warmth.ofSegment(segment, pack),
  }
}

function taskContext(parts: EngineParts, query: QueryRun): TaskContext {
  return {
    queryId: query.queryId,
    dispatcher: parts.dispatcher,
    quarantine: parts.quarantine,
    priority: query.request.priority,
    signal: query.signal,
    statement: query.request.sql,
    readyNodes: (signal) => parts.pool.want(1, false, signal),
    bury: parts.bury,
    onAttempt: (progress) => {
      query.progress.note(progress)
      query.accounts.note(progress)
      if (progress.state !== 'finished' && progress.state !== 'failed') return
      const { node, task, state } = progress
      parts.emit({ type: 'task', queryId: query.queryId, node, role: task.role, state })
    },
  }
}

/**
 * How `reader` gets at a derived segment: a small one that another node has just made over the network, and all else by file, since
 * all nodes are on one host.
 */
export function sourceOf(parts: EngineParts, stored: StoredSegment, reader: string, tier: DerivedSource['tier']): DerivedSource {
  const home: NodeStatus | undefined = parts.fleet.nodes().find((node) => node.id === stored.node)
  const reachable = home?.url !== undefined && home.state === 'ready'
  const network = reachable && tier === 'remote' && stored.node !== reader && stored.bytes <= networkBytesMax
  return {
    stored,
    url: reachable ? `${home.url}/segments/${encodeURIComponent(basename(stored.path))}` : '',
    via: network ? 'network' : 'file',
    tier,
  }
}

/** A whole query goes where its data is warm, unless that node has clearly more to do than another. */
function wholeNode(parts: EngineParts, draft: DraftContext, ready: readonly string[]): string {
  const idle = elsewhere(ready, undefined, parts.dispatcher)
  const warm = warmestNode(draft, ready)
  if (warm === undefined) return idle
  return parts.dispatcher.load(warm) > parts.dispatcher.load(idle) + 1 ? idle : warm
}

/** What a finished task read is warm on its node now, and counts for the heat of what is not packed. */
function noteReads(parts: EngineParts, query: Pick<QueryRun, 'onPreempt'>, task: TaskDraft, node: string): void {
  for (const input of task.inputs) {
    if (input.kind !== 'base') continue
    const columns = input.columns.map((column) => column.name)
    for (const part of input.parts) {
      if (part.from === 'pack') {
        parts.packs.used(part.pack.id)
        parts.prefetched.used(part.pack.id)
        parts.warmth.read(part.pack.id, node, columns)
        continue
      }
      for (const segment of part.segments) {
        parts.catalog.checksums?.markVerified(segment, part.verify)
        parts.parquetRead(segment, columns)
      }
      const segments = part.segments.map((segment) => segment.id)
      parts.homes.read(segments, node)
      if (query.onPreempt === undefined) parts.heat.note(input.dataset, columns, segments, parts.clock.now())
    }
  }
}
