import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TaskOutput } from '../../src/model/messages.js'
import type { BaseSegment, Column } from '../../src/model/segment.js'
import { baseInput, baseSegment, duckdb, jsonRowsOf, NodeUnderTest, task, testFolder, toClient } from './node-under-test.js'

const folder = testFolder()
const lake = join(folder.path, 'lake')
const node = new NodeUnderTest(folder.path, { writableFolders: [join(folder.path, 'packs'), join(folder.path, 'tables')] })
beforeAll(() => node.ready())
afterAll(async () => {
  await node.stop()
  folder.remove()
})

async function file(name: string, sql: string, options = ''): Promise<string> {
  const path = join(lake, name)
  mkdirSync(dirname(path), { recursive: true })
  await duckdb(`COPY (${sql}) TO '${path}' (FORMAT parquet${options})`)
  return path
}

async function read(
  sql: string,
  columns: readonly Column[],
  segments: readonly BaseSegment[],
  overrides = {},
): Promise<unknown[][]> {
  return jsonRowsOf(await node.finished(task(sql, toClient([]), [baseInput('__fb0', columns, segments, overrides)])))
}

const i = { name: 'i', type: 'BIGINT' }

describe('row ranges', () => {
  it('give exactly their rows, alone, joined, apart and as the whole file', async () => {
    const path = await file('ranges.parquet', 'SELECT range AS i FROM range(100000)', ', ROW_GROUP_SIZE 10000')
    const range = (from: number, to: number) =>
      baseSegment(path, to - from, { id: `s-${from}`, rowRange: { from, to }, columnBytes: { i: 10 } })
    const sum = async (segments: readonly BaseSegment[]) =>
      (await read('SELECT count(*), min(i), max(i) FROM __fb0', [i], segments))[0]
    expect(await sum([range(0, 20_000)])).toEqual([20_000, 0, 19_999])
    expect(await sum([range(20_000, 40_000), range(40_000, 50_000)])).toEqual([30_000, 20_000, 49_999])
    expect(await sum([range(0, 10_000), range(90_000, 100_000)])).toEqual([20_000, 0, 99_999])
    expect(await sum([range(0, 50_000), range(50_000, 100_000)])).toEqual([100_000, 0, 99_999])
  })
})

describe('partition columns', () => {
  const columns = [i, { name: 'year', type: 'BIGINT' }, { name: 'who', type: 'VARCHAR' }]
  const partitionColumns = ['year', 'who']
  const sql = 'SELECT year, who, count(*), typeof(year) FROM __fb0 GROUP BY ALL ORDER BY year, who NULLS FIRST'

  it('come from the catalogue, by the paths where these say the same', async () => {
    const segments: BaseSegment[] = []
    for (const [year, who] of [
      ['2024', 'ann'],
      ['2024', 'bob'],
      ['2025', 'ann'],
    ] as const) {
      const path = await file(`hive/year=${year}/who=${who}/f.parquet`, 'SELECT range AS i FROM range(10)')
      segments.push(baseSegment(path, 10, { partition: { year, who } }))
    }
    expect(await read(sql, columns, segments, { partitionColumns })).toEqual([
      [2024, 'ann', 10, 'BIGINT'],
      [2024, 'bob', 10, 'BIGINT'],
      [2025, 'ann', 10, 'BIGINT'],
    ])
    expect(await read('SELECT count(*) FROM __fb0', [{ name: 'year', type: 'BIGINT' }], segments, { partitionColumns })).toEqual([
      [30],
    ])
  })

  it('come as literals where the paths say something else', async () => {
    const segments: BaseSegment[] = []
    for (const [year, folderName, who] of [
      ['2024', 'a%20b', 'a b'],
      ['2025', "it's", "it's"],
      ['2026', '__HIVE_DEFAULT_PARTITION__', null],
    ] as const) {
      const path = await file(`odd/year=${year}/who=${folderName}/f.parquet`.replace("'", ''), 'SELECT range AS i FROM range(10)')
      segments.push(baseSegment(path, 10, { partition: { year, who } }))
    }
    expect(await read(sql, columns, segments, { partitionColumns })).toEqual([
      [2024, 'a b', 10, 'BIGINT'],
      [2025, "it's", 10, 'BIGINT'],
      [2026, null, 10, 'BIGINT'],
    ])
  })

  it('are not taken from paths that only look like partitions', async () => {
    const path = await file('plain/i=7/f.parquet', 'SELECT range AS i FROM range(10)')
    expect(await read('SELECT sum(i)::BIGINT FROM __fb0', [i], [baseSegment(path, 10)])).toEqual([[45]])
  })
})

describe('mixed schemas', () => {
  it('become the types of the whole dataset, also for a part that lacks a column', async () => {
    const a = await file('mixed/a.parquet', 'SELECT 1::INTEGER AS i')
    const b = await file('mixed/b.parquet', "SELECT 2.5::DOUBLE AS i, 'x' AS s")
    const columns = [
      { name: 'i', type: 'DOUBLE' },
      { name: 's', type: 'VARCHAR' },
    ]
    const [first, second] = [baseSegment(a, 1, { columnBytes: { i: 1 } }), baseSegment(b, 1, { columnBytes: { i: 1, s: 1 } })]
    const sql = 'SELECT i, s, typeof(i), typeof(s) FROM __fb0 ORDER BY i'
    const rows = [
      [1, null, 'DOUBLE', 'VARCHAR'],
      [2.5, 'x', 'DOUBLE', 'VARCHAR'],
    ]
    expect(await read(sql, columns, [first, second], { mixedSchemas: true })).toEqual(rows)
    expect(await read(sql, columns, [first], { mixedSchemas: true })).toEqual(rows.slice(0, 1))
  })
})

describe('no segments', () => {
  it('are an empty relation with its types', async () => {
    expect(await read('SELECT count(*), typeof(any_value(i)) FROM __fb0', [i], [], { parts: [] })).toEqual([[0, 'BIGINT']])
  })
})

describe('a statement with a WITH clause of its own', () => {
  it('sees the relations, recursive or not', async () => {
    const path = await file('with.parquet', 'SELECT range AS i FROM range(10)')
    const segments = [baseSegment(path, 10)]
    expect(await read('WITH x AS (SELECT max(i) AS m FROM __fb0) SELECT m FROM x', [i], segments)).toEqual([[9]])
    const recursive =
      'WITH RECURSIVE r AS (SELECT min(i) AS n FROM __fb0 UNION ALL SELECT n + 1 FROM r WHERE n < (SELECT max(i) FROM __fb0)) SELECT count(*) FROM r'
    expect(await read(recursive, [i], segments)).toEqual([[10]])
  })
})

describe('a file', () => {
  it('that has changed, vanished or been replaced gives SEGMENT_CHANGED and names it', async () => {
    for (const change of [
      (path: string) => appendFileSync(path, 'x'),
      (path: string) => rmSync(path),
      (path: string) => {
        writeFileSync(`${path}.new`, readFileSync(path))
        renameSync(`${path}.new`, path)
      },
    ]) {
      const path = await file('changing.parquet', 'SELECT range AS i FROM range(10)')
      const input = baseInput('__fb0', [i], [baseSegment(path, 10)])
      change(path)
      const { error } = await node.failed(task('SELECT count(*) FROM __fb0', toClient([]), [input]))
      expect(error).toMatchObject({ code: 'SEGMENT_CHANGED', message: expect.stringContaining(path) })
    }
  })

  it('overwritten in place within a second is read anew', async () => {
    const versions = await Promise.all(
      [1, 8].map(async (value) =>
        readFileSync(
          await file(`version-${value}.parquet`, `SELECT ${value}::BIGINT AS i, hash(r) AS h FROM range(200000) t(r)`),
        ),
      ),
    )
    const path = join(lake, 'overwritten.parquet')
    for (let at = 0; at < 20; at++) {
      const value = at % 2 === 0 ? 1 : 8
      writeFileSync(path, versions[at % 2] ?? '')
      expect(await read('SELECT min(i) FROM __fb0', [i], [baseSegment(path, 200_000)])).toEqual([[value]])
      expect(await read('SELECT count(*) FROM __fb0 WHERE i = 8', [i], [baseSegment(path, 200_000)])).toEqual([
        [value === 8 ? 200_000 : 0],
      ])
    }
  })

  it('that changes while it is read gives SEGMENT_CHANGED, not an answer', async () => {
    const path = await file('meanwhile.parquet', 'SELECT range AS i FROM range(1000)')
    const input = baseInput('__fb0', [i], [baseSegment(path, 1000)])
    const slow = task('SELECT count(*) FROM __fb0, range(200000) WHERE i * range <> 7', toClient([]), [input])
    const outcome = node.failed(slow)
    await new Promise((resolve) => setTimeout(resolve, 150))
    writeFileSync(`${path}.new`, readFileSync(path))
    renameSync(`${path}.new`, path)
    expect((await outcome).error.code).toBe('SEGMENT_CHANGED')
  })

  it.each(['segment', 'pack'] as const)('that changes while a %s is made of it leaves none', async (to) => {
    const path = await file('meanwhile.parquet', 'SELECT range AS i FROM range(1000)')
    const segment = baseSegment(path, 1000)
    const packPath = join(folder.path, 'packs', 'p-late.duckdb')
    const pack = { id: 'p-late', dataset: 'data', path: packPath, columns: ['n'], types: ['BIGINT'], ordinalColumn: 'o' }
    const output: TaskOutput =
      to === 'segment'
        ? { to, segment: 'd-late', columns: [{ name: 'n', type: 'BIGINT' }] }
        : { to, pack: { ...pack, segments: [segment.id] } }
    const counted = to === 'segment' ? 'count(*) AS n' : 'count(*) AS n, 0 AS o'
    const slow = task(`SELECT ${counted} FROM __fb0, range(200000) WHERE i * range <> 7`, output, [
      baseInput('__fb0', [i], [segment]),
    ])
    const outcome = node.failed(slow)
    await new Promise((resolve) => setTimeout(resolve, 150))
    writeFileSync(`${path}.new`, readFileSync(path))
    renameSync(`${path}.new`, path)
    expect((await outcome).error.code).toBe('SEGMENT_CHANGED')
    expect(existsSync(packPath)).toBe(false)
    expect(readdirSync(join(node.configuration.folder, 'spool'))).toEqual([])
  })

  it.each([
    ['is no Parquet file', () => Buffer.from('this is not a parquet file at all, whatever its name says')],
    ['is empty', () => Buffer.alloc(0)],
    ['was cut off', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ['lost its pages', (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 4), Buffer.alloc(400, 255), bytes.subarray(404)])],
  ])('that %s gives FILE_UNREADABLE and names it', async (_why, damage) => {
    const path = await file('broken.parquet', "SELECT range AS i, 'text ' || range AS s FROM range(5000)")
    const good = await file('good.parquet', 'SELECT range AS i FROM range(10)')
    writeFileSync(path, damage(readFileSync(path)))
    const input = baseInput('__fb0', [i], [baseSegment(good, 10), baseSegment(path, 5000)])
    const { error } = await node.failed(task('SELECT sum(i) FROM __fb0', toClient([]), [input]))
    expect(error.code).toBe('FILE_UNREADABLE')
    expect(error.message).toContain(path)
    expect(error.hint).toContain('write the file again')
    await node.finished(task('SELECT 1', toClient([])))
  })
})

describe('the time zone', () => {
  it('is the task’s own, and does not stay', async () => {
    const sql = "SELECT TIMESTAMPTZ '2026-07-01 00:00:00+00'::VARCHAR"
    const run = async (timeZone: string) => jsonRowsOf(await node.finished(task(sql, toClient([]), [], { timeZone })))
    expect(await run('Europe/Berlin')).toEqual([['2026-07-01 02:00:00+02']])
    expect(await run('UTC')).toEqual([['2026-07-01 00:00:00+00']])
    const { error } = await node.failed(task(sql, toClient([]), [], { timeZone: 'Nowhere/At_All' }))
    expect(error.code).toBe('PARAMETER_INVALID')
  })
})

describe('files of a written table', () => {
  it('appear whole, under final names, with types that read back', async () => {
    const tables = join(folder.path, 'tables', 't1')
    mkdirSync(tables, { recursive: true })
    const sql = "SELECT range AS a, sum(range) OVER () AS h, INTERVAL '1 day' AS v, [1] AS l FROM range(30000)"
    const { result } = await node.finished(task(sql, { to: 'table', folder: tables, table: 't1', rowGroupRows: 10_240 }))
    if (result.to !== 'table') throw new Error('no table')
    expect(result.rows).toBe(30_000)
    expect(readdirSync(tables)).toEqual(result.files.map(({ path }) => path.slice(tables.length + 1)))
    const found = await duckdb(`SELECT count(*), max(h), max(v), max(l), typeof(any_value(h)) FROM '${result.files[0]?.path}'`)
    expect(found).toEqual([['30000', '449985000', '1 day', ['1'].map(Number), 'VARCHAR']])
    const groups = await duckdb(`SELECT count(DISTINCT row_group_id) FROM parquet_metadata('${result.files[0]?.path}')`)
    expect(groups).toEqual([['3']])
  })

  it('leave nothing behind when the statement fails', async () => {
    const tables = join(folder.path, 'tables', 't2')
    mkdirSync(tables, { recursive: true })
    const sql = "SELECT CASE WHEN range = 25000 THEN error('no') END FROM range(30000)"
    expect((await node.failed(task(sql, { to: 'table', folder: tables, table: 't2', rowGroupRows: 10_240 }))).error.code).toBe(
      'QUERY_FAILED',
    )
    expect(readdirSync(tables)).toEqual([])
  })
})

describe('the lock', () => {
  it.each([
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_parquet('/tmp/nothing.parquet')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT getenv('HOME')",
  ])('keeps %s from what lies outside of the folders', async (sql) => {
    const outcome = await node.outcome(task(sql, toClient([])))
    // glob finds nothing rather than fail.
    if (outcome.type === 'finished') expect(jsonRowsOf(outcome)).toEqual([])
  })
})
