import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Snapshot } from '../../src/model/segment.js'
import { DuckdbLake } from './support/duckdb-lake.js'
import { errorOf, openTestCatalog } from './support/open-test-catalog.js'

let lake: DuckdbLake
beforeEach(async () => {
  lake = await DuckdbLake.open()
})
afterEach(() => lake.close())

/** Writes a folder of files, path → SELECT, and gives its snapshot. */
async function snapshotOf(table: string, files: Readonly<Record<string, string>>): Promise<Snapshot> {
  for (const [path, select] of Object.entries(files)) await lake.write(join(table, path), select)
  const catalog = await openTestCatalog(lake)
  const snapshot = catalog.current(table)
  if (!snapshot) throw new Error(errorOf(catalog, table)?.message ?? `no table ${table}`)
  return snapshot
}

/** The snapshot's columns, files and partition values are DuckDB's. */
async function expectAsDuckdb(table: string, files: Readonly<Record<string, string>>): Promise<Snapshot> {
  const snapshot = await snapshotOf(table, files)
  const oracle = lake.oracle(table)
  expect(snapshot.columns).toEqual(await lake.columns(`SELECT * FROM ${oracle}`))
  const partition = snapshot.partitionColumns.map((name) => `"${name}"::VARCHAR`)
  const seen = await lake.rows(`SELECT DISTINCT ${['filename', ...partition].join(', ')} FROM ${oracle} ORDER BY filename`)
  const ours = snapshot.segments.map(({ file, partition: values }) => [
    file.path,
    ...snapshot.partitionColumns.map((name) => values[name]),
  ])
  expect(ours).toEqual(seen)
  return snapshot
}

describe('key=value folders', () => {
  const values = {
    integers: ['1', '2', '-3'],
    zeros: ['0', '-0'],
    'leading zeros': ['1', '007'],
    'negative leading zeros': ['-01'],
    plus: ['+1'],
    hexadecimal: ['0x1F', '0b11'],
    underscores: ['1_000'],
    floats: ['1.5', '2'],
    'the largest bigint': ['9223372036854775807', '-9223372036854775808'],
    'beyond bigint': ['9223372036854775808'],
    spaces: [' 1', '2 '],
    dates: ['2024-01-01', '2024-1-2', '2024 02 29'],
    'no dates': ['2023-02-29'],
    'odd dates': ['epoch', 'infinity', '-inf', '0000-01-01', '2024-01-01 (BC)'],
    'short years': ['1-1-1'],
    'the last date': ['5881580-07-10'],
    'after the last date': ['5881580-07-11'],
    'dates and integers': ['2024-01-01', '5'],
    'dates and timestamps': ['2024-01-01', '2024-01-01 10:00:00'],
    timestamps: [
      '2024-01-01 10:00:00',
      '2024-01-01T10:00',
      '2024-01-01 1:2:3.4500',
      '2024-01-01 24:00:00',
      '2024-01-01T10:00:00Z',
    ],
    offsets: ['2024-01-01 10:00:00+02', '2024-01-01 10:00:00-02:30'],
    'no timestamps': ['2024-01-01T10:00:00z', '2024-01-01 10:00:00 Z', '2024-01-01 25:00:00'],
    words: ['true', 'abc', 'é', '𝄞', '10:00:00'],
    escapes: ['a%20b', '%zz', '%41'],
    'an escaped integer': ['%31'],
    nulls: ['__HIVE_DEFAULT_PARTITION__', '3', 'NULL', 'null'],
    'nulls among dates': ['NuLL', '2024-01-01'],
    'nulls only': ['__HIVE_DEFAULT_PARTITION__'],
    empty: ['', '3'],
    'several equality signs': ['a=b'],
    'question marks': ['a?b'],
  }
  it.each(Object.entries(values))('reads %s as DuckDB does', async (_, list) => {
    await expectAsDuckdb('t', Object.fromEntries(list.map((value, index) => [`k=${value}/a.parquet`, `SELECT ${index} AS x`])))
  })

  it('orders partition columns as DuckDB does', async () => {
    await expectAsDuckdb('t', { 'b=1/a=2/B2=3/A1=5/a.parquet': 'SELECT 1 AS x, 2 AS Y' })
  })

  it('replaces a column of the files by the partition of the same name', async () => {
    await expectAsDuckdb('t', {
      'K=1/a.parquet': 'SELECT 1 AS x, 77 AS k, 3 AS z',
      'K=2/a.parquet': 'SELECT 2 AS x, 3 AS z, 78 AS k',
    })
  })

  it('takes the first of keys that repeat, in byte order where they differ in case', async () => {
    await expectAsDuckdb('t', { 'k=1/k=2/K=3/a.parquet': 'SELECT 1 AS x' })
  })

  it('takes keys at any depth', async () => {
    await expectAsDuckdb('t', { 'sub/k=1/a.parquet': 'SELECT 1 AS x', 'k=2/deep/er/a.parquet': 'SELECT 2 AS x' })
  })

  it('refuses files below different keys and names both, as DuckDB does', async () => {
    const files = { 'k=1/a.parquet': 'SELECT 1 AS x', 'j=1/a.parquet': 'SELECT 1 AS x' }
    await expect(snapshotOf('t', files)).rejects.toThrow(/k=1\/a\.parquet.*j=1\/a\.parquet.*different key=value folders/)
    await expect(lake.columns(`SELECT * FROM ${lake.oracle('t')}`)).rejects.toThrow('Hive partition mismatch')
  })
})

describe('the schema of many files', () => {
  const lakes: Record<string, Record<string, string>> = {
    'columns that only some have': { 'a.parquet': 'SELECT 1 AS x, 2 AS y', 'b.parquet': 'SELECT 3 AS z, 4 AS x' },
    'names that differ in case': {
      'a.parquet': 'SELECT 1 AS x',
      'b.parquet': 'SELECT 2 AS X, 3 AS Y',
      'c.parquet': 'SELECT 4 AS y',
    },
    integers: { 'a.parquet': 'SELECT 1::INT AS x', 'b.parquet': 'SELECT 2::BIGINT AS x', 'c.parquet': 'SELECT 3::UTINYINT AS x' },
    'signed and unsigned': { 'a.parquet': 'SELECT 1::UBIGINT AS x', 'b.parquet': 'SELECT -3::BIGINT AS x' },
    decimals: { 'a.parquet': 'SELECT 1.5::DECIMAL(4,2) AS x', 'b.parquet': 'SELECT 5::DECIMAL(18,6) AS x' },
    'numbers and text': { 'a.parquet': 'SELECT 1 AS x', 'b.parquet': "SELECT 'q' AS x" },
    'dates and timestamps': {
      'a.parquet': "SELECT DATE '2020-01-01' AS x",
      'b.parquet': "SELECT TIMESTAMP '2020-01-01 10:00:00' AS x",
    },
    structs: { 'a.parquet': 'SELECT {a: 1} AS x', 'b.parquet': "SELECT {a: 2.5, b: 'q'} AS x" },
    lists: { 'a.parquet': 'SELECT [1] AS x', 'b.parquet': "SELECT ['a'] AS x" },
    maps: { 'a.parquet': 'SELECT MAP {1: 2} AS x', 'b.parquet': 'SELECT MAP {1: 2.5} AS x' },
    'files without rows': {
      'a.parquet': 'SELECT 1 AS x LIMIT 0',
      'b.parquet': 'SELECT 1::BIGINT AS x',
      'c.parquet': 'SELECT 1 AS y LIMIT 0',
    },
    'every type': {
      'a.parquet': `SELECT true AS a, 1::TINYINT AS b, 1.5::DOUBLE AS c, 'x' AS d, '\\x00'::BLOB AS e, DATE '2020-01-01' AS f, TIME '10:00' AS g,
        TIMESTAMPTZ '2020-01-01 00:00:00+00' AS h, INTERVAL 1 DAY AS i, uuid() AS j, [{k: [1]}] AS k, MAP {'a': {b: 1}} AS l`,
    },
  }
  it.each(Object.entries(lakes))('merges %s as DuckDB does', async (name, files) => {
    const snapshot = await snapshotOf('t', files)
    expect(snapshot.columns).toEqual(await lake.columns(`SELECT * FROM ${lake.oracle('t')}`))
    expect(snapshot.mixedSchemas).toBe(name !== 'every type')
    expect(snapshot.segments.map((segment) => relative(join(lake.data, 't'), segment.file.path))).toEqual(Object.keys(files))
  })

  const conflicts: Record<string, readonly [string, string]> = {
    'an integer and a date': ['1', "DATE '2020-01-01'"],
    'a number and a struct': ['1', '{a: 1}'],
    'a list and a number': ['[1]', '1'],
    'a struct and a list': ['{a: 1}', '[1]'],
    'text and a struct': ["'q'", '{a: 1}'],
    'a blob and a number': ["'a'::BLOB", '1'],
    'a time and a timestamp': ["TIME '10:00'", "TIMESTAMP '2020-01-01'"],
  }
  it.each(Object.entries(conflicts))(
    'refuses %s, which DuckDB promotes but cannot read, and names both files',
    async (_, [a, b]) => {
      await lake.write('t/a.parquet', `SELECT ${a} AS x`)
      await lake.write('t/b.parquet', `SELECT ${b} AS x`)
      await lake.write('good.parquet', 'SELECT 1 AS x')
      const catalog = await openTestCatalog(lake)
      const error = errorOf(catalog, 't')
      expect(error?.code).toBe('FILES_DISAGREE')
      expect(error?.message).toContain(join(lake.data, 't/a.parquet'))
      expect(error?.message).toContain(join(lake.data, 't/b.parquet'))
      await expect(lake.rows(`SELECT x FROM ${lake.oracle('t')}`)).rejects.toThrow()
      expect(catalog.current('good')?.segments).toHaveLength(1)
    },
  )

  it('knows rows, bytes and bounds of a file by column', async () => {
    const snapshot = await snapshotOf('t', {
      'a.parquet': "SELECT i AS x, 'v' || abs(i % 3) AS y, NULL::INT AS z FROM range(-5, 1000) r(i)",
    })
    const [segment] = snapshot.segments
    expect(segment?.rows).toBe(1005)
    expect(segment?.statistics).toEqual({
      x: { min: '-5', max: '999', nulls: 0 },
      y: { min: 'v0', max: 'v2', nulls: 0 },
      z: { nulls: 1005 },
    })
    expect(segment?.bytes).toBe(Object.values(segment?.columnBytes ?? {}).reduce((sum, bytes) => sum + bytes, 0))
  })

  it('keeps no bounds that the promoted type would order otherwise', async () => {
    const snapshot = await snapshotOf('t', {
      'a.parquet': 'SELECT unnest([9, 10]) AS x, 1 AS y',
      'b.parquet': "SELECT 'q' AS x, 5::BIGINT AS y",
    })
    expect(snapshot.segments[0]?.statistics).toEqual({ x: { nulls: 0 }, y: { min: '1', max: '1', nulls: 0 } })
    expect(snapshot.segments[1]?.statistics.x).toEqual({ min: 'q', max: 'q', nulls: 0 })
  })

  it('says of a column that a file lacks that it is all null', async () => {
    const snapshot = await snapshotOf('t', { 'a.parquet': 'SELECT 1 AS x, 2 AS y', 'b.parquet': 'SELECT 1 AS x' })
    expect(snapshot.segments[1]?.statistics.y).toEqual({ nulls: 1 })
    expect(Object.keys(snapshot.segments[1]?.columnBytes ?? {})).toEqual(['x'])
  })
})

describe('names in the data folder', () => {
  it('takes files and folders as tables and ignores the rest', async () => {
    for (const path of [
      'one.parquet',
      'two/a.parquet',
      '_hidden.parquet',
      '.dot/a.parquet',
      'two/_tmp/b.parquet',
      'two/.c.parquet',
    ]) {
      await lake.write(path, 'SELECT 1 AS x')
    }
    writeFileSync(join(lake.data, 'notes.txt'), 'no table')
    mkdirSync(join(lake.data, 'empty'))
    const catalog = await openTestCatalog(lake)
    expect(catalog.tables().map(({ name, segments }) => [name, segments])).toEqual([
      ['one', 1],
      ['two', 1],
    ])
  })

  it('serves nothing from a folder that does not exist', async () => {
    const catalog = await openTestCatalog(lake, { dataFolder: join(lake.folder, 'nowhere') })
    expect(catalog.tables()).toEqual([])
  })

  it('refuses a file and a folder of the same name, and names that differ in case alone', async () => {
    for (const path of ['t.parquet', 't/a.parquet', 'Orders.parquet', 'orders.parquet', 'good.parquet'])
      await lake.write(path, 'SELECT 1 AS x')
    const catalog = await openTestCatalog(lake)
    expect(errorOf(catalog, 't')?.message).toMatch(/folder ".*\/t" and file ".*\/t\.parquet" both stand for table "t"/)
    expect(errorOf(catalog, 'ORDERS')?.message).toMatch(/Orders\.parquet.*orders\.parquet/)
    expect(errorOf(catalog, 'good')).toBeUndefined()
  })

  it('answers for a table with a broken file by its name, and others work', async () => {
    await lake.write('t/a.parquet', 'SELECT 1 AS x')
    await lake.write('good.parquet', 'SELECT 1 AS x')
    writeFileSync(join(lake.data, 't/zero.parquet'), '')
    writeFileSync(join(lake.data, 'broken.parquet'), 'PAR1 this is no footer PAR1')
    const catalog = await openTestCatalog(lake)
    expect(errorOf(catalog, 't')).toMatchObject({ code: 'FILE_UNREADABLE', message: expect.stringContaining('t/zero.parquet') })
    expect(errorOf(catalog, 'broken')).toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining('broken.parquet'),
    })
    expect(catalog.current('good')?.segments).toHaveLength(1)
  })

  it('follows links to files and folders, not in circles, and names links that lead nowhere', async () => {
    const outside = await lake.write(join(lake.folder, 'elsewhere/k=1/a.parquet'), 'SELECT 1 AS x')
    await lake.write('t/k=0/a.parquet', 'SELECT 0 AS x')
    symlinkSync(join(lake.folder, 'elsewhere/k=1'), join(lake.data, 't/k=1'))
    symlinkSync(join(lake.data, 't'), join(lake.data, 't/k=0/again'))
    symlinkSync(outside, join(lake.data, 'single.parquet'))
    mkdirSync(join(lake.data, 'dangling'))
    symlinkSync(join(lake.folder, 'gone.parquet'), join(lake.data, 'dangling/a.parquet'))
    const catalog = await openTestCatalog(lake)
    expect(catalog.current('t')?.segments.map((segment) => segment.partition)).toEqual([{ k: '0' }, { k: '1' }])
    expect(catalog.current('single')?.segments[0]?.rows).toBe(1)
    expect(errorOf(catalog, 'dangling')?.message).toContain('dangling/a.parquet')
  })

  const names = ['a', 'a-b', 'a.b', 'Z', 'é', '𝄞', '\uffee', 'a b', '10', '9', 'ab', 'b']
  it.each([
    ['files', names.map((name) => `${name}.parquet`)],
    ['folders', names.map((name) => `${name}/x.parquet`)],
    ['folders in folders', names.flatMap((name) => [`b/${name}/x.parquet`, `${name}/1/x.parquet`, `${name}/1 b/x.parquet`])],
    ['one file beside folders', ['z.parquet', 'a/1.parquet', 'b/1.parquet']],
    ['two files beside folders', ['z.parquet', 'B.parquet', 'a/x/3.parquet', 'a/1.parquet', 'b/1.parquet', 'a-b/1.parquet']],
    [
      'files at all depths',
      ['a/b/c/1.parquet', 'a/b/1.parquet', 'a/1.parquet', 'c/b/a/1.parquet', 'c/1.parquet', 'a b/2.parquet'],
    ],
    ['a folder with the name of a file', ['a/1.parquet', 'a/zz.parquet', 'z.parquet', 'a.parquet/q.parquet', 'a/x/3.parquet']],
  ])('orders %s as DuckDB does', async (_, paths) => {
    const base = await lake.write(join(lake.folder, 'base.parquet'), 'SELECT 1 AS x')
    for (const path of paths) {
      const file = join(lake.data, 't', path)
      mkdirSync(dirname(file), { recursive: true })
      copyFileSync(base, file)
    }
    const catalog = await openTestCatalog(lake)
    const read = await lake.rows(`SELECT filename FROM ${lake.oracle('t')}`)
    expect(catalog.current('t')?.segments.map((segment) => segment.file.path)).toEqual(read.map(([file]) => file))
  })
})
