import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ForebayError } from '../../src/model/errors.js'
import { openUnderTest, requestOf, type UnderTest, until } from './engine-under-test.js'

let under: UnderTest
const file = (number: number): string =>
  `COPY (SELECT i % 5 AS k, i + ${number} AS v FROM range(3000) t(i)) TO '$DATA/log/part-${number}.parquet'`

beforeAll(async () => {
  under = await openUnderTest([0, 1, 2].map(file))
}, 120_000)
afterAll(() => under?.close(), 60_000)

const tasksOf = (queryId: string) => under.recorder.tasks(queryId)

describe('reuse', () => {
  it('answers an exact repeat from memory without a task', async () => {
    const sql = 'SELECT k, sum(v) AS s FROM log GROUP BY k ORDER BY k'
    const first = await under.query(sql)
    const second = await under.query(sql)
    expect(second.rows).toEqual(first.rows)
    expect(first.status.actual?.reused).toBe(false)
    expect(second.status.actual?.reused).toBe(true)
    expect(second.status.actual?.tasks).toBe(0)
    const answer = () => under.recorder.events.find((event) => event.kind === 'answer' && event.queryId === second.status.queryId)
    await until(() => answer() !== undefined, 'lineage of the second answer')
    expect(answer()).toMatchObject({ reused: true, transfer: { destination: 'client' } })
  })

  it.each([
    'SELECT k AS localtime, (SELECT max(localtime)::VARCHAR FROM log) AS at FROM log ORDER BY k LIMIT 1',
    "SELECT n.at, m.localtimestamp FROM (SELECT max(v) AS localtimestamp FROM log) m, (SELECT count(*) || ' ' || max(localtimestamp)::VARCHAR AS at FROM log) n",
  ])('asks the clock each time, also where a column elsewhere has its name: %s', async (sql) => {
    const first = await under.query(sql)
    const second = await under.query(sql)
    expect(second.status.actual?.reused).toBe(false)
    expect(second.rows).not.toEqual(first.rows)
  })

  it('encodes a stored answer in another format', async () => {
    const sql = 'SELECT k, max(v) AS m FROM log GROUP BY k ORDER BY k'
    const first = await under.query(sql)
    // A node says that an answer is stored before it sends the task's lineage.
    await until(() => tasksOf(first.status.queryId).length > 0, 'the first answer')
    const { body } = await under.engine.submit('csv-1', requestOf(sql, { format: 'csv' })).result
    let text = ''
    for await (const piece of body) text += Buffer.from(piece).toString()
    expect(text.trim().split(/\r?\n/)).toHaveLength(6)
    expect(text.startsWith('k,m')).toBe(true)
    await until(() => tasksOf('csv-1').length > 0, 'lineage of the second answer')
    expect(tasksOf('csv-1')[0]?.derivedReads[0]?.tier).toBe('reused')
    expect(tasksOf('csv-1')[0]?.baseReads).toEqual([])
  })

  it('says why an answer cannot be encoded, also where it is stored for another format', async () => {
    const failures = new Set<string>()
    for (let round = 0; round < 10; round++) {
      const sql = `SELECT *, ${round} AS round FROM test_all_types()`
      const before = under.engine.derivedSegments()
      await under.query(sql)
      await until(() => under.engine.derivedSegments() > before, 'a stored answer')
      const parquet = under.engine.submit(`parquet-${round}`, requestOf(sql, { format: 'parquet' })).result
      await parquet.then(
        async ({ body }) => {
          for await (const _ of body) continue
          failures.add('none')
        },
        (error: ForebayError) => failures.add(error.code),
      )
    }
    expect([...failures]).toEqual(['QUERY_FAILED'])
  })

  it('reads no derived segment of an earlier query when it is told not to', async () => {
    const sql = 'SELECT k, min(v) AS m FROM log GROUP BY k ORDER BY k'
    await under.query(sql)
    const { status } = await under.query(sql, { reuse: false })
    expect(status.actual?.reused).toBe(false)
    expect(status.actual?.tiers).toMatchObject({ reused: 0 })
    expect(status.actual?.tiers.parquet).toBeGreaterThan(0)
  })

  it('reads only the appended file, and merges what it has of the others', async () => {
    const sql = 'SELECT k, sum(v) AS s, count(*) AS n FROM log GROUP BY k ORDER BY k'
    await under.query(sql, { tree: 'always' })
    await under.duckdb(file(3))
    const { rows, status } = await under.query(sql, { tree: 'always' })
    const expected = await under.duckdb(
      `SELECT k, sum(v)::BIGINT, count(*) FROM read_parquet('$DATA/log/*.parquet') GROUP BY k ORDER BY k`,
    )
    expect(rows.map((row) => row.map(Number))).toEqual(expected.map((row) => row.map(Number)))
    expect(status.actual?.tiers.parquet).toBe(1)
    expect(status.actual?.tiers.reused).toBeGreaterThan(0)
    await until(() => tasksOf(status.queryId).length === 2, 'lineage of the leaf and the root')
    const [leaf, root] = tasksOf(status.queryId).toSorted((a, b) => a.role.localeCompare(b.role))
    // Nothing goes over the network: the new partial is where the root is, and the old ones are read where they stand.
    expect(root?.node).toBe(leaf?.node)
    expect(root?.transfers.map((transfer) => transfer.via)).not.toContain('network')
  })

  it('reads few partials however often its data has grown, since it gathers what it finds', async () => {
    const day = (number: number): string =>
      `COPY (SELECT (i * 7919) % 20 AS k, hash(i + ${number}) % 1000 AS v FROM range(150000) t(i)) TO '$DATA/days/${number}.parquet'`
    const sql = 'SELECT k, sum(v) AS s, avg(v) AS a, count(*) AS n FROM days GROUP BY k ORDER BY k'
    const plain = "SELECT k, sum(v)::BIGINT, avg(v), count(*) FROM read_parquet('$DATA/days/*.parquet') GROUP BY k ORDER BY k"
    for (let number = 0; number < 4; number++) await under.duckdb(day(number))
    await under.query(sql)
    const before = under.recorder.events.length
    const reused: number[] = []
    let gathered = 0
    for (let number = 4; number < 34; number++) {
      await under.duckdb(day(number))
      const { rows, status } = await under.query(sql)
      const expected = await under.duckdb(plain)
      expect(
        rows.map((row) => row.map(Number)),
        `${number} files`,
      ).toEqual(expected.map((row) => row.map(Number)))
      reused.push(status.actual?.tiers.reused ?? 0)
      const aggregators = status.tasks.filter((task) => task.role === 'aggregator')
      gathered += aggregators.length
    }
    expect(Math.max(...reused)).toBeLessThanOrEqual(12)
    expect(gathered).toBeGreaterThanOrEqual(2)
    expect(gathered).toBeLessThanOrEqual(5)
    // What is gathered takes the place of what was gathered before and is in it.
    const events = () => under.recorder.events.slice(before)
    const merges = () => events().flatMap((event) => (event.kind === 'task' && event.role === 'aggregator' ? [event] : []))
    const replaced = () => {
      const read = new Set(merges().flatMap(({ derivedReads }) => derivedReads.map(({ segment }) => segment)))
      return merges().flatMap(({ output }) => (output !== undefined && read.has(output.segment) ? [output.segment] : []))
    }
    const evicted = () => events().flatMap((event) => (event.kind === 'eviction' ? event.segments : []))
    await until(() => merges().length === gathered && evicted().length >= replaced().length, 'evictions')
    expect(replaced().length).toBeGreaterThan(0)
    expect(evicted().toSorted()).toEqual(replaced().toSorted())
  })

  it('computes anew when a stored partial has a flipped bit', async () => {
    const sql = 'SELECT k, sum(v + 1) AS s FROM log GROUP BY k ORDER BY k'
    const first = await under.query(sql, { tree: 'always' })
    // The exact answer is not asked for again: another root over the same leaves would be, so all spooled bytes are flipped.
    for (const node of ['n1', 'n2']) {
      const spool = join(under.stateFolder, 'nodes', node, 'spool')
      for (const name of readdirSync(spool)) {
        const path = join(spool, name)
        const bytes = readFileSync(path)
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 4
        writeFileSync(path, bytes)
      }
    }
    await under.duckdb(file(4))
    const { rows } = await under.query(sql, { tree: 'always' })
    const expected = await under.duckdb(
      `SELECT k, sum(v + 1)::BIGINT FROM read_parquet('$DATA/log/*.parquet') GROUP BY k ORDER BY k`,
    )
    expect(rows.map((row) => row.map(Number))).toEqual(expected.map((row) => row.map(Number)))
    expect(first.rows.length).toBe(rows.length)
  })

  it('never keeps what random() gave', async () => {
    const first = await under.query('SELECT random() AS r')
    const second = await under.query('SELECT random() AS r')
    expect(second.rows).not.toEqual(first.rows)
    expect(second.status.actual?.reused).toBe(false)
  })
})
