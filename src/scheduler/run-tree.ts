/**
 * Runs one query's tasks: leaves, then as many levels of aggregators as their partials need, then the root. The number of
 * levels is decided when the partials are there and their rows are counted; what was predicted only serves to explain.
 *
 * Many partials of earlier queries are gathered into one while the leaves run, which is kept: what a query over data that grows
 * has to read does not grow with the number of times that it was asked.
 *
 * A slow leaf is run once more elsewhere, and the first of the two counts: one attempt of each segment is used, never two.
 * When a partial cannot be read by its parent (its node died and its bytes with it), the leaves are run again, once.
 */
import { ForebayError } from '../model/errors.js'
import type { DerivedSource } from '../model/messages.js'
import type { NodeId } from '../model/node.js'
import type { StoredSegment } from '../model/segment.js'
import { NodeLostError, type TaskOutcome } from './dispatcher.js'
import { elsewhere, runTask, type TaskContext, type TaskDraft } from './run-task.js'
import { aggregatorWidths, evenRuns, type TreeQuestion } from './tree.js'

/** A leaf to run, on the node where its segments are cheapest. */
export interface LeafWork {
  readonly task: TaskDraft
  readonly node: NodeId
}

export interface TreeWork {
  readonly leaves: readonly LeafWork[]
  /** Partials of earlier queries that stand for leaves which need not run. */
  readonly reused: readonly DerivedSource[]
  /** Those of them that are merged into one while the leaves run, for this query and for those to come. */
  readonly gathered: readonly StoredSegment[]
  readonly aggregator: (name: string, sources: readonly DerivedSource[]) => TaskDraft
  readonly root: (sources: readonly DerivedSource[]) => TaskDraft
  /** How a node reads a partial that stands on another one, or on itself. */
  readonly source: (stored: StoredSegment, reader: NodeId) => DerivedSource
  readonly question: Omit<TreeQuestion, 'partials' | 'rows' | 'bytes'>
  readonly onPartial: (leaf: LeafWork, stored: StoredSegment, outcome: TaskOutcome) => void
  /** Told of what was made of the gathered ones. */
  readonly onGathered: (stored: StoredSegment) => void
  /** Told of what an aggregator made, which is read by the next level alone. */
  readonly onMerged: (stored: StoredSegment) => void
  /** Told of what the slower of two attempts has made after all, which nobody reads. */
  readonly onUnused: (stored: StoredSegment) => void
  /** Told the widths of the aggregator levels before the first one starts. */
  readonly onShape: (widths: readonly number[]) => void
}

/** What a merge says when it cannot have a partial, or not as it was made. */
const unreadableCodes: readonly string[] = ['FILE_UNREADABLE', 'CHECKSUM_MISMATCH', 'UNAVAILABLE', 'NODE_LOST']

/**
 * Whether something that was stored may be at fault, so that it helps to make it again. A task that was given up because it lost
 * node after node is not: made again it would take as many more with it.
 */
export function unreadable(error: unknown): error is ForebayError {
  return error instanceof ForebayError && !(error instanceof NodeLostError) && unreadableCodes.includes(error.code)
}

/** A leaf is slow when it takes so many times the median of those that have finished, and at least `slowMsMin`. */
const slowFactor = 3
const slowMsMin = 1_000

/** Resolves with the root's outcome. Aborts what still runs when one task fails. */
export async function runTree(work: TreeWork, context: TaskContext): Promise<TaskOutcome> {
  // Nodes on which a leaf took so long that another one was faster: what comes after the leaves goes elsewhere if it can.
  const slow = new Set<NodeId>()
  for (let round = 1; ; round++) {
    const [partials = [], reused = []] = await together([runLeaves, gather], context, (run, _, inGroup) =>
      run(work, inGroup, round, slow),
    )
    try {
      return await mergeUp(work, [...reused, ...partials], context, round, slow)
    } catch (error) {
      // With partials of earlier queries among them the query is begun anew without those instead.
      const lost = unreadable(error) && work.reused.length === 0
      if (!lost || round > 1 || context.signal.aborted) throw error
    }
  }
}

async function mergeUp(
  work: TreeWork,
  partials: readonly StoredSegment[],
  context: TaskContext,
  round: number,
  slow: ReadonlySet<NodeId>,
): Promise<TaskOutcome> {
  const widths = aggregatorWidths({
    ...work.question,
    partials: partials.length,
    rows: partials.reduce((sum, partial) => sum + partial.rows, 0),
    bytes: partials.reduce((sum, partial) => sum + partial.bytes, 0),
  })
  work.onShape(widths)
  const reused = new Set(work.reused.map((source) => source.stored))
  const isMade = (partial: StoredSegment): boolean => !reused.has(partial)
  let level: readonly StoredSegment[] = partials
  const busy: NodeId[] = [...slow]
  for (const [depth, width] of widths.entries()) {
    const nodes = await spread(width, level.filter(isMade), busy, context)
    level = await together(evenRuns(level, width), context, async (group, index, inGroup) => {
      const node = nodes[index] ?? ''
      const name = `a${depth + 1}-${index + 1}`
      const sources = group.map((stored) => work.source(stored, node))
      const stored = storedOf(await runTask(ofRound(work.aggregator(name, sources), round), node, inGroup))
      work.onMerged(stored)
      return stored
    })
    busy.push(...nodes)
  }
  const [node = ''] = await spread(1, level.filter(isMade), busy, context)
  const root = work.root(level.map((stored) => work.source(stored, node)))
  return runTask(ofRound(root, round), node, context)
}

/**
 * `count` ready nodes with the least to do, distinct while there are enough, those in `busy` last; of equals, those that have made
 * most of the partials. What was stored before is read where it stands.
 */
async function spread(
  count: number,
  made: readonly StoredSegment[],
  busy: readonly NodeId[],
  context: TaskContext,
): Promise<readonly NodeId[]> {
  const ready = await context.readyNodes(context.signal)
  const held = (node: NodeId): number => made.reduce((bytes, partial) => bytes + (partial.node === node ? partial.bytes : 0), 0)
  const order = ready.toSorted(
    (a, b) =>
      Number(busy.includes(a)) - Number(busy.includes(b)) ||
      context.dispatcher.load(a) - context.dispatcher.load(b) ||
      held(b) - held(a),
  )
  return Array.from({ length: count }, (_, index) => order[index % order.length] ?? '')
}

async function runLeaves(
  work: TreeWork,
  context: TaskContext,
  round: number,
  slow: Set<NodeId>,
): Promise<readonly StoredSegment[]> {
  const finishedMs: number[] = []
  return together(work.leaves, context, async (leaf, _, inGroup) => {
    const startedAt = performance.now()
    const inRound = { ...leaf, task: ofRound(leaf.task, round) }
    const outcome = await hedged(inRound, work.leaves.length, finishedMs, inGroup, work.onUnused)
    finishedMs.push(performance.now() - startedAt)
    if (outcome.node !== leaf.node) slow.add(leaf.node)
    const stored = storedOf(outcome)
    work.onPartial(leaf, stored, outcome)
    return stored
  })
}

/** Partials of earlier queries as they are read further up: those that are to be gathered as one. */
async function gather(
  work: TreeWork,
  context: TaskContext,
  round: number,
  slow: ReadonlySet<NodeId>,
): Promise<readonly StoredSegment[]> {
  const stored = work.reused.map((source) => source.stored)
  if (work.gathered.length === 0) return stored
  const [node = ''] = await spread(1, work.gathered, [...slow, ...work.leaves.map((leaf) => leaf.node)], context)
  const sources = work.gathered.map((partial) => work.source(partial, node))
  const made = storedOf(await runTask(ofRound(work.aggregator('g1', sources), round), node, context))
  work.onGathered(made)
  return [made, ...stored.filter((partial) => !work.gathered.includes(partial))]
}

/** A task under a name of its round: one of the round before that was cancelled may still run on its node. */
function ofRound(task: TaskDraft, round: number): TaskDraft {
  return round > 1 ? { ...task, taskId: `${task.taskId}-r${round}` } : task
}

/** Runs a leaf, and once more elsewhere when it is slow beside the others; the first outcome wins and ends the other. */
async function hedged(
  leaf: LeafWork,
  leaves: number,
  finishedMs: readonly number[],
  context: TaskContext,
  onUnused: TreeWork['onUnused'],
): Promise<TaskOutcome> {
  if (leaves < 3) return runTask(leaf.task, leaf.node, context)
  const startedAt = performance.now()
  const over = new AbortController()
  const either = { ...context, signal: AbortSignal.any([context.signal, over.signal]) }
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<TaskOutcome>((resolve, reject) => {
      const take = (outcome: TaskOutcome): void => {
        if (over.signal.aborted) return onUnused(storedOf(outcome))
        over.abort(new ForebayError('CANCELLED', 'another attempt of the same task was faster'))
        resolve(outcome)
      }
      // The first attempt's own error ends the leaf: the second would meet it too. The second one's error proves nothing.
      runTask(leaf.task, leaf.node, either).then(take, reject)
      timer = setInterval(() => {
        if (!isSlow(performance.now() - startedAt, finishedMs, leaves)) return
        clearInterval(timer)
        runAgain(leaf, either).then(take, () => {})
      }, 100)
      timer.unref()
    })
  } finally {
    clearInterval(timer)
    over.abort(new ForebayError('CANCELLED', 'the other attempt of the same task has ended'))
  }
}

function isSlow(ms: number, finishedMs: readonly number[], leaves: number): boolean {
  if (finishedMs.length < leaves / 2) return false
  const median = finishedMs.toSorted((a, b) => a - b)[Math.floor(finishedMs.length / 2)] ?? 0
  return ms >= Math.max(slowMsMin, median * slowFactor)
}

async function runAgain(leaf: LeafWork, context: TaskContext): Promise<TaskOutcome> {
  const ready = await context.readyNodes(context.signal)
  const task = { ...leaf.task, taskId: `${leaf.task.taskId}-h` }
  return runTask(task, elsewhere(ready, leaf.node, context.dispatcher), context)
}

function storedOf(outcome: TaskOutcome): StoredSegment {
  if (outcome.result.to !== 'segment') throw new ForebayError('INTERNAL', `a partial came back as "${outcome.result.to}"`)
  return outcome.result.stored
}

/** Runs all; the first failure aborts the others, and it is thrown when all have ended, so that nothing goes on unseen. */
async function together<T, R>(
  items: readonly T[],
  context: TaskContext,
  run: (item: T, index: number, inGroup: TaskContext) => Promise<R>,
): Promise<readonly R[]> {
  const failure = new AbortController()
  const inGroup = { ...context, signal: AbortSignal.any([context.signal, failure.signal]) }
  const ends = items.map((item, index) =>
    run(item, index, inGroup).catch((error) => {
      failure.abort(error)
      throw error
    }),
  )
  await Promise.allSettled(ends)
  if (failure.signal.aborted) throw failure.signal.reason
  return Promise.all(ends)
}
