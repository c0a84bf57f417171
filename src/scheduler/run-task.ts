/**
 * One task from its first attempt to its outcome. An attempt that lost its node is made again elsewhere; nothing else is
 * retried here, since the task's own errors come again wherever it runs. Deaths of neighbours do not count: when others ran
 * beside it on a node that a statement killed, each goes on alone, so that the next death names its cause.
 */
import { ForebayError, toErrorRecord } from '../model/errors.js'
import type { TaskInput, TaskMessage } from '../model/messages.js'
import type { NodeId } from '../model/node.js'
import type { Priority } from '../model/priority.js'
import type { QueryId } from '../model/query.js'
import type { BaseSegment } from '../model/segment.js'
import type { DeadLetter } from '../queue/dead-letters.js'
import { type Dispatcher, NodeLostError, type TaskOutcome } from './dispatcher.js'
import type { Quarantine } from './quarantine.js'

/** A task, all but which try it is and when it was queued. */
export type TaskDraft = Omit<TaskMessage, 'attempt' | 'queuedAt'>

export interface TaskContext {
  readonly queryId: QueryId
  readonly dispatcher: Dispatcher
  readonly quarantine: Quarantine
  readonly priority: Priority
  readonly signal: AbortSignal
  /** The text by which a statement is known that kills nodes. */
  readonly statement: string
  /** Resolves when at least one node is ready, with the ready ones. */
  readonly readyNodes: (signal: AbortSignal) => Promise<readonly NodeId[]>
  readonly onAttempt: (progress: TaskProgress) => void
  /** Keeps a task that was given up, for people to look at. */
  readonly bury: (letter: DeadLetter) => void
  /** How long it may go on after a cancel before its node is killed; absent: as long as any task. */
  readonly cancelMsMax?: number
}

export interface TaskProgress {
  readonly task: TaskDraft
  readonly node: NodeId
  readonly attempt: number
  readonly state: 'queued' | 'running' | 'finished' | 'failed'
  readonly outcome?: TaskOutcome
}

/** A task that has lost so many nodes is given up, whoever caused the losses. */
const attemptsMax = 5
/** Times that a node may refuse a task (it drains, or cannot have a segment) before that is the task's error. */
const refusalsMax = 2

/** Runs a task, at first on `node`. Rejects with its error, STATEMENT_QUARANTINED, NODE_LOST after too many losses, or the signal's reason. */
export async function runTask(task: TaskDraft, node: NodeId, context: TaskContext): Promise<TaskOutcome> {
  const { dispatcher, quarantine, signal, priority, statement } = context
  let alone = false
  let refusals = 0
  let on = node
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted()
    const tell = (state: TaskProgress['state'], outcome?: TaskOutcome): void =>
      context.onAttempt({ task, node: on, attempt, state, ...(outcome === undefined ? {} : { outcome }) })
    tell('queued')
    try {
      const outcome = await dispatcher.run(on, messageOf(task, attempt), {
        priority,
        signal,
        alone,
        cancelMsMax: context.cancelMsMax,
        onStart: () => tell('running'),
      })
      tell('finished', outcome)
      return outcome
    } catch (error) {
      tell('failed')
      if (error instanceof ForebayError && error.code === 'UNAVAILABLE' && refusals++ < refusalsMax) {
        on = elsewhere(await context.readyNodes(signal), on, dispatcher)
        continue
      }
      if (!(error instanceof NodeLostError)) throw error
      if (error.suspect) quarantine.blame(statement, error.message)
      try {
        quarantine.check(statement)
        if (attempt >= attemptsMax) throw error
      } catch (reason) {
        const buried = messageOf(task, attempt)
        context.bury({ id: task.taskId, at: Date.now(), attempts: attempt, reason: toErrorRecord(reason), task: buried })
        throw reason
      }
      alone ||= error.shared || error.suspect
    }
    on = elsewhere(await context.readyNodes(signal), on, dispatcher)
  }
}

function messageOf(task: TaskDraft, attempt: number): TaskMessage {
  return { ...task, inputs: task.inputs.map(lean), attempt, queuedAt: Date.now() }
}

const leanSegments = new WeakMap<BaseSegment, BaseSegment>()

/** Statistics have pruned when a task is made: nodes have no use for them, and they are half of a message. */
function lean(input: TaskInput): TaskInput {
  if (input.kind !== 'base') return input
  return { ...input, parts: input.parts.map((part) => ({ ...part, segments: part.segments.map(leanSegment) })) }
}

function leanSegment(segment: BaseSegment): BaseSegment {
  const known = leanSegments.get(segment) ?? { ...segment, statistics: {} }
  leanSegments.set(segment, known)
  return known
}

/** The ready node with the least to do, not the one that was just lost if there is another. */
export function elsewhere(ready: readonly NodeId[], lost: NodeId | undefined, dispatcher: Pick<Dispatcher, 'load'>): NodeId {
  const others = ready.filter((node) => node !== lost)
  const [best] = (others.length > 0 ? others : ready).toSorted((a, b) => dispatcher.load(a) - dispatcher.load(b))
  if (best === undefined) throw new ForebayError('UNAVAILABLE', 'no node is ready')
  return best
}
