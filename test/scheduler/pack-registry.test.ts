import { existsSync, linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { BaseSegment, Pack } from '../../src/model/segment.js'
import { PackRegistry } from '../../src/scheduler/pack-registry.js'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

async function setUp(bytesMax = 1e9, folder = mkdtempSync(join(tmpdir(), 'packs-'))) {
  folders.push(folder)
  const detached: string[] = []
  const registry = new PackRegistry({
    folder,
    bytesMax,
    storageVersion: 'v1',
    detach: async (packs) => void detached.push(...packs),
  })
  await registry.open()
  const build = async (id: string, columns: string[], segments: string[], bytes = 100, storageVersion = 'v1'): Promise<Pack> => {
    const path = registry.pathOf(id)
    writeFileSync(path, 'a pack')
    const pack = {
      id,
      path,
      dataset: 'orders',
      columns,
      types: columns.map(() => 'INTEGER'),
      signedColumns: [],
      ordinalColumn: '__ordinal',
      segments,
      rows: 1,
      bytes,
      storageVersion,
      createdAt: 0,
    }
    await registry.add(pack, 10)
    return pack
  }
  return { build, detached, folder, registry }
}

const integers = (...names: readonly string[]) => names.map((name) => ({ name, type: 'INTEGER' }))
const segment = (id: string): BaseSegment => ({ id }) as BaseSegment

test('serves each segment from one place, the largest pack first', async () => {
  const { build, registry } = await setUp()
  await build('p-1', ['a', 'b'], ['s1', 's2', 's3'])
  await build('p-2', ['a', 'b'], ['s3', 's4'])
  const choice = registry.choose('orders', integers('a'), ['s2', 's3', 's4', 's5'].map(segment))
  expect(choice.packed.map(({ pack, ordinals }) => [pack.id, ordinals])).toEqual([
    ['p-1', [1, 2]],
    ['p-2', [1]],
  ])
  expect(choice.unpacked.map(({ id }) => id)).toEqual(['s5'])
})

test('serves nothing from a pack that lacks a column', async () => {
  const { build, registry } = await setUp()
  await build('p-1', ['a'], ['s1'])
  expect(registry.choose('orders', integers('a', 'b'), [segment('s1')]).packed).toEqual([])
  expect(registry.choose('customers', integers('a'), [segment('s1')]).packed).toEqual([])
})

test('serves nothing from a pack in which a column has another type than it has now', async () => {
  const { build, registry } = await setUp()
  await build('p-1', ['a', 'b'], ['s1'])
  const choose = (type: string) => registry.choose('orders', [{ name: 'b', type }], [segment('s1')]).packed.length
  expect([choose('INTEGER'), choose('DOUBLE')]).toEqual([1, 0])
})

test('serves no column of a segment that each query casts by its own time zone', async () => {
  const { build, registry } = await setUp()
  await build('p-1', ['a', 'b'], ['s1', 's2'])
  const segments = [segment('s1'), { ...segment('s2'), zoneCasts: ['b'] }]
  const unpacked = (...names: readonly string[]) =>
    registry.choose('orders', integers(...names), segments).unpacked.map(({ id }) => id)
  expect([unpacked('a'), unpacked('a', 'b')]).toEqual([[], ['s2']])
})

test('takes up the packs of a former run and removes leftovers', async () => {
  const first = await setUp()
  await first.build('p-1', ['a'], ['s1'])
  await first.build('p-old', ['a'], ['s1'], 100, 'v0')
  const { signedColumns: _, ...former } = await first.build('p-former', ['a'], ['s1'])
  writeFileSync(join(first.folder, 'p-former.json'), JSON.stringify(former))
  writeFileSync(join(first.folder, 'p-half.duckdb'), 'no description')
  writeFileSync(join(first.folder, 'p-torn.json'), '{"id":')
  const second = await setUp(1e9, first.folder)
  expect(second.registry.packs().map((pack) => pack.id)).toEqual(['p-1'])
  expect(readdirSync(first.folder).toSorted()).toEqual(['p-1.duckdb', 'p-1.json'])
})

test('detaches a pack everywhere before its file goes, when the disk budget is full', async () => {
  const { build, detached, registry } = await setUp(150)
  const cheap = await build('p-1', ['a'], ['s1'], 140)
  await build('p-2', ['a'], ['s2'], 20)
  expect(detached).toEqual(['p-1'])
  expect(existsSync(cheap.path)).toBe(false)
  expect(registry.packs().map((pack) => pack.id)).toEqual(['p-2'])
})

test('keeps within a smaller budget what a former run left', async () => {
  const former = await setUp()
  for (const name of ['a', 'b', 'c', 'd']) await former.build(`p-${name}`, ['a'], [name])
  const { registry, folder } = await setUp(200, former.folder)
  expect(registry.packs().length).toBe(2)
  expect(readdirSync(folder).filter((name) => name.endsWith('.duckdb')).length).toBe(2)
})

test('drops packs none of whose segments is current', async () => {
  const { build, registry } = await setUp()
  await build('p-1', ['a'], ['s1', 's2'])
  await build('p-2', ['a'], ['s3'])
  await registry.dropStale((id) => id === 's2')
  expect(registry.packs().map((pack) => pack.id)).toEqual(['p-1'])
})

test('writes the description of a pack beside its name, not in it', async () => {
  const { build, folder, registry } = await setUp()
  const [name, witness] = [join(folder, 'p-1.json'), join(folder, 'witness')]
  writeFileSync(name, 'of a former pack')
  linkSync(name, witness)
  const pack = await build('p-1', ['a'], ['s1'])
  expect(readFileSync(witness, 'utf8')).toBe('of a former pack')
  expect(JSON.parse(readFileSync(name, 'utf8'))).toEqual(pack)
  expect(registry.packs()).toEqual([pack])
})
