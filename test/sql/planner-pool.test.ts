import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Plan } from '../../src/model/query.js'
import { planLimitMs } from '../../src/sql/planner/planner-process.js'
import type { PlannerPool } from '../../src/sql/planner.js'
import { newPlannerPool, openPlannerPool } from '../../src/sql/planner-pool.js'
import { dataset, view } from './in-process-planner.js'

const never = new AbortController().signal
const request = (sql: string) => ({ sql, params: {}, timeZone: 'UTC', nowMs: 0, tree: 'auto' }) as const
/** Children of this process that run a compiled entry, e.g. those in state `T`, which are stopped. */
const childrenOf = (entry: string, state = ''): readonly number[] =>
  execFileSync('ps', ['-o', 'pid=,stat=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(entry) && line.trim().split(/\s+/)[1]?.startsWith(state) === true)
    .map((line) => Number.parseInt(line, 10))

let pool: PlannerPool
let folder: string
const plan = (sql: string, signal = never): Promise<Plan> => pool.plan(request(sql), signal)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forebay-sql-'))
  pool = await openPlannerPool({ planMsMax: 3_000, footerIdleMs: 300 })
  pool.define(dataset('t', { a: 'INTEGER' }))
})
afterAll(async () => {
  await pool.close()
  await rm(folder, { recursive: true, force: true })
})

describe('planner pool', () => {
  it('plans, and answers the same request from its cache until a definition changes', async () => {
    const before = pool.stats()
    const first = await plan('select a from t where a is not null')
    expect(first.reads[0]).toMatchObject({ snapshot: 't@1' })
    expect(await plan('select a from t where a is not null')).toEqual({ ...first, planMs: 0 })
    expect(pool.stats().cacheHits).toBe(before.cacheHits + 1)
    const { snapshot } = dataset('T', { a: 'VARCHAR' })
    pool.define({ kind: 'dataset', snapshot: { ...snapshot, id: 'T@2' } })
    expect((await plan('select a from t where a is not null')).columns).toEqual([{ name: 'a', type: 'VARCHAR' }])
    pool.define(dataset('t', { a: 'INTEGER' }))
  })

  it('does not cache what reads the clock or does not repeat', async () => {
    const hits = pool.stats().cacheHits
    for (const sql of ['select now()', 'select now()', 'select random()', 'select random()']) await plan(sql)
    expect(pool.stats().cacheHits).toBe(hits)
  })

  it('forgets names', async () => {
    pool.define(view('v', 'select a from t'))
    await plan('select * from v')
    pool.forget('V')
    await expect(plan('select * from v')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
  })

  it('serves many at once, in any order', async () => {
    const plans = await Promise.all(Array.from({ length: 40 }, (_, index) => plan(`select a + ${index} as x from t`)))
    expect(plans.map((each) => each.literals[0])).toEqual(Array.from({ length: 40 }, (_, index) => String(index)))
  })

  it('replaces a planner that was killed, with all definitions, and repeats its statement', async () => {
    const killed = childrenOf('sql/main.js')
    expect(killed.length).toBe(2)
    const running = Array.from({ length: 10 }, (_, index) => plan(`select a * ${index} as y from t`))
    for (const pid of killed.slice(0, 1)) process.kill(pid, 'SIGKILL')
    expect((await Promise.all(running)).length).toBe(10)
    const others = childrenOf('sql/main.js')
    for (const pid of others) process.kill(pid, 'SIGKILL')
    expect((await plan('select a - 1 from t')).reads).toHaveLength(1)
    expect(pool.stats().lost).toBeGreaterThan(0)
    await expect.poll(() => childrenOf('sql/main.js').filter((pid) => ![...killed, ...others].includes(pid)).length).toBe(2)
  })

  it('replaces planners that were killed while they planned nothing, before a statement comes', async () => {
    const killed = childrenOf('sql/main.js')
    expect(killed.length).toBe(2)
    for (const pid of killed) process.kill(pid, 'SIGKILL')
    await expect.poll(() => childrenOf('sql/main.js').filter((pid) => !killed.includes(pid)).length).toBe(2)
    expect(pool.stats().planners).toBe(2)
    const plans = await Promise.all([plan('select a - 2 from t'), plan('select a - 3 from t'), plan('select a - 4 from t')])
    expect(plans.length).toBe(3)
  })

  it('cancels', async () => {
    const controller = new AbortController()
    const planned = plan(
      `select ${Array.from({ length: 900 }, (_, index) => `sum(a + ${index})`).join(', ')} from t`,
      controller.signal,
    )
    controller.abort()
    await expect(planned).rejects.toMatchObject({ code: 'CANCELLED' })
    await expect(plan('select 2', AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' })
  })

  it('gives a long statement the time that its length needs', async () => {
    const usual = await openPlannerPool({ planners: 1 })
    try {
      const list = Array.from({ length: 40_000 }, (_, index) => index).join(',')
      expect(planLimitMs(list, 1_000)).toBe(5_000)
      expect((await usual.plan(request(`select 1 as one where 5 in (${list})`), never)).columns[0]?.name).toBe('one')
    } finally {
      await usual.close()
    }
  })

  it('gives up on a statement that takes too long, and goes on', async () => {
    const impatient = await openPlannerPool({ planMsMax: 100 })
    try {
      const list = Array.from({ length: 120_000 }, (_, index) => index).join(',')
      await expect(impatient.plan(request(`select 1 where 5 in (${list})`), never)).rejects.toMatchObject({
        code: 'PLANNER_LOST',
      })
      await expect
        .poll(
          () =>
            impatient.plan(request('select 1'), never).then(
              (found) => found.columns.length,
              () => 0,
            ),
          { timeout: 30_000 },
        )
        .toBe(1)
    } finally {
      await impatient.close()
    }
  })

  it('gives no statement to a planner that is still starting, where another is free', async () => {
    const others = childrenOf('sql/main.js')
    let startOthers = (): void => {}
    const urgent = new Promise<void>((resolve) => {
      startOthers = resolve
    })
    const two = newPlannerPool({ planners: 2 })
    try {
      await two.start(urgent)
      const first = childrenOf('sql/main.js').filter((pid) => !others.includes(pid))
      expect(first).toHaveLength(1)
      await two.plan(request('select 1'), never)
      // The second one stops before its first line: it stays in its start for as long as this takes.
      vi.stubEnv('NODE_OPTIONS', `--import data:text/javascript,process.kill(process.pid,${constants.signals.SIGSTOP})`)
      startOthers()
      await expect.poll(() => childrenOf('sql/main.js', 'T')).toHaveLength(1)
      expect((await two.plan(request('select 2'), AbortSignal.timeout(20_000))).statement.kind).toBe('select')
    } finally {
      vi.unstubAllEnvs()
      await two.close()
    }
  })

  it('leaves no children when it is closed while they start', async () => {
    const before = childrenOf('sql/main.js').length
    for (const afterMs of [0, 50, 100, 150, 200, 300]) {
      const other = newPlannerPool()
      const starting = other.start().catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, afterMs))
      await other.close()
      await starting
    }
    // What was started too late would be here by now.
    await new Promise((resolve) => setTimeout(resolve, 500))
    await expect.poll(() => childrenOf('sql/main.js')).toHaveLength(before)
  })

  it('ends its children when it closes', async () => {
    const other = await openPlannerPool({ planners: 1 })
    const before = childrenOf('sql/main.js').length
    await other.close()
    expect(childrenOf('sql/main.js').length).toBe(before - 1)
    await expect(other.plan(request('select 1'), never)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

describe('footers', () => {
  const path = (name: string): string => join(folder, name)

  beforeAll(async () => {
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    await connection.run(`COPY (
      SELECT i::INTEGER AS i, (i / 3)::DECIMAL(9,2) AS d, CASE WHEN i % 10 = 0 THEN NULL ELSE 'v' || i END AS v, DATE '2026-01-01' + i::INTEGER AS t,
        {'x': i, 'y': [i]} AS s, i::DOUBLE AS f, TIMESTAMPTZ '2026-01-01 00:00:00+00' AS z
      FROM range(5000) r(i)) TO '${path('good.parquet')}' (ROW_GROUP_SIZE 2048)`)
    await connection.run(`COPY (SELECT 1 AS i WHERE false) TO '${path('empty.parquet')}'`)
    await writeFile(path('text.parquet'), 'this is no parquet file at all')
    await writeFile(path('short.parquet'), 'PAR1')
    await writeFile(path('cut.parquet'), Buffer.concat([Buffer.alloc(100, 'x'), Buffer.from([50, 0, 0, 0]), Buffer.from('PAR1')]))
  })

  it('gives columns, versions, row groups and statistics', async () => {
    const [good] = await pool.readFooters([path('good.parquet')], never)
    if (good === undefined || 'error' in good) throw new Error('not read')
    expect(good.columns).toContainEqual({ name: 's', type: 'STRUCT(x BIGINT, y BIGINT[])' })
    expect(good.rows).toBe(5000)
    expect(good.rowGroups.map((group) => group.rows)).toEqual([2048, 2048, 904])
    expect(good.version).toMatchObject({ path: path('good.parquet'), footerHash: expect.stringMatching(/^[0-9a-f]{16}$/) })
    const [first] = good.rowGroups
    expect(first?.columnChunks.map((chunk) => chunk.name)).toEqual(['i', 'd', 'v', 't', 's', 'f', 'z'])
    expect(first?.columnChunks[0]).toMatchObject({ min: '0', max: '2047', nulls: 0, offset: 4 })
    expect(first?.columnChunks[1]).toMatchObject({ min: '0.00', max: '682.33' })
    expect(first?.columnChunks[2]).toMatchObject({ min: 'v1', max: 'v999', nulls: 205 })
    expect(first?.columnChunks[3]).toMatchObject({ min: '2026-01-01' })
    expect(first?.columnChunks[4]).not.toHaveProperty('min')
    expect(first?.columnChunks[6]).toMatchObject({ min: '2026-01-01 00:00:00+00' })
    expect(first?.bytes).toBe(first?.columnChunks.reduce((total, chunk) => total + chunk.bytes, 0))
  })

  it('names each broken file and still answers for the others', async () => {
    const names = ['text', 'empty', 'short', 'good', 'cut', 'missing']
    const results = await pool.readFooters(
      names.map((name) => path(`${name}.parquet`)),
      never,
    )
    expect(results.map((result) => ('error' in result ? result.error.code : result.rows))).toEqual([
      'FILE_UNREADABLE',
      0,
      'FILE_UNREADABLE',
      5000,
      'FILE_UNREADABLE',
      'FILE_UNREADABLE',
    ])
    for (const result of results) if ('error' in result) expect(result.error.message).toContain(result.path)
  })

  it('describes files together', async () => {
    expect(await pool.describeFiles([path('empty.parquet')], never)).toEqual({ columns: [{ name: 'i', type: 'INTEGER' }] })
    expect(await pool.describeFiles([path('good.parquet'), path('empty.parquet')], never)).toHaveProperty('columns')
    expect(await pool.describeFiles([path('text.parquet')], never)).toMatchObject({ error: { code: 'FILE_UNREADABLE' } })
  })

  it('survives the death of its process and ends it when idle', async () => {
    await pool.readFooters([path('good.parquet')], never)
    for (const pid of childrenOf('footers/main.js')) process.kill(pid, 'SIGKILL')
    expect((await pool.readFooters([path('good.parquet')], never))[0]).toHaveProperty('rows', 5000)
    await expect.poll(() => childrenOf('footers/main.js').length).toBe(0)
  })
})
