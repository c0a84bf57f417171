import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Catalog, CatalogOptions } from '../../src/catalog/catalog.js'
import { type FileSystem, nodeFileSystem } from '../../src/catalog/file-system.js'
import type { KeyValue } from '../../src/catalog/key-value.js'
import type { CommitOptions, TableWrite, WriteMode } from '../../src/catalog/table-write.js'
import type { RelationChange } from '../../src/model/catalogue.js'
import { VirtualClock } from '../../src/model/virtual-clock.js'
import { readHeader } from '../../src/sql/statement/header.js'
import { DuckdbLake, parquet } from './support/duckdb-lake.js'
import { type Failure, failingFileSystem } from './support/failing-file-system.js'
import { errorOf, openTestCatalog, readAll } from './support/open-test-catalog.js'

let lake: DuckdbLake
beforeEach(async () => {
  lake = await DuckdbLake.open()
})
afterEach(() => lake.close())

const columns = [{ name: 'x', type: 'INTEGER' }]

/** What a node does between `beginWrite` and `commit`. */
async function fill(write: TableWrite, select: string, name = 'part-0.parquet') {
  const path = await lake.write(join(write.folder, name), select)
  const rows = Number((await lake.rows(`SELECT count(*) FROM '${path}'`))[0]?.[0])
  return { path, rows, bytes: 1 }
}

async function put(catalog: Catalog, table: string, mode: WriteMode, values: string, options: CommitOptions = {}) {
  const write = await catalog.beginWrite(table, mode, columns)
  return write.commit([await fill(write, `SELECT unnest([${values}])::INTEGER AS x`)], () => options)
}

/** The rows that a reader of the current snapshot sees. */
async function rowsOf(catalog: Catalog, table: string): Promise<readonly number[] | undefined> {
  const snapshot = catalog.current(table)
  if (!snapshot) return undefined
  const paths = snapshot.segments.map((segment) => segment.file.path)
  return (await lake.rows(`SELECT x FROM ${parquet(paths, 'hive_partitioning = false')}`)).map(([x]) => Number(x))
}

const reopened = (options: Partial<CatalogOptions> = {}): Promise<Catalog> => openTestCatalog(lake, options)

describe('written tables', () => {
  it('creates, appends, replaces and drops, and finds it all again after a restart', async () => {
    const catalog = await reopened()
    await put(catalog, 't', 'create', '1, 2')
    expect(await rowsOf(catalog, 'T')).toEqual([1, 2])
    const first = catalog.current('t')
    await put(catalog, 't', 'insert', '3')
    expect(await rowsOf(await reopened(), 't')).toEqual([1, 2, 3])
    expect(catalog.current('t')?.segments[0]?.id).toBe(first?.segments[0]?.id)
    await put(catalog, 't', 'replace', '9')
    expect(await rowsOf(await reopened(), 't')).toEqual([9])
    expect((await reopened()).current('t')).toEqual(catalog.current('t'))
    expect(await catalog.dropTable('t')).toBe(true)
    expect((await reopened()).tables()).toEqual([])
  })

  it('shows nobody a write before its commit and nothing of one that was given up', async () => {
    const catalog = await reopened()
    const write = await catalog.beginWrite('t', 'create', columns)
    const file = await fill(write, 'SELECT 1::INTEGER AS x')
    expect(catalog.tables()).toEqual([])
    await write.abort()
    expect(existsSync(file.path)).toBe(false)
    await expect(write.commit([file])).rejects.toMatchObject({ code: 'INTERNAL' })
  })

  it('lets the first commit win, whatever began first', async () => {
    const catalog = await reopened()
    await put(catalog, 't', 'create', '1')
    const [a, b] = [await catalog.beginWrite('t', 'insert', columns), await catalog.beginWrite('t', 'replace', columns)]
    const [fileA, fileB] = [await fill(a, 'SELECT 2::INTEGER AS x'), await fill(b, 'SELECT 3::INTEGER AS x')]
    const outcomes = await Promise.allSettled([b.commit([fileB]), a.commit([fileA])])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected'])
    expect(outcomes[1]).toMatchObject({ reason: { code: 'WRITE_CONFLICT' } })
    expect(await rowsOf(catalog, 't')).toEqual([3])
    expect(existsSync(fileA.path)).toBe(false)
  })

  it('calls two creations of one name a conflict, and a later one TABLE_EXISTS', async () => {
    const catalog = await reopened()
    const [a, b] = [await catalog.beginWrite('t', 'create', columns), await catalog.beginWrite('T', 'create', columns)]
    await a.commit([await fill(a, 'SELECT 1::INTEGER AS x')])
    await expect(b.commit([await fill(b, 'SELECT 2::INTEGER AS x')])).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    await expect(catalog.beginWrite('t', 'create', columns)).rejects.toMatchObject({ code: 'TABLE_EXISTS' })
  })

  it('begins no write that was planned before the commit under way', async () => {
    let release = (): void => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let commits = 0
    const fileSystem: FileSystem = {
      ...nodeFileSystem,
      rename: (from, to) => (++commits === 2 ? held : Promise.resolve()).then(() => nodeFileSystem.rename(from, to)),
    }
    const catalog = await reopened({ fileSystem })
    const { id } = await put(catalog, 't', 'create', '1')
    const append = put(catalog, 't', 'insert', '2')
    await expect.poll(() => commits).toBe(2)
    const renamed = [{ name: 'y', type: 'INTEGER' }]
    const begun = [
      catalog.beginWrite('t', 'replace', renamed, id),
      catalog.beginWrite('t', 'insert', renamed),
      catalog.beginWrite('t', 'replace', renamed),
      catalog.beginWrite('t', 'insert', columns),
    ].map((write) =>
      write.then(
        () => 'begun',
        (error: { code: string }) => error.code,
      ),
    )
    release()
    await append
    expect(await Promise.all(begun)).toEqual(['WRITE_CONFLICT', 'WRITE_CONFLICT', 'begun', 'begun'])
    expect(await rowsOf(catalog, 't')).toEqual([1, 2])
  })

  it('does not wait for the commit under way where there is nothing to change or to remember', async () => {
    let release = (): void => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let commits = 0
    const rename: FileSystem['rename'] = (from, to) => {
      commits++
      return held.then(() => nodeFileSystem.rename(from, to))
    }
    const catalog = await reopened({ fileSystem: { ...nodeFileSystem, rename } })
    const ended: string[] = []
    const create = put(catalog, 't', 'create', '1').then(() => ended.push('the commit'))
    await expect.poll(() => commits).toBe(1)
    const remember = catalog.remember({}).then(() => ended.push('nothing'))
    release()
    await Promise.all([create, remember])
    expect(ended).toEqual(['nothing', 'the commit'])
  })

  it('names what is wrong with a write before anything is made', async () => {
    await lake.write('theirs.parquet', 'SELECT 1 AS x')
    const catalog = await reopened()
    await put(catalog, 'ours', 'create', '1')
    await catalog.createView('v', 'SELECT 1', false)
    for (const mode of ['create', 'replace', 'insert'] as const) {
      await expect(catalog.beginWrite('Theirs', mode, columns)).rejects.toMatchObject({ code: 'TABLE_NOT_MANAGED' })
    }
    await expect(catalog.dropTable('theirs', true)).rejects.toMatchObject({ code: 'TABLE_NOT_MANAGED' })
    await expect(catalog.createView('theirs', 'SELECT 1', true)).rejects.toMatchObject({ code: 'TABLE_NOT_MANAGED' })
    await expect(catalog.beginWrite('none', 'insert', columns)).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
    await expect(catalog.dropTable('none')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
    expect(await catalog.dropTable('none', true)).toBe(false)
    await expect(catalog.beginWrite('v', 'insert', columns)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' })
    await expect(catalog.beginWrite('v', 'create', columns)).rejects.toMatchObject({ code: 'TABLE_EXISTS' })
    await expect(catalog.dropTable('v')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
    await expect(catalog.createView('ours', 'SELECT 1', true)).rejects.toMatchObject({ code: 'TABLE_EXISTS' })
    await expect(catalog.beginWrite('ours', 'insert', [])).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
    expect(readdirSync(join(lake.state, 'tables')).sort()).toEqual(['manifest.json', 'ours'])
  })

  it('keeps views, also over a restart, and tells of every change', async () => {
    const catalog = await reopened()
    const heard: RelationChange[] = []
    catalog.onChange((change) => heard.push(change))
    await catalog.createView('v', 'SELECT 1', false)
    await expect(catalog.createView('V', 'SELECT 2', false)).rejects.toMatchObject({ code: 'TABLE_EXISTS' })
    await catalog.createView('V', 'SELECT 2', true)
    expect((await reopened()).views()).toEqual([{ kind: 'view', name: 'V', sql: 'SELECT 2' }])
    await catalog.dropView('v')
    await expect(catalog.dropView('v')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
    expect(heard).toEqual([
      { kind: 'view', name: 'v', sql: 'SELECT 1' },
      { kind: 'view', name: 'V', sql: 'SELECT 2' },
      { kind: 'forgotten', name: 'V' },
    ])
  })

  it('takes the names for tables and views that SQL takes, and no others', async () => {
    const catalog = await reopened()
    const names = ['Case', 'case ', 'a..b', 'ünï', '-', ' ', 'a:b', 'x'.repeat(200), 'a_', 'constructor', '%2e', 'con']
    for (const name of names) await put(catalog, name, 'create', '1')
    expect((await reopened()).tables().map(({ name, rows }) => [name, rows])).toEqual(
      [...names].sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1)).map((name) => [name, 1]),
    )
    expect(readdirSync(lake.folder).filter((name) => !name.startsWith('made-'))).toEqual(['data', 'state'])
    const others = ['', '.', '.x', '../up', 'a/b', 'a\\b', '_hidden', '__proto__', 'a\0', 'x'.repeat(201)]
    for (const name of others) {
      await expect(catalog.beginWrite(name, 'create', columns)).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
      await expect(catalog.createView(name, 'SELECT 1', false)).rejects.toMatchObject({ code: 'NOT_ALLOWED' })
    }
    const isTaken = (name: string): boolean => {
      try {
        return readHeader(`CREATE TABLE "${name}" AS SELECT 1`).kind === 'create-table'
      } catch {
        return false
      }
    }
    expect([...names, ...others].filter(isTaken)).toEqual(names)
  })

  it('keeps declared types that Parquet cannot hold', async () => {
    const catalog = await reopened()
    const write = await catalog.beginWrite('t', 'create', [{ name: 'x', type: 'HUGEINT' }])
    const snapshot = await write.commit([await fill(write, "SELECT '170141183460469231731687303715884105727' AS x")])
    expect(snapshot).toMatchObject({ columns: [{ name: 'x', type: 'HUGEINT' }], mixedSchemas: true })
    expect(snapshot.segments[0]?.statistics).toEqual({ x: { nulls: 0 } })
  })

  it('commits a table without rows or files', async () => {
    const catalog = await reopened()
    await (await catalog.beginWrite('t', 'create', columns)).commit([])
    expect((await reopened()).current('t')).toMatchObject({ columns, segments: [] })
    await put(catalog, 't', 'insert', '1')
    expect(await rowsOf(catalog, 't')).toEqual([1])
  })

  it('refuses a file that is no Parquet and stays as it was', async () => {
    const catalog = await reopened()
    await put(catalog, 't', 'create', '1')
    const write = await catalog.beginWrite('t', 'insert', columns)
    writeFileSync(join(write.folder, 'a.parquet'), 'nonsense')
    const file = { path: join(write.folder, 'a.parquet'), rows: 1, bytes: 8 }
    await expect(write.commit([file])).rejects.toMatchObject({ code: 'FILE_UNREADABLE' })
    expect(await rowsOf(catalog, 't')).toEqual([1])
    expect(existsSync(write.folder)).toBe(false)
  })

  it('ignores a folder that appears under the name of a written table, and says so', async () => {
    const catalog = await reopened()
    await put(catalog, 't', 'create', '1')
    await lake.write('t/a.parquet', 'SELECT 5 AS x, 6 AS y')
    await catalog.runOnce()
    expect(await rowsOf(catalog, 't')).toEqual([1])
    expect(catalog.table('t')?.note).toContain('is ignored')
    await catalog.dropTable('t')
    expect(catalog.current('t')?.columns.map(({ name }) => name)).toEqual(['x', 'y'])
  })

  it('remembers the answer of a write with its commit, for a bounded number of writes', async () => {
    const catalog = await reopened()
    await put(catalog, 't', 'create', '1', { idempotencyKey: 'k', result: { count: 1 } })
    await expect(put(catalog, 't', 'create', '1', { idempotencyKey: 'other' })).rejects.toThrow()
    const later = await reopened({ idempotencyKeysMax: 3 })
    expect(await later.rememberedResult('k')).toEqual({ count: 1 })
    expect(await later.rememberedResult('other')).toBeUndefined()
    for (let index = 0; index < 3; index++) {
      await later.createView('v', 'SELECT 1', true, { idempotencyKey: `v${index}`, result: index })
    }
    expect(await later.rememberedResult('k')).toBeUndefined()
    expect(await later.rememberedResult('v0')).toBe(0)
  })

  it('keeps replaced files while they are pinned or young, then removes them', async () => {
    const clock = new VirtualClock(0)
    const catalog = await reopened({ clock, graceMs: 1_000 })
    const old = await put(catalog, 't', 'create', '1')
    const path = old.segments[0]?.file.path ?? ''
    const unpin = catalog.pin([old.id])
    await put(catalog, 't', 'replace', '2')
    await catalog.runOnce()
    expect(existsSync(path)).toBe(true)
    clock.skipTo(clock.now() + 5_000)
    await catalog.runOnce()
    expect([existsSync(path), catalog.snapshot(old.id)?.id]).toEqual([true, old.id])
    unpin()
    await catalog.runOnce()
    expect(existsSync(path)).toBe(false)
    expect(await rowsOf(catalog, 't')).toEqual([2])
  })

  it('leaves nothing of a table that was dropped, once nobody reads it', async () => {
    const clock = new VirtualClock(0)
    const kept = new Map<string, unknown>()
    const keyValue: KeyValue = { get: async (key) => kept.get(key), put: async (key, value) => void kept.set(key, value) }
    const catalog = await reopened({ clock, keyValue, graceMs: 1_000 })
    const folder = join(lake.state, 'tables/t')
    const { id } = await put(catalog, 't', 'create', '1')
    const unpin = catalog.pin([id])
    await catalog.dropTable('T')
    clock.skipTo(clock.now() + 5_000)
    await catalog.runOnce()
    expect([existsSync(folder), catalog.snapshot(id)?.id]).toEqual([true, id])
    unpin()
    const begun = await catalog.beginWrite('t', 'create', columns)
    await catalog.runOnce()
    expect([readdirSync(folder).length, catalog.snapshot(id)]).toEqual([1, undefined])
    await begun.abort()
    expect(readdirSync(join(lake.state, 'tables'))).toEqual(['manifest.json'])
    await catalog.close()
    const facts = [...kept].filter(([key]) => key.startsWith('catalog/facts/written/t/'))
    expect(facts.map(([, value]) => value)).toEqual([null])
  })

  it('names the file of a written table that is gone, and serves the table again when it is back', async () => {
    const catalog = await reopened()
    const path = (await put(catalog, 't', 'create', '1')).segments[0]?.file.path ?? ''
    const bytes = readFileSync(path)
    writeFileSync(path, '')
    const broken = await reopened()
    expect(errorOf(broken, 't')).toMatchObject({ code: 'CHECKSUM_MISMATCH', message: expect.stringContaining(path) })
    await expect(broken.beginWrite('t', 'insert', columns)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' })
    writeFileSync(path, bytes)
    await broken.runOnce()
    expect(await rowsOf(broken, 't')).toEqual([1])
  })

  it('serves nothing of a file in which one bit has changed, whatever its time, and everything of one that was copied', async () => {
    const catalog = await reopened()
    const path = (await put(catalog, 't', 'create', '1, 2, 3')).segments[0]?.file.path ?? ''
    const bytes = readFileSync(path)
    for (const at of [4, bytes.length >> 1, bytes.length - 5]) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      writeFileSync(path, changed)
      expect(errorOf(await reopened(), 't')).toMatchObject({ code: 'CHECKSUM_MISMATCH', message: expect.stringContaining(path) })
    }
    writeFileSync(path, bytes)
    expect(await rowsOf(await reopened(), 't')).toEqual([1, 2, 3])
  })

  it('refuses a damaged manifest and one of a newer version', async () => {
    const catalog = await reopened()
    await put(catalog, 't', 'create', '1')
    const path = join(lake.state, 'tables/manifest.json')
    const text = readFileSync(path, 'utf8')
    for (let at = 0; at < text.length - 1; at += 7) {
      const damaged = Buffer.from(text)
      damaged[at] = (damaged[at] ?? 0) ^ 4
      writeFileSync(path, damaged)
      await expect(reopened()).rejects.toMatchObject({ code: expect.stringMatching(/CHECKSUM_MISMATCH|STATE_TOO_NEW/) })
    }
    writeFileSync(path, text.replace('"format":1', '"format":2'))
    await expect(reopened()).rejects.toMatchObject({ code: 'STATE_TOO_NEW' })
    writeFileSync(path, '')
    await expect(reopened()).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' })
  })

  it('removes at start what unfinished writes left, and nothing else', async () => {
    const catalog = await reopened()
    await put(catalog, 't', 'create', '1')
    const unfinished = await catalog.beginWrite('t', 'insert', columns)
    await fill(unfinished, 'SELECT 2::INTEGER AS x')
    mkdirSync(join(lake.state, 'tables/gone/w-1'), { recursive: true })
    writeFileSync(join(lake.state, 'tables/.manifest.json.new'), 'half')
    expect(await rowsOf(await reopened(), 't')).toEqual([1])
    expect(existsSync(unfinished.folder)).toBe(false)
    expect(readdirSync(join(lake.state, 'tables')).sort()).toEqual(['manifest.json', 't'])
  })
})

it('finds the answer of a write of which nobody knew whether it happened', async () => {
  let reads = 0
  let broken = false
  const fail = (): never => {
    throw new Error('EIO')
  }
  const fileSystem: FileSystem = {
    ...nodeFileSystem,
    rename: async (from, to) => {
      await nodeFileSystem.rename(from, to)
      if (broken) fail()
    },
    read: async (path) => (broken && ++reads === 1 ? fail() : nodeFileSystem.read(path)),
  }
  const catalog = await reopened({ fileSystem })
  broken = true
  const write = put(catalog, 't', 'create', '1', { idempotencyKey: 'k', result: { count: 1 } })
  await expect(write).rejects.toThrow('may or may not have taken effect')
  expect(await catalog.rememberedResult('k')).toEqual({ count: 1 })
})

describe('a write on a disk that fails', () => {
  const changes: Record<string, (catalog: Catalog) => Promise<unknown>> = {
    insert: (catalog) => put(catalog, 't', 'insert', '2', { idempotencyKey: 'k', result: 'done' }),
    replace: (catalog) => put(catalog, 't', 'replace', '1, 2', { idempotencyKey: 'k', result: 'done' }),
    create: (catalog) => put(catalog, 'u', 'create', '1', { idempotencyKey: 'k', result: 'done' }),
    drop: (catalog) => catalog.dropTable('t', false, { idempotencyKey: 'k', result: 'done' }),
    view: (catalog) => catalog.createView('v', 'SELECT 1', true, { idempotencyKey: 'k', result: 'done' }),
  }
  const failures: readonly Failure[] = ['EIO', 'ENOSPC', 'EIO after', 'outage', 'kill']
  const cases = Object.keys(changes)
    .flatMap((change) => failures.map((failure) => [change, failure] as const))
    // A full disk fails as a broken one does, but for its error.
    .filter(([change, failure]) => failure !== 'ENOSPC' || change === 'insert')

  /** All that a reader could tell apart. */
  async function stateOf(catalog: Catalog) {
    return JSON.stringify([
      await rowsOf(catalog, 't'),
      await rowsOf(catalog, 'u'),
      catalog.views(),
      (await catalog.rememberedResult('k')) ?? null,
    ])
  }

  /** A state folder of its own, with a table in it. */
  async function begun(name: string) {
    const { state } = lake
    const own = new Proxy(lake, { get: (target, key) => (key === 'state' ? `${state}-${name}` : Reflect.get(target, key)) })
    const catalog = await openTestCatalog(own)
    await put(catalog, 't', 'create', '1')
    return { own, catalog }
  }

  it.each(cases)(
    'leaves the old or the new state: %s, %s at every call',
    async (change, failure) => {
      const run = changes[change] as (catalog: Catalog) => Promise<unknown>
      const clean = await begun('clean')
      const old = await stateOf(clean.catalog)
      await run(clean.catalog)
      const fresh = await stateOf(clean.catalog)
      let failed = 0
      for (let n = 1; ; n++) {
        const { own } = await begun(String(n))
        const fileSystem = failingFileSystem(Number.POSITIVE_INFINITY, failure)
        const probe = await openTestCatalog(own, { fileSystem })
        const opening = fileSystem.calls()
        await probe.close()
        const failing = failingFileSystem(opening + n, failure)
        const catalog = await openTestCatalog(own, { fileSystem: failing, onError: () => undefined })
        const error: unknown = await run(catalog).then(
          () => undefined,
          (cause: unknown) => cause,
        )
        const later = await openTestCatalog(own)
        const now = await stateOf(later)
        if (error === undefined) expect(now).toBe(fresh)
        else failed += 1
        expect([old, fresh]).toContain(now)
        if (error !== undefined && failure !== 'kill') {
          expect(error).toMatchObject({
            code: failure === 'ENOSPC' ? expect.stringMatching(/DISK_EXCEEDED|FILE_UNREADABLE|INTERNAL/) : expect.any(String),
          })
          if (now !== old) expect((error as Error).message).toMatch(/took effect|may or may not have taken effect/)
          if (failure === 'outage') for (let call = 0; call < 3; call++) await catalog.runOnce().catch(() => undefined)
          // What the running catalogue shows is what a restart finds, and it goes on working.
          expect(await stateOf(catalog)).toBe(now)
          await put(catalog, 'w', 'create', '7')
          expect(await rowsOf(catalog, 'w')).toEqual([7])
        }
        if (failing.calls() < opening + n) break
      }
      expect(failed).toBeGreaterThan(0)
    },
    60_000,
  )
})

it('makes files, then their names, then the manifest durable, and only then shows them', async () => {
  const calls: string[] = []
  const below = (path: string): string => path.slice(lake.state.length + 1).replace(/w-[0-9a-f]+/, 'w')
  const fileSystem: FileSystem = {
    ...nodeFileSystem,
    write: (path, text) => nodeFileSystem.write(path, text).then(() => void calls.push(`write ${below(path)}`)),
    sync: (path) => nodeFileSystem.sync(path).then(() => void calls.push(`sync ${below(path)}`)),
    rename: (from, to) => nodeFileSystem.rename(from, to).then(() => void calls.push(`rename ${below(to)}`)),
  }
  const catalog = await reopened({ fileSystem })
  catalog.onChange(() => calls.push('shown'))
  await put(catalog, 't', 'create', '1')
  expect(calls).toEqual([
    'sync tables/t/w/part-0.parquet',
    'sync tables/t/w',
    'sync tables/t',
    'sync tables',
    'write tables/.manifest.json.new',
    'rename tables/manifest.json',
    'sync tables',
    'shown',
  ])
})

it('reads what it confirmed', async () => {
  const catalog = await reopened()
  await put(catalog, 't', 'create', '1')
  const read = readAll(catalog, 't')
  expect(await catalog.confirm([read])).toBe(true)
  await put(catalog, 't', 'insert', '2')
  expect(await catalog.confirm([read])).toBe(false)
})
