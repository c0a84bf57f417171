import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/engine/embedded/engine-options.js'
import type { EngineParts } from '../../../src/engine/embedded/engine-parts.js'
import { PackKeeper } from '../../../src/engine/embedded/kept/pack-keeper.js'
import type { TaskMessage } from '../../../src/model/messages.js'
import type { BaseSegment, Snapshot } from '../../../src/model/segment.js'
import { Admission } from '../../../src/scheduler/admission.js'
import type { RunOptions } from '../../../src/scheduler/dispatcher.js'
import { PackRegistry } from '../../../src/scheduler/pack-registry.js'
import { ReadHeat } from '../../../src/scheduler/read-heat.js'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const signal = AbortSignal.timeout(20_000)
const megabyte = 1e6

/** A keeper over `segments` of 10 MB each. Each build lasts until the next query when it is larger than `gapBytes`. */
async function setUp(segments: number, gapBytes: () => number, packSourceBytesMax = 1_000 * megabyte) {
  const folder = mkdtempSync(join(tmpdir(), 'keeper-'))
  folders.push(folder)
  const snapshot = snapshotOf(segments)
  const packs = new PackRegistry({ folder, bytesMax: 1e12, detach: async () => {} })
  await packs.open()
  const admission = new Admission({ memoryBytes: 1e9, runningMax: 4, waitingMax: 4 })
  const builds: { readonly segments: readonly string[]; readonly columns: readonly string[]; readonly done: boolean }[] = []
  const dispatcher = {
    load: () => 0,
    run: async (node: string, { output }: TaskMessage, { signal: stop }: RunOptions) => {
      if (output.to !== 'pack') throw new Error('not a pack')
      const bytes = output.pack.segments.length * 10 * megabyte
      if (bytes > gapBytes()) admission.preempt()
      builds.push({ segments: output.pack.segments, columns: output.pack.columns, done: !stop.aborted })
      if (stop.aborted) throw stop.reason
      writeFileSync(output.pack.path, 'a pack')
      const pack = { ...output.pack, rows: 1, bytes, storageVersion: 'v1', createdAt: 0 }
      return { node, incarnation: 1, result: { to: 'pack', pack }, report: { cpuMs: 1 } }
    },
  }
  const heat = new ReadHeat()
  const parts = {
    packs,
    admission,
    dispatcher,
    heat,
    catalog: { current: () => snapshot, pin: () => () => {} },
    lineage: { snapshots: () => {} },
    prefetched: { made: () => {} },
    pool: { ready: () => ['n1'], want: async () => ['n1'], memoryBytesPerNode: 1e9 },
    quarantine: { check: () => {}, blame: () => {} },
    limits: { ...defaultLimits, packSourceBytesMax },
    clock: { now: () => 10 },
    bury: () => {},
  } as unknown as EngineParts
  return { keeper: new PackKeeper(parts, async () => {}), packs, heat, builds, snapshot }
}

function snapshotOf(count: number): Snapshot {
  const segments = Array.from({ length: count }, (_, ordinal): BaseSegment => {
    const columnBytes = { a: 4 * megabyte, b: 3 * megabyte, c: 3 * megabyte, rest: 90 * megabyte }
    const file = { path: `/data/${ordinal}.parquet`, size: 1, mtimeNs: '1', inode: '1', footerHash: `${ordinal}` }
    const common = { dataset: 'log', rows: 1, bytes: 100 * megabyte, partition: {}, statistics: {} }
    return { id: `s${ordinal}`, ordinal, file, columnBytes, ...common } as unknown as BaseSegment
  })
  const columns = ['a', 'b', 'c', 'rest'].map((name) => ({ name, type: 'INTEGER' }))
  return { id: 'v1', dataset: 'log', columns, partitionColumns: [], segments, mixedSchemas: false, createdAt: 0 }
}

const wish = (snapshot: Snapshot) => ({
  dataset: 'log',
  columns: ['a', 'b', 'c'],
  segments: snapshot.segments.map(({ id }) => id),
})

it('comes to an end between queries that leave time for a part of a pack only', async () => {
  const { keeper, packs, builds, snapshot } = await setUp(12, () => 25 * megabyte)
  await keeper.build(wish(snapshot), signal)
  expect(builds.some(({ done }) => !done)).toBe(true)
  expect(packs.choose('log', snapshot.columns.slice(0, 3), snapshot.segments).unpacked).toEqual([])
})

it('merges in quiet times what was packed in small parts', async () => {
  let gapBytes = 15 * megabyte
  const { keeper, packs, snapshot } = await setUp(12, () => gapBytes)
  await keeper.build(wish(snapshot), signal)
  expect(packs.packs().length).toBe(12)
  gapBytes = Number.POSITIVE_INFINITY
  await keeper.runOnce(signal)
  expect(packs.packs().length).toBe(1)
  expect(packs.choose('log', snapshot.columns.slice(0, 3), snapshot.segments).unpacked).toEqual([])
})

it('merges as many as fit into one pack where all of them do not', async () => {
  let gapBytes = 15 * megabyte
  const { keeper, packs, snapshot } = await setUp(12, () => gapBytes, 100 * megabyte)
  await keeper.build(wish(snapshot), signal)
  gapBytes = Number.POSITIVE_INFINITY
  await keeper.runOnce(signal)
  expect(
    packs
      .packs()
      .map((pack) => pack.segments.length)
      .toSorted(),
  ).toEqual([1, 1, 10])
})

it('takes columns along that are read beside hot ones, up to as many bytes again', async () => {
  const { keeper, heat, builds, snapshot } = await setUp(1, () => Number.POSITIVE_INFINITY)
  const [segment] = snapshot.segments.map(({ id }) => id)
  for (const columns of [['a'], ['a', 'rest'], ['a', 'b', 'c']]) heat.note('log', columns, [segment ?? ''], 1)
  await keeper.runOnce(signal)
  expect(builds.map(({ columns }) => columns)).toEqual([['a', 'b']])
})
