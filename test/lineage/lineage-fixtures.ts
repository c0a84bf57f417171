import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type {
  AnswerEvent,
  BaseRead,
  DerivedRead,
  EvictionEvent,
  LineageEvent,
  LineageOutput,
  SnapshotEvent,
  TaskEvent,
} from '../../src/model/lineage-event.js'
import type { Role } from '../../src/model/node.js'
import type { QueryState, QueryStatus } from '../../src/model/query.js'

/** The middle of a day in 2026, epoch microseconds. */
export const noon = 20_600 * 86_400_000_000 + 43_200_000_000

/** A folder that goes away with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-lineage-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function snapshotEvent(snapshot: string, dataset: string, segments: number, at = noon): SnapshotEvent {
  const ordinals = [...Array(segments).keys()]
  return {
    kind: 'snapshot',
    id: `snapshot:${snapshot}`,
    at,
    snapshot,
    dataset,
    segments: ordinals.map((ordinal) => ({
      id: `s-${dataset}-${ordinal}`,
      rows: 100 + ordinal,
      bytes: 1000 + 7 * ordinal,
      columnBytes: { a: 300 + ordinal, b: 700 + 6 * ordinal },
    })),
    locations: ordinals.map((ordinal) => ({ path: `/lake/${dataset}/${ordinal}.parquet`, version: `v${ordinal}` })),
  }
}

export function bitmap(ordinals: readonly number[]): string {
  const bytes = new Uint8Array((Math.max(-1, ...ordinals) >> 3) + 1)
  for (const ordinal of ordinals) bytes[ordinal >> 3] = (bytes[ordinal >> 3] ?? 0) | (1 << (ordinal & 7))
  return Buffer.from(bytes).toString('base64')
}

export function baseRead(snapshot: string, dataset: string, ordinals: readonly number[], more: Partial<BaseRead> = {}): BaseRead {
  const fixed = { dataset, snapshot, segments: bitmap(ordinals), columns: ['a'], tier: 'parquet', source: 'storage' } as const
  return { ...fixed, bytes: 1001, rows: 997, micros: 503, ...more }
}

export function derivedRead(segment: string, source: string, more: Partial<DerivedRead> = {}): DerivedRead {
  return { segment, tier: 'remote', source, bytes: 120, rows: 12, ...more }
}

export function output(segment: string, more: Partial<LineageOutput> = {}): LineageOutput {
  return { segment, rows: 12, bytes: 120, location: `/spool/${segment}`, ...more }
}

export interface TaskParts {
  readonly node?: string
  readonly role?: Role
  readonly base?: readonly BaseRead[]
  readonly derived?: readonly DerivedRead[]
  readonly output?: LineageOutput
  readonly at?: number
  readonly queryId?: string
  readonly template?: string
  readonly kind?: TaskEvent['kind']
  readonly cpuMicros?: number
}

/** A task of which nothing can be made: it does not say what it cost. */
export function brokenEvent(id: string): LineageEvent {
  return { ...taskEvent(id, { base: [baseRead('S1', 't', [1])] }), cost: undefined } as unknown as LineageEvent
}

export function taskEvent(id: string, parts: TaskParts): TaskEvent {
  const {
    node = 'n1',
    role = 'leaf',
    base = [],
    derived = [],
    at = noon,
    queryId = 'q-1',
    template = 'T1',
    kind = 'task',
  } = parts
  const type = kind === 'write' ? 'write' : role === 'leaf' ? 'aggregate' : 'merge'
  return {
    kind,
    id,
    at,
    queryId,
    tenant: 'default',
    template,
    node,
    incarnation: 1,
    role,
    transformation: { type, operators: [{ type, detail: `sum(a) ${template}` }], shape: `${type}-${template}` },
    baseReads: base,
    derivedReads: derived,
    transfers: derived.map((read) => ({
      segment: read.segment,
      source: read.source,
      destination: node,
      via: 'network',
      bytes: read.bytes,
      rows: read.rows,
      micros: 41,
      at,
    })),
    ...(parts.output === undefined ? {} : { output: parts.output }),
    cost: { cpuMicros: parts.cpuMicros ?? 10_007, peakMemoryBytes: 5_000, queueMicros: 211, wallMicros: 12_000 },
  }
}

export function answerEvent(queryId: string, segment: string, at = noon): AnswerEvent {
  return {
    kind: 'answer',
    id: `answer:${queryId}`,
    at,
    queryId,
    tenant: 'default',
    template: 'T1',
    segment,
    columns: [],
    transfer: { segment, source: 'n1', destination: 'client', via: 'network', bytes: 60, rows: 3, micros: 17, at },
    reused: false,
  }
}

export function evictionEvent(id: string, segments: readonly string[], at = noon): EvictionEvent {
  return { kind: 'eviction', id, at, segments }
}

export function queryStatus(
  queryId: string,
  state: QueryState,
  submittedAt: number,
  more: Partial<QueryStatus> = {},
): QueryStatus {
  return {
    queryId,
    sql: 'SELECT 1',
    state,
    priority: 'interactive',
    tenant: 'default',
    submittedAt,
    progress: 0,
    stages: [],
    tasks: [],
    ...more,
  }
}

/** A three-level query over one snapshot: leaves on n1…, two aggregators, a root on n1, an answer. */
export function treeOfTasks(
  queryId: string,
  snapshot: string,
  dataset: string,
  segments: number,
  template = 'T1',
  at = noon,
): (TaskEvent | AnswerEvent)[] {
  const leaves = [...Array(segments).keys()].map((ordinal) =>
    taskEvent(`${queryId}-leaf-${ordinal}#1`, {
      node: `n${(ordinal % 3) + 1}`,
      base: [baseRead(snapshot, dataset, [ordinal])],
      output: output(`d-${queryId}-leaf-${ordinal}`),
      queryId,
      template,
      at: at + ordinal,
    }),
  )
  const aggregators = [0, 1].map((half) =>
    taskEvent(`${queryId}-aggregator-${half}#1`, {
      node: `n${half + 2}`,
      role: 'aggregator',
      derived: leaves.filter((_, index) => index % 2 === half).map((leaf) => derivedRead(leaf.output?.segment ?? '', leaf.node)),
      output: output(`d-${queryId}-aggregator-${half}`),
      queryId,
      template,
      at: at + 100 + half,
    }),
  )
  const root = taskEvent(`${queryId}-root#1`, {
    role: 'root',
    derived: aggregators.map((task) => derivedRead(task.output?.segment ?? '', task.node)),
    output: output(`d-${queryId}-root`),
    queryId,
    template,
    at: at + 200,
  })
  return [...leaves, ...aggregators, root, answerEvent(queryId, `d-${queryId}-root`, at + 300)]
}
