import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ChecksumState } from '../../src/catalog/checksum-state.js'
import { nodeFileSystem } from '../../src/catalog/file-system.js'
import { type BaseSegment, type Snapshot, stableHash } from '../../src/model/segment.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'forebay-checksums-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const file = { path: '/t.parquet', size: 1, mtimeNs: '2', inode: '3', footerHash: '4' }
const record = `${stableHash(['/t.parquet', '1', '2', '3', '4'])}.json`
const segment: BaseSegment = {
  id: 's-1',
  dataset: 't',
  ordinal: 0,
  file,
  rows: 1,
  bytes: 1,
  columnBytes: { x: 1, y: 1 },
  partition: { k: '1' },
  statistics: {},
}
const snapshot: Snapshot = {
  id: 'v',
  dataset: 't',
  columns: [],
  partitionColumns: [],
  segments: [segment],
  mixedSchemas: false,
  createdAt: 0,
}

async function opened(): Promise<ChecksumState> {
  const state = new ChecksumState(folder, nodeFileSystem)
  await state.open()
  return state
}

it('wants checksums of columns that the file has, once', async () => {
  const state = await opened()
  expect(state.verificationNeeded(segment, ['x', 'y'])).toEqual([])
  expect(state.recordingNeeded(segment, ['x', 'k', 'y'])).toEqual(['x', 'y'])
  state.markRecorded(segment, ['x'])
  expect(state.recordingNeeded(segment, ['x', 'y'])).toEqual(['y'])
  expect(state.verificationNeeded(segment, ['x'])).toEqual([])
})

it('wants recorded columns verified once after each start', async () => {
  writeFileSync(join(folder, record), '{}')
  const state = await opened()
  expect(state.verificationNeeded(segment, ['x', 'y'])).toEqual(['x', 'y'])
  state.markVerified(segment, ['x'])
  expect(state.verificationNeeded(segment, ['x', 'y'])).toEqual(['y'])
  expect((await opened()).verificationNeeded(segment, ['x'])).toEqual(['x'])
})

it('forgets versions that no table has', async () => {
  writeFileSync(join(folder, record), '{}')
  const state = await opened()
  await state.sweep([snapshot])
  expect(readdirSync(folder)).toEqual([record])
  await state.sweep([])
  expect(existsSync(join(folder, record))).toBe(false)
  expect(state.verificationNeeded(segment, ['x'])).toEqual([])
})
