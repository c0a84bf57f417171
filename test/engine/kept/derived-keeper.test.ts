import { expect, test } from 'vitest'
import { DerivedKeeper } from '../../../src/engine/embedded/kept/derived-keeper.js'
import { DerivedIndex } from '../../../src/scheduler/derived-index.js'

test('saves the index when something came or went, and only then, and again what could not be saved', async () => {
  const lists: string[] = []
  const errors: unknown[] = []
  let full = false
  const put = async (key: string, json: string): Promise<void> => {
    if (full) throw new Error('the disk is full')
    if (key === 'engine:derived') lists.push(json)
  }
  const recorder = { put, get: async () => undefined, reconcile: async () => 0 }
  const onError = (error: unknown) => errors.push(error)
  const options = { recorder, nodesFolder: '/nowhere', onError }
  const keeper = new DerivedKeeper(options as unknown as ConstructorParameters<typeof DerivedKeeper>[0])
  const index = new DerivedIndex({ bytesMax: 1_000, onEvict: () => {}, onDuplicate: () => {} })
  const add = (id: string): void => {
    const stored = {
      id,
      node: 'n1',
      path: `/spool/${id}`,
      carrier: 'parquet',
      columns: [],
      rows: 1,
      bytes: 10,
      crc32: 0,
    } as const
    index.add({ stored, covers: [], savedMs: 5 })
  }
  const save = () => keeper.save(index)
  await save()
  expect(lists).toEqual([])
  await keeper.restore(index)
  await save()
  add('d-1')
  await save()
  add('d-1')
  index.find('d-1')
  index.lose('d-2')
  await save()
  expect(lists).toEqual(['[]', '[0]'])
  // As many as before, and others.
  index.lose('d-1')
  add('d-2')
  full = true
  await save()
  full = false
  await save()
  await save()
  expect([lists, errors.length]).toEqual([['[]', '[0]', '[1]'], 1])
})

test('drops the file of what was evicted, and none that was made of the same segment since', () => {
  const sent: unknown[] = []
  const fleet = { send: (_: string, message: unknown) => sent.push(message) > 0 }
  const lineage = { evicted: () => {} }
  const keeper = new DerivedKeeper({ fleet, lineage } as unknown as ConstructorParameters<typeof DerivedKeeper>[0])
  const path = '/spool/d-1.1-7.parquet'
  keeper.evict([{ id: 'd-1', node: 'n1', path, carrier: 'parquet', columns: [], rows: 1, bytes: 10, crc32: 0 }])
  expect(sent).toEqual([{ type: 'drop-segments', segments: ['d-1.1-7.parquet'] }])
})
