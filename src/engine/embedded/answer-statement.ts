/** From the text of a statement to its answer: plan, confirm, and then what its kind asks for. */
import { ForebayError } from '../../model/errors.js'
import type { TaskOutput } from '../../model/messages.js'
import type { NodeId } from '../../model/node.js'
import type { Plan, QueryRequest } from '../../model/query.js'
import type { Column, SegmentId } from '../../model/segment.js'
import type { TaskOutcome } from '../../scheduler/dispatcher.js'
import type { EngineParts, StreamEnd } from './engine-parts.js'
import { contentTypes, encodeSmall, selectOf } from './run/encode-small.js'
import { explainPlan, explainRows } from './run/explain.js'
import { resultStream } from './run/result-stream.js'
import type { QueryRun, RoundEnd } from './run/run-plan.js'
import { confirmedPlan, type OnPlanned, runRounds } from './run/run-rounds.js'
import { answerId } from './tasks/derived-ids.js'
import { identityOf } from './tasks/plan-identity.js'
import { answerBefore } from './write/keyed-writes.js'
import { countColumns, keyedWrite, runWrite, type WriteAnswer } from './write/run-write.js'

/** An answer: whole in `inline`, or as a stream. */
export interface StatementAnswer {
  readonly columns: readonly Column[]
  readonly contentType: string
  /** Who gives it to the client. */
  readonly node: NodeId
  readonly rows: number
  readonly inline?: Uint8Array
  readonly stream?: { readonly pieces: AsyncIterable<Uint8Array>; readonly ended: Promise<StreamEnd> }
  /** What a write answers; absent where the statement wrote nothing. */
  readonly count?: number
  /** Lineage id; absent where the engine itself had to say something. */
  readonly segment?: SegmentId
}

export async function answerStatement(parts: EngineParts, query: QueryRun, onPlanned: OnPlanned): Promise<StatementAnswer> {
  parts.quarantine.check(query.request.sql)
  const keyed = keyedWrite(query)
  // Where the catalogue cannot tell, a write asks again, and nothing else needs to know.
  const before = keyed && (await answerBefore<WriteAnswer>(parts.catalog, keyed).catch(() => undefined))
  if (before !== undefined) return answerCount(parts, query, unplanned, before, onPlanned)
  const plan = await confirmedPlan(parts, query.request, query.signal)
  onPlanned(plan)
  switch (plan.statement.kind) {
    case 'select':
      return answerSelect(parts, query, plan, onPlanned)
    case 'explain':
      return answerExplain(parts, query, plan, onPlanned)
    default:
      return answerCount(parts, query, plan, await runWrite(parts, query, plan, onPlanned), onPlanned)
  }
}

async function answerSelect(parts: EngineParts, query: QueryRun, plan: Plan, onPlanned: OnPlanned): Promise<StatementAnswer> {
  const { request, accounts, signal } = query
  const { format, reuse } = request
  if (reuse && plan.repeatable) {
    const identity = identityOf(parts, request.timeZone, plan)
    const segment = answerId(identity, '')
    const found = parts.answers.get(segment, format)
    if (found !== undefined) {
      accounts.found()
      parts.lineage.snapshots(plan.reads.map(identity.snapshot))
      query.dispatched()
      parts.prefetched.used(segment)
      const { bytes: inline, rows, node, contentType } = found
      return { columns: plan.columns, contentType, node, rows, inline, segment }
    }
  }
  const output = (segment: SegmentId): TaskOutput => clientOutput(parts, request, plan, segment)
  const end = await runRounds(parts, query, plan, output, onPlanned)
  keepAnswer(parts, query, end)
  parts.lineage.columns(query.queryId, end.plan)
  const { outcome, answer: segment } = end
  const { result, node } = outcome
  if (result.to !== 'client') throw new ForebayError('INTERNAL', `an answer came back as "${result.to}"`)
  const { columns } = end.plan
  const contentType = contentTypes[format]
  if (result.streamPath === undefined) {
    return { columns, contentType, node, rows: result.rows, inline: result.inline ?? new Uint8Array(), segment }
  }
  const stream = await resultStream(parts, node, result.streamPath, outcome.taskId, signal)
  return { columns, contentType, node, rows: result.rows, stream, segment }
}

function clientOutput(
  parts: EngineParts,
  request: QueryRequest,
  { columns, rowsMax }: Pick<Plan, 'columns' | 'rowsMax'>,
  segment: SegmentId,
): Extract<TaskOutput, { to: 'client' }> {
  const { inlineBytesMax, resultBytesMax } = parts.limits
  const output = { to: 'client', format: request.format, columns, segment, inlineBytesMax, resultBytesMax } as const
  return rowsMax === undefined ? output : { ...output, rowsMax }
}

/** Small answers are kept: encoded in memory at once, and as a derived segment when the node has stored it. */
function keepAnswer(parts: EngineParts, query: QueryRun, end: RoundEnd & { readonly plan: Plan }): void {
  const { answer, outcome, plan } = end
  const { taskId, result, node } = outcome
  const savedMs = query.accounts.wallMs()
  const ahead = query.onPreempt !== undefined
  if (!end.reused) {
    parts.whenStored(taskId, (stored) => {
      if (!plan.repeatable) return dropStored(parts, stored)
      if (ahead) parts.prefetched.made(stored.id, stored.bytes)
      parts.derived.add({ stored, covers: [], savedMs })
    })
  } else parts.prefetched.used(answer)
  if (!plan.repeatable || result.to !== 'client' || result.inline === undefined) return
  if (result.inline.length > parts.limits.answerBytesMax) return
  const contentType = contentTypes[query.request.format]
  parts.answers.add(answer, query.request.format, { bytes: result.inline, contentType, rows: result.rows, node }, savedMs)
}

/** An answer that cannot be asked for again takes no room. */
function dropStored(parts: EngineParts, stored: Parameters<EngineParts['lineage']['evicted']>[0][number]): void {
  parts.fleet.send(stored.node, { type: 'drop-segments', segments: [stored.id] })
  parts.lineage.evicted([stored])
}

async function answerExplain(parts: EngineParts, query: QueryRun, plan: Plan, onPlanned: OnPlanned): Promise<StatementAnswer> {
  const rows = explainRows(await explainPlan(parts, query.request, plan))
  const columns = [
    { name: 'explain_key', type: 'VARCHAR' },
    { name: 'explain_value', type: 'VARCHAR' },
  ]
  return say(parts, query, plan, columns, rows, onPlanned)
}

async function answerCount(
  parts: EngineParts,
  query: QueryRun,
  plan: Plan,
  { count }: WriteAnswer,
  onPlanned: OnPlanned,
): Promise<StatementAnswer> {
  return { ...(await say(parts, query, plan, countColumns, [[count]], onPlanned)), count }
}

/** Of a write that was done before: its tables may be gone by now. */
const unplanned: Plan = {
  statement: { kind: 'select' },
  template: '',
  fingerprint: '',
  literals: [],
  columns: countColumns,
  reads: [],
  work: { shape: 'whole', whole: { sql: '', columns: countColumns, operators: [] }, why: 'it was done before' },
  columnLineage: [],
  repeatable: false,
  ordered: false,
  parameterTypes: [],
  planMs: 0,
}

/** Gives rows that the engine knows itself; binary formats are encoded by a node. */
async function say(
  parts: EngineParts,
  query: QueryRun,
  plan: Plan,
  columns: readonly Column[],
  rows: readonly (readonly (string | number)[])[],
  onPlanned: OnPlanned,
): Promise<StatementAnswer> {
  const { format } = query.request
  const inline = encodeSmall(columns, rows, format)
  query.dispatched()
  if (inline !== undefined) return { columns, contentType: contentTypes[format], node: 'storage', rows: rows.length, inline }
  const work: Plan['work'] = {
    shape: 'whole',
    whole: { sql: selectOf(columns, rows), columns, operators: [] },
    why: 'its own words',
  }
  const spoken: Plan = { ...plan, columns, reads: [], work, columnLineage: [], repeatable: false }
  const { segment: _, ...output } = clientOutput(parts, query.request, { columns }, '')
  const { outcome } = await runRounds(parts, query, spoken, () => output, onPlanned)
  return { columns, contentType: contentTypes[format], node: outcome.node, rows: rows.length, inline: inlineOf(outcome) }
}

function inlineOf({ result }: TaskOutcome): Uint8Array {
  return result.to === 'client' ? (result.inline ?? new Uint8Array()) : new Uint8Array()
}
