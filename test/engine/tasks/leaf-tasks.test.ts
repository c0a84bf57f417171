import { expect, it } from 'vitest'
import type { Tiers } from '../../../src/engine/embedded/tasks/tiers.js'
import { type DraftContext, leafTasks, type SplitWork } from '../../../src/engine/embedded/tasks/work-draft.js'
import type { DatasetRead, Plan } from '../../../src/model/query.js'
import type { BaseSegment, Snapshot } from '../../../src/model/segment.js'

const stage = { sql: 'SELECT 1', columns: [], operators: [] }
const work: SplitWork = {
  shape: 'split',
  why: 'sum over t',
  whole: stage,
  distributed: '__fb0',
  leaf: stage,
  merge: stage,
  root: stage,
  partial: 'one',
  exact: true,
  rootKeepsRows: true,
  groupColumns: [],
}
const read = { relation: '__fb0', dataset: 't', snapshot: 'v-1', segments: [0, 1], columns: [] } as unknown as DatasetRead
const segments = ['s-1', 's-2'].map((id) => ({ id, rows: 1, bytes: 1, columnBytes: {} }) as unknown as BaseSegment)
const context = {
  queryId: 'q',
  round: 1,
  plan: { fingerprint: 'f', reads: [read] } as unknown as Plan,
  timeZone: 'UTC',
  snapshot: () => ({ segments, partitionColumns: [], mixedSchemas: false }) as unknown as Snapshot,
  tiers: { of: (_: DatasetRead, some: readonly BaseSegment[]) => ({ packed: [], unpacked: some }) } as unknown as Tiers,
  verify: () => [],
  warmOn: () => [],
} as unknown as DraftContext

const threadsOf = (some: readonly BaseSegment[], of: SplitWork = work): readonly string[] =>
  leafTasks(context, of, 'w-1', some, ['n1', 'n2']).map(({ task }) => task.threads)

it('a leaf beside others has one thread, and one alone has all of them', () => {
  expect(threadsOf(segments)).toEqual(['one', 'one'])
  expect(threadsOf(segments.slice(1))).toEqual(['all'])
})

it('a leaf whose sums hang on the order of rows has one thread', () => {
  expect(threadsOf(segments.slice(1), { ...work, exact: false })).toEqual(['one'])
})
