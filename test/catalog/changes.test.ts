import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CatalogOptions } from '../../src/catalog/catalog.js'
import { type FileSystem, nodeFileSystem } from '../../src/catalog/file-system.js'
import { memoryKeyValue } from '../../src/catalog/key-value.js'
import type { RelationChange } from '../../src/model/catalogue.js'
import { systemClock } from '../../src/model/clock.js'
import { VirtualClock } from '../../src/model/virtual-clock.js'
import { DuckdbLake } from './support/duckdb-lake.js'
import { errorOf, openTestCatalog, readAll } from './support/open-test-catalog.js'

let lake: DuckdbLake
beforeEach(async () => {
  lake = await DuckdbLake.open()
})
afterEach(() => lake.close())

/** Makes folders look as if nothing had happened in them lately, so that their times prove something. */
function age(...folders: readonly string[]): void {
  const longAgo = new Date(Date.now() - 60_000)
  for (const folder of folders) utimesSync(folder, longAgo, longAgo)
}

async function openAged(options: Partial<CatalogOptions> = {}) {
  age(lake.data, join(lake.data, 't'))
  return openTestCatalog(lake, options)
}

describe('what changes while it runs', () => {
  beforeEach(async () => {
    await lake.write('t/a.parquet', 'SELECT 1 AS x')
    await lake.write('t/b.parquet', 'SELECT 2 AS x')
  })

  it('confirms what did not change, without reading a footer', async () => {
    const catalog = await openAged()
    const before = catalog.current('t')
    lake.footersRead.length = 0
    expect(await catalog.confirm([readAll(catalog, 't')])).toBe(true)
    await catalog.rescan()
    expect(lake.footersRead).toEqual([])
    expect(catalog.current('t')).toBe(before)
  })

  it('sees an appended file, reads its footer alone and keeps the ids of the others', async () => {
    const catalog = await openAged()
    const before = catalog.current('t')
    const read = readAll(catalog, 't')
    lake.footersRead.length = 0
    const added = await lake.write('t/c.parquet', 'SELECT 3 AS x')
    expect(await catalog.confirm([read])).toBe(false)
    expect(lake.footersRead).toEqual([added])
    const after = catalog.current('t')
    expect(after?.segments.slice(0, 2)).toEqual(before?.segments)
    expect(after?.id).not.toBe(before?.id)
    expect(catalog.snapshot(before?.id ?? '')).toBe(before)
    expect(await catalog.confirm([readAll(catalog, 't')])).toBe(true)
  })

  it('takes what it has listed since the statement came, and lists again for the next one', async () => {
    const catalog = await openAged()
    const cameAt = systemClock.monotonic()
    await lake.write('t/c.parquet', 'SELECT 3 AS x')
    expect(await catalog.confirm([readAll(catalog, 't')], cameAt)).toBe(false)
    // The folder has just changed, so that its time proves nothing: without the moment it would be listed again.
    await lake.write('t/d.parquet', 'SELECT 4 AS x')
    expect(await catalog.confirm([readAll(catalog, 't')], cameAt)).toBe(true)
    expect(catalog.current('t')?.segments).toHaveLength(3)
    expect(await catalog.confirm([readAll(catalog, 't')], systemClock.monotonic())).toBe(false)
    expect(catalog.current('t')?.segments).toHaveLength(4)
  })

  it('lists a table once for statements that came while it was listed', async () => {
    const listed: string[] = []
    const list = (folder: string) => {
      listed.push(folder)
      return nodeFileSystem.list(folder)
    }
    const catalog = await openAged({ fileSystem: { ...nodeFileSystem, list } })
    await lake.write('t/c.parquet', 'SELECT 3 AS x')
    const cameAt = systemClock.monotonic()
    const reads = [readAll(catalog, 't')]
    listed.length = 0
    const confirmed = await Promise.all(Array.from({ length: 20 }, () => catalog.confirm(reads, cameAt)))
    expect(confirmed).toEqual(Array.from({ length: 20 }, () => false))
    expect(listed).toEqual([join(lake.data, 't')])
    expect(catalog.current('t')?.segments).toHaveLength(3)
  })

  it('sees a file that came in the same moment as the folder was listed', async () => {
    const catalog = await openAged()
    const folder = join(lake.data, 't')
    const moment = new Date(Date.now() + 60_000)
    utimesSync(folder, moment, moment)
    await catalog.rescan()
    // A change within the resolution of the folder's time leaves that time as it was.
    await lake.write('t/c.parquet', 'SELECT 3 AS x')
    utimesSync(folder, moment, moment)
    expect(await catalog.confirm([readAll(catalog, 't')])).toBe(false)
    expect(catalog.current('t')?.segments).toHaveLength(3)
  })

  it('sees a file that was replaced in place, and one that is gone', async () => {
    const catalog = await openAged()
    const read = readAll(catalog, 't')
    await lake.write(join(lake.folder, 'new.parquet'), 'SELECT 9 AS x')
    renameSync(join(lake.folder, 'new.parquet'), join(lake.data, 't/b.parquet'))
    age(join(lake.data, 't'))
    expect(await catalog.confirm([read])).toBe(false)
    expect(catalog.current('t')?.segments[1]?.statistics.x?.min).toBe('9')
    const { size } = statSync(join(lake.data, 't/a.parquet'))
    const other = readFileSync(await lake.write(join(lake.folder, 'other.parquet'), 'SELECT 8 AS x'))
    writeFileSync(join(lake.data, 't/a.parquet'), other)
    expect(other.length).toBe(size)
    expect(await catalog.confirm([readAll(catalog, 't')])).toBe(false)
    expect(catalog.current('t')?.segments[0]?.statistics.x?.min).toBe('8')
    rmSync(join(lake.data, 't/a.parquet'))
    expect(await catalog.confirm([readAll(catalog, 't')])).toBe(false)
    expect(catalog.current('t')?.segments).toHaveLength(1)
  })

  it('sees a table come and go, and tells its listeners', async () => {
    const catalog = await openAged()
    const heard: RelationChange[] = []
    catalog.onChange((change) => heard.push(change))
    heard.length = 0
    expect(await catalog.confirm([])).toBe(true)
    await lake.write('new/k=1/a.parquet', 'SELECT 1 AS x')
    expect(await catalog.confirm([])).toBe(false)
    expect(catalog.current('new')?.partitionColumns).toEqual(['k'])
    rmSync(join(lake.data, 'new'), { recursive: true })
    expect(await catalog.confirm([readAll(catalog, 'new')])).toBe(false)
    expect(heard.map((change) => change.kind)).toEqual(['dataset', 'forgotten'])
    expect(catalog.table('new')).toBeUndefined()
  })

  it('sees a file come into a folder that held none', async () => {
    mkdirSync(join(lake.data, 'late'))
    const catalog = await openAged()
    expect(await catalog.confirm([])).toBe(true)
    await lake.write('late/a.parquet', 'SELECT 1 AS x')
    expect(await catalog.confirm([])).toBe(false)
    expect(catalog.current('late')?.segments).toHaveLength(1)
  })

  it('sees at once that a file has become a folder, and a folder a file', async () => {
    await lake.write('u.parquet', 'SELECT 1 AS x')
    const catalog = await openAged()
    for (const [gone, come] of [
      ['u.parquet', 'u/a.parquet'],
      ['u', 'u.parquet'],
    ] as const) {
      const read = readAll(catalog, 'u')
      rmSync(join(lake.data, gone), { recursive: true })
      await lake.write(come, 'SELECT 2 AS x')
      expect(await catalog.confirm([read])).toBe(false)
      expect(catalog.current('u')?.segments.map(({ file }) => file.path)).toEqual([join(lake.data, come)])
      age(lake.data)
      await catalog.rescan()
    }
  })

  it('sees at once that one of two files of one name has gone', async () => {
    await lake.write('t.parquet', 'SELECT 1 AS x')
    const catalog = await openAged()
    expect(errorOf(catalog, 't')?.code).toBe('FILES_DISAGREE')
    rmSync(join(lake.data, 't.parquet'))
    expect(await catalog.confirm([])).toBe(false)
    expect(catalog.current('t')?.segments).toHaveLength(2)
  })

  it('sees a new partition folder at any depth', async () => {
    await lake.write('p/k=1/j=1/a.parquet', 'SELECT 1 AS x')
    const folders = ['p', 'p/k=1', 'p/k=1/j=1'].map((folder) => join(lake.data, folder))
    age(...folders)
    const catalog = await openAged()
    const read = readAll(catalog, 'p')
    expect(await catalog.confirm([read])).toBe(true)
    await lake.write('p/k=1/j=2/a.parquet', 'SELECT 2 AS x')
    expect(await catalog.confirm([read])).toBe(false)
    expect(catalog.current('p')?.segments).toHaveLength(2)
  })

  it('answers for a file that breaks, and forgets the error when it is mended', async () => {
    const catalog = await openAged()
    const read = readAll(catalog, 't')
    appendFileSync(join(lake.data, 't/b.parquet'), 'rubbish')
    expect(await catalog.confirm([read])).toBe(false)
    expect(errorOf(catalog, 't')).toMatchObject({ code: 'FILE_UNREADABLE', message: expect.stringContaining('t/b.parquet') })
    expect(await catalog.confirm([])).toBe(true)
    await lake.write('t/b.parquet', 'SELECT 5 AS x')
    expect(await catalog.confirm([])).toBe(false)
    expect(catalog.current('t')?.segments).toHaveLength(2)
  })

  it('keeps its tables while the data folder cannot be read', async () => {
    const errors: unknown[] = []
    const catalog = await openAged({ onError: (error) => errors.push(error) })
    if (process.getuid?.() === 0) return
    chmodSync(lake.data, 0)
    await expect(catalog.runOnce()).rejects.toThrow()
    expect(catalog.tables()).toHaveLength(1)
    chmodSync(lake.data, 0o700)
  })

  it('scans once for all who ask while a scan is under way', async () => {
    let lists = 0
    let release = (): void => {}
    let held: Promise<void> = Promise.resolve()
    const list: FileSystem['list'] = async (folder) => {
      if (folder === lake.data) {
        lists += 1
        await held
      }
      return nodeFileSystem.list(folder)
    }
    const catalog = await openAged({ fileSystem: { ...nodeFileSystem, list } })
    held = new Promise((resolve) => {
      release = resolve
    })
    lists = 0
    const first = catalog.rescan()
    await expect.poll(() => lists).toBe(1)
    await lake.write('late.parquet', 'SELECT 1 AS x')
    const others = [catalog.rescan(), catalog.rescan(), catalog.rescan()]
    release()
    await Promise.all([first, ...others])
    expect([lists, catalog.current('late')?.segments.length]).toEqual([2, 1])
    await catalog.rescan()
    expect(lists).toBe(3)
  })

  it('looks by itself now and then, until it is closed', async () => {
    const catalog = await openAged({ scanEveryMs: 5 })
    const changed = new Promise<void>((resolve) => {
      catalog.onChange((change) => {
        if (change.kind === 'dataset' && change.snapshot.dataset === 'late') resolve()
      })
    })
    catalog.start()
    await lake.write('late.parquet', 'SELECT 1 AS x')
    await changed
    await catalog.close()
    await expect(catalog.rescan()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

describe('a restart', () => {
  it('reads no footer of a known file, finds the same snapshot and its date', async () => {
    for (let index = 0; index < 20; index++) await lake.write(`t/k=${index}/a.parquet`, `SELECT ${index} AS x`)
    const keyValue = memoryKeyValue()
    const before = await openTestCatalog(lake, { keyValue })
    expect(lake.footersRead).toHaveLength(20)
    lake.footersRead.length = 0
    const changed = await lake.write('t/k=3/a.parquet', 'SELECT 33 AS x')
    rmSync(join(lake.data, 't/k=4/a.parquet'))
    const after = await openTestCatalog(lake, { keyValue, clock: new VirtualClock(1_800_000_000_000) })
    expect(lake.footersRead).toEqual([changed])
    expect(after.current('t')?.segments.filter((segment) => segment.partition.k !== '3')).toHaveLength(18)
    lake.footersRead.length = 0
    const again = await openTestCatalog(lake, { keyValue, clock: new VirtualClock(1_900_000_000_000) })
    expect(lake.footersRead).toEqual([])
    expect(again.current('t')).toEqual(after.current('t'))
    expect(again.current('t')?.id).not.toBe(before.current('t')?.id)
  })

  it('works without what was kept, and when keeping fails', async () => {
    await lake.write('t.parquet', 'SELECT 1 AS x')
    const failing = { get: () => Promise.reject(new Error('lost')), put: () => Promise.reject(new Error('lost')) }
    const catalog = await openTestCatalog(lake, { keyValue: failing })
    expect(catalog.current('t')?.segments).toHaveLength(1)
  })

  it('sees a new file while keeping hangs, and closes when all is kept', async () => {
    await lake.write('t/a.parquet', 'SELECT 1 AS x')
    const kept = memoryKeyValue()
    let release = (): void => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const keyValue = { get: kept.get, put: (key: string, value: unknown) => released.then(() => kept.put(key, value)) }
    const catalog = await openTestCatalog(lake, { keyValue })
    await lake.write('t/b.parquet', 'SELECT 2 AS x')
    expect(await catalog.confirm([readAll(catalog, 't')])).toBe(false)
    const current = catalog.current('t')
    expect(current?.segments).toHaveLength(2)
    const closed = catalog.close()
    release()
    await closed
    expect(await kept.get('catalog/snapshot/t')).toEqual({ id: current?.id, createdAt: current?.createdAt })
  })
})

it('confirms 200 files in about 3 ms', async () => {
  const template = await lake.write(join(lake.folder, 'template.parquet'), 'SELECT 1 AS x')
  const folders: string[] = [lake.data, join(lake.data, 't')]
  for (let index = 0; index < 200; index++) {
    const folder = join(lake.data, `t/k=${index % 20}`)
    mkdirSync(folder, { recursive: true })
    if (index < 20) folders.push(folder)
    copyFileSync(template, join(folder, `${index}.parquet`))
  }
  age(...folders)
  const asked = { lists: 0, stats: 0 }
  const fileSystem = {
    ...nodeFileSystem,
    list: (path: string) => (asked.lists++, nodeFileSystem.list(path)),
    stat: (path: string) => (asked.stats++, nodeFileSystem.stat(path)),
  }
  const catalog = await openTestCatalog(lake, { fileSystem })
  const read = readAll(catalog, 't')
  Object.assign(asked, { lists: 0, stats: 0 })
  const rounds: number[] = []
  for (let round = 0; round < 30; round++) {
    const before = process.cpuUsage()
    expect(await catalog.confirm([read])).toBe(true)
    const { user, system } = process.cpuUsage(before)
    rounds.push((user + system) / 1_000)
  }
  // Each file and folder is looked at once. The bound is wide: other work may share the machine. The measured median is in docs/tables.md.
  expect(asked).toEqual({ lists: 0, stats: 30 * (200 + folders.length) })
  expect(Math.min(...rounds)).toBeLessThan(30)
})

it('does not take a half-written file for a table that is whole', async () => {
  const whole = await lake.write(join(lake.folder, 'whole.parquet'), 'SELECT i AS x FROM range(10000) r(i)')
  const bytes = readFileSync(whole)
  writeFileSync(join(lake.data, 't.parquet'), bytes.subarray(0, bytes.length / 2))
  const catalog = await openTestCatalog(lake)
  expect(errorOf(catalog, 't')?.code).toBe('FILE_UNREADABLE')
  writeFileSync(join(lake.data, 't.parquet'), bytes)
  expect(await catalog.confirm([])).toBe(false)
  expect(catalog.current('t')?.segments[0]?.rows).toBe(10_000)
})
