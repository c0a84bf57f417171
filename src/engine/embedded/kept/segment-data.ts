import { randomBytes } from 'node:crypto'
import { ForebayError } from '../../../model/errors.js'
import type { TaskInput, TaskOutput } from '../../../model/messages.js'
import { type Plan, partialsRelation } from '../../../model/query.js'
import type { BaseSegment, SegmentId, Snapshot } from '../../../model/segment.js'
import { elsewhere, runTask, type TaskDraft } from '../../../scheduler/run-task.js'
import type { QueryResult } from '../../engine.js'
import type { EngineParts } from '../engine-parts.js'
import { contentTypes } from '../run/encode-small.js'
import { type ResultStream, resultStream } from '../run/result-stream.js'
import { sourceOf } from '../run/run-plan.js'
import { transformationOf } from '../tasks/transformation-of.js'

const dataMsMax = 10 * 60_000

/** The rows of one segment as Parquet, with the columns' real names and types. */
export async function segmentData(parts: EngineParts, id: SegmentId, signal: AbortSignal): Promise<QueryResult> {
  const ready = await parts.pool.want(1, false, signal)
  const node = elsewhere(ready, undefined, parts.dispatcher)
  const { input, columns } = inputOf(parts, id, node)
  const { inlineBytesMax, resultBytesMax } = parts.limits
  const output: TaskOutput = { to: 'client', format: 'parquet', columns, inlineBytesMax, resultBytesMax }
  const taskId = `data-${randomBytes(8).toString('hex')}`
  const task: TaskDraft = {
    taskId,
    queryId: taskId,
    tenant: 'forebay',
    template: '',
    role: 'root',
    sql: `SELECT * FROM ${partialsRelation}`,
    inputs: [input],
    output,
    transformation: transformationOf([{ type: 'encode', detail: 'parquet' }]),
    threads: 'one',
    timeZone: 'UTC',
    memoryBytes: parts.pool.memoryBytesPerNode,
    deadlineAt: Date.now() + dataMsMax,
    eventKind: 'task',
  }
  const { dispatcher, quarantine, pool } = parts
  const outcome = await runTask(task, node, {
    queryId: taskId,
    dispatcher,
    quarantine,
    priority: 'batch',
    signal,
    statement: taskId,
    readyNodes: (until) => pool.want(1, false, until),
    onAttempt: () => {},
    bury: parts.bury,
  })
  const { result } = outcome
  if (result.to !== 'client') throw new ForebayError('INTERNAL', `a segment came back as "${result.to}"`)
  const contentType = contentTypes.parquet
  if (result.streamPath === undefined) return { columns, contentType, body: once(result.inline ?? new Uint8Array()) }
  const stream = await resultStream(parts, outcome.node, result.streamPath, taskId, signal)
  // Also of bytes that are never asked for.
  stream.ended.catch(() => {})
  return { columns, contentType, body: toItsEnd(stream) }
}

function inputOf(parts: EngineParts, id: SegmentId, node: string): { input: TaskInput; columns: Plan['columns'] } {
  const stored = parts.derived.find(id)
  if (stored !== undefined) {
    const sources = [sourceOf(parts, stored, node, 'reused')]
    return { input: { kind: 'derived', relation: partialsRelation, columns: stored.columns, sources }, columns: stored.columns }
  }
  for (const definition of parts.catalog.definitions()) {
    if (definition.kind !== 'dataset') continue
    const segment = definition.snapshot.segments.find((each) => each.id === id)
    if (segment !== undefined) return baseInput(definition.snapshot, segment)
  }
  throw new ForebayError('NOT_FOUND', `segment "${id}" has no bytes here`, { hint: 'its bytes may have been evicted' })
}

function baseInput(snapshot: Snapshot, segment: BaseSegment): { input: TaskInput; columns: Plan['columns'] } {
  const { columns, mixedSchemas, partitionColumns, dataset } = snapshot
  const parts = [{ from: 'parquet' as const, segments: [segment], verify: [] }]
  return {
    columns,
    input: {
      kind: 'base',
      relation: partialsRelation,
      dataset,
      snapshot: snapshot.id,
      columns,
      mixedSchemas,
      partitionColumns,
      parts,
    },
  }
}

/** Where the node says that its file changed while it was read, the bytes break off instead of ending. */
async function* toItsEnd({ pieces, ended }: ResultStream): AsyncIterable<Uint8Array> {
  yield* pieces
  await ended
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}
