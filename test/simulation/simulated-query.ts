import { systemClock } from '../../src/model/clock.js'
import type { BaseSegment } from '../../src/model/segment.js'
import { EmbeddedTaskQueue } from '../../src/queue/embedded/embedded-task-queue.js'
import { Dispatcher } from '../../src/scheduler/dispatcher.js'
import { Quarantine } from '../../src/scheduler/quarantine.js'
import type { TaskContext, TaskDraft } from '../../src/scheduler/run-task.js'
import { type LeafWork, runTree, type TreeWork } from '../../src/scheduler/run-tree.js'
import { FakeFleet } from './fake-fleet.js'

/** Ready nodes of two slots each, and the context of a query on them. */
export async function openScene(nodes: readonly string[], queryId: string, onAttempt: TaskContext['onAttempt']) {
  const fleet = new FakeFleet(nodes.length, 2)
  const queue = new EmbeddedTaskQueue()
  const dispatcher = new Dispatcher({ queue, source: queue, fleet, slots: 2, cancelMsMax: 500 })
  for (const node of nodes) {
    await fleet.start(node)
    fleet.becomeReady(node)
  }
  const context: TaskContext = {
    queryId,
    dispatcher,
    quarantine: new Quarantine(systemClock),
    priority: 'interactive',
    signal: new AbortController().signal,
    statement: queryId,
    readyNodes: async () => nodes,
    bury: () => {},
    onAttempt,
  }
  return { fleet, queue, dispatcher, context }
}

/** Runs a tree whose answer is the list of the segments that went into it. */
export async function runQuery(
  queryId: string,
  segments: readonly string[],
  nodes: readonly string[],
  context: TaskContext,
  onUnused: TreeWork['onUnused'] = () => {},
): Promise<string[]> {
  const draft = (
    taskId: string,
    role: TaskDraft['role'],
    inputs: TaskDraft['inputs'],
    output: TaskDraft['output'],
  ): TaskDraft => ({
    taskId,
    queryId,
    tenant: 't',
    template: '',
    role,
    sql: '',
    inputs,
    output,
    transformation: { type: 'scan', operators: [], shape: '' },
    threads: 'one',
    timeZone: 'UTC',
    memoryBytes: 0,
    deadlineAt: 0,
    eventKind: 'task',
  })
  const partials = (sources: Parameters<Parameters<typeof runTree>[0]['root']>[0]): TaskDraft['inputs'] => [
    { kind: 'derived', relation: '__partials', columns: [], sources },
  ]
  const leaves: LeafWork[] = segments.map((id, index) => {
    const segment = { id } as BaseSegment
    const inputs: TaskDraft['inputs'] = [
      {
        kind: 'base',
        relation: '__fb0',
        dataset: 'd',
        snapshot: 's',
        columns: [],
        mixedSchemas: false,
        partitionColumns: [],
        parts: [{ from: 'parquet', segments: [segment], verify: [] }],
      },
    ]
    const output = { to: 'segment', segment: `d-${id}`, columns: [] } as const
    return { node: nodes[index % nodes.length] ?? '', task: draft(`${queryId}-l${index}`, 'leaf', inputs, output) }
  })
  const client = { to: 'client', format: 'json', columns: [], inlineBytesMax: 1e6, resultBytesMax: 1e6 } as const
  const outcome = await runTree(
    {
      leaves,
      reused: [],
      gathered: [],
      aggregator: (name, sources) =>
        draft(`${queryId}-${name}`, 'aggregator', partials(sources), { to: 'segment', segment: `d-${name}`, columns: [] }),
      root: (sources) => draft(`${queryId}-root`, 'root', partials(sources), client),
      source: (stored) => ({ stored, url: '', via: 'file', tier: 'remote' }),
      question: { mode: 'always', fanInMax: 3, aggregateRowsMin: 8, mergeBytesMax: 1e9 },
      onPartial: () => {},
      onGathered: () => {},
      onMerged: () => {},
      onUnused,
      onShape: () => {},
    },
    context,
  )
  if (outcome.result.to !== 'client') throw new Error('no answer')
  return JSON.parse(Buffer.from(outcome.result.inline ?? []).toString()) as string[]
}
