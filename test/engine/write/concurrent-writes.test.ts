import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { nodeFileSystem } from '../../../src/catalog/file-system.js'
import { openUnderTest, type UnderTest } from '../engine-under-test.js'

let under: UnderTest

beforeAll(async () => {
  under = await openUnderTest([])
}, 120_000)
afterAll(() => under?.close(), 60_000)
afterEach(() => vi.restoreAllMocks())

/** Runs a write, and keeps it just before its commit until another has been planned and wants to begin. */
async function commitUnderOther(first: string, other: string | (() => Promise<unknown>)) {
  const rename = nodeFileSystem.rename
  let release = (): void => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const renames = vi.spyOn(nodeFileSystem, 'rename').mockImplementationOnce(async (from, to) => {
    await held
    await rename(from, to)
  })
  const a = under.query(first)
  await expect.poll(() => renames.mock.calls.length).toBe(1)
  const begins = vi.spyOn(under.catalog, 'beginWrite')
  const b = typeof other === 'string' ? under.query(other) : other()
  await expect.poll(() => begins.mock.calls.length).toBe(1)
  release()
  await Promise.all([a, b])
}

const sorted = async (sql: string) => (await under.query(sql)).rows.flat().sort()

it('replaces a table by what it holds, with the rows whose insert was acknowledged meanwhile', async () => {
  await under.query('CREATE TABLE kept AS SELECT 1 AS id')
  await commitUnderOther('INSERT INTO kept VALUES (2)', 'CREATE OR REPLACE TABLE kept AS SELECT id FROM kept')
  expect(await sorted('SELECT id FROM kept')).toEqual([1, 2])
})

it('makes the rows of an insert from the table as it is', async () => {
  await under.query('CREATE TABLE numbered AS SELECT 1 AS id')
  const next = 'INSERT INTO numbered SELECT max(id) + 1 FROM numbered'
  await commitUnderOther(next, next)
  expect(await sorted('SELECT id FROM numbered')).toEqual([1, 2, 3])
})

it('inserts into the columns that the table has', async () => {
  await under.query('CREATE TABLE renamed AS SELECT 1 AS a')
  await commitUnderOther('CREATE OR REPLACE TABLE renamed AS SELECT a AS b FROM renamed', 'INSERT INTO renamed VALUES (2)')
  expect(await sorted('SELECT b FROM renamed')).toEqual([1, 2])
})

it('appends beside an append', async () => {
  await under.query('CREATE TABLE appended AS SELECT 1 AS id')
  await commitUnderOther('INSERT INTO appended VALUES (2)', 'INSERT INTO appended VALUES (3)')
  expect(await sorted('SELECT id FROM appended')).toEqual([1, 2, 3])
})

it('imports into a table that was made while the file was read', async () => {
  const folder = join(under.stateFolder, 'imports')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'more.csv')
  writeFileSync(path, 'id\n2\n')
  const load = (mode: 'auto' | 'create') =>
    under.engine.importFiles({ table: 'loaded', paths: [path], kind: 'csv', mode }, AbortSignal.timeout(20_000))
  await commitUnderOther('CREATE TABLE loaded AS SELECT 1::BIGINT AS id', () => load('auto'))
  expect(await sorted('SELECT id FROM loaded')).toEqual([1, 2])
  await expect(load('create')).rejects.toMatchObject({ code: 'TABLE_EXISTS' })
})

it('makes no table whose columns are not those of its rows', async () => {
  const path = '$DATA/moving.parquet'
  await under.duckdb(`COPY (SELECT 1 AS a) TO '${path}'`)
  const begin = under.catalog.beginWrite.bind(under.catalog)
  vi.spyOn(under.catalog, 'beginWrite').mockImplementationOnce(async (...write) => {
    await under.duckdb(`COPY (SELECT 2 AS b) TO '${path}'`)
    return begin(...write)
  })
  const make = () => under.query('CREATE TABLE moved AS SELECT * FROM moving')
  await expect(make()).rejects.toMatchObject({ code: 'SEGMENT_CHANGED' })
  await make()
  expect(await sorted('SELECT b FROM moved')).toEqual([2])
})

it('loses no acknowledged insert beside replacements', async () => {
  await under.query('CREATE TABLE busy AS SELECT 0 AS id')
  const acknowledged = [0]
  const conflict = (error: { code?: string }): void => expect(error.code).toBe('WRITE_CONFLICT') as undefined
  const inserts = async (client: number): Promise<void> => {
    for (let id = client; id <= 24; id += 3) {
      await under.query(`INSERT INTO busy VALUES (${id})`).then(() => void acknowledged.push(id), conflict)
    }
  }
  const replacements = async (): Promise<void> => {
    for (let n = 0; n < 8; n++) await under.query('CREATE OR REPLACE TABLE busy AS SELECT id FROM busy').catch(conflict)
  }
  await Promise.all([inserts(1), inserts(2), inserts(3), replacements(), replacements()])
  const byNumber = (a: number, b: number): number => a - b
  expect((await under.query('SELECT id FROM busy')).rows.flat().map(Number).sort(byNumber)).toEqual(acknowledged.sort(byNumber))
}, 60_000)
