import { copyFileSync, mkdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startStopwatch } from '../support/stopwatch.js'
import { openUnderTest, requestOf, type UnderTest } from './engine-under-test.js'

let under: UnderTest

beforeAll(async () => {
  under = await openUnderTest([
    `COPY (SELECT i AS id, i % 3 AS k FROM range(1000) t(i)) TO '$DATA/source.parquet'`,
    `COPY (SELECT i AS id, repeat('x', 100) AS text FROM range(60000) t(i)) TO '$DATA/wide.parquet'`,
  ])
}, 120_000)
afterAll(() => under?.close(), 60_000)

describe('writes', () => {
  it('creates, appends to, reads and drops a table', async () => {
    expect((await under.query('CREATE TABLE made AS SELECT k, count(*) AS n FROM source GROUP BY k')).rows).toEqual([[3]])
    expect((await under.query('INSERT INTO made SELECT 9, 1')).rows).toEqual([[1]])
    expect((await under.query('SELECT count(*), sum(n) FROM made')).rows.flat().map(Number)).toEqual([4, 1001])
    await expect(under.query('CREATE TABLE made AS SELECT 1 AS a')).rejects.toMatchObject({ code: 'TABLE_EXISTS' })
    await under.query('DROP TABLE made')
    await expect(under.query('SELECT * FROM made')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
  })

  it('appends arrays to a table that has them as text', async () => {
    const write = await under.catalog.beginWrite('arrays', 'create', [{ name: 'a', type: 'VARCHAR[2]' }])
    const path = join(write.folder, 'part-0.parquet')
    await under.duckdb(`COPY (SELECT '[x, y]' AS a) TO '${path}' (FORMAT parquet)`)
    await write.commit([{ path, rows: 1, bytes: 1 }])
    await under.query("INSERT INTO arrays SELECT array_value('a, b', 'NULL')")
    expect((await under.query('SELECT a, typeof(a) FROM arrays ORDER BY a')).rows).toEqual([
      [['a, b', 'NULL'], 'VARCHAR[2]'],
      [['x', 'y'], 'VARCHAR[2]'],
    ])
  })

  it('refuses a union of which no file would give back the arrays', async () => {
    const refused = under.query("CREATE TABLE lost AS SELECT union_value(a := array_value('a, b', 'z')) AS u")
    await expect(refused).rejects.toMatchObject({ code: 'NOT_SUPPORTED', hint: 'make the array inside of the union a list' })
  })

  it('does a write with an idempotency key once', async () => {
    await under.query('CREATE TABLE once AS SELECT 1 AS a')
    const options = { idempotencyKey: 'key-1' }
    expect((await under.query('INSERT INTO once SELECT 2', options)).rows).toEqual([[1]])
    expect((await under.query('INSERT INTO once SELECT 2', options)).rows).toEqual([[1]])
    expect((await under.query('SELECT count(*) FROM once')).rows).toEqual([[2]])
  })

  it('refuses an idempotency key for another statement, or other parameters', async () => {
    await under.query('CREATE TABLE keyed AS SELECT 1 AS a')
    const insert = (sql: string, a: number) => under.query(sql, { idempotencyKey: 'key-3', params: { a } })
    await insert('INSERT INTO keyed SELECT $a', 2)
    await expect(insert('INSERT INTO keyed SELECT $a', 3)).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(insert('INSERT INTO keyed SELECT $a + 1', 2)).rejects.toMatchObject({ code: 'CONFLICT' })
    expect((await insert('INSERT INTO keyed SELECT $a', 2)).rows).toEqual([[1]])
    expect((await under.query('SELECT count(*) FROM keyed')).rows).toEqual([[2]])
    const replaced = (params: Record<string, number>) =>
      under.query('CREATE OR REPLACE TABLE keyed AS SELECT $a AS a, $b AS b', { idempotencyKey: 'key-4', params })
    await replaced({ a: 1, b: 2 })
    expect((await replaced({ b: 2, a: 1 })).rows).toEqual([[1]])
  })

  it('remembers a write that had nothing to change', async () => {
    const drop = () => under.query('DROP TABLE IF EXISTS victim', { idempotencyKey: 'key-5' })
    expect((await drop()).rows).toEqual([[0]])
    await under.query('CREATE TABLE victim AS SELECT 1 AS a')
    expect((await drop()).rows).toEqual([[0]])
    const make = () => under.query('CREATE TABLE IF NOT EXISTS victim AS SELECT 2 AS a', { idempotencyKey: 'key-6' })
    expect((await make()).rows).toEqual([[0]])
    expect((await under.query('SELECT a FROM victim')).rows).toEqual([[1]])
    await under.query('DROP TABLE victim')
    expect((await make()).rows).toEqual([[0]])
    await expect(under.query('SELECT a FROM victim')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
  })

  it('answers a repeated write as the first whatever has become of its table', async () => {
    await under.query('CREATE TABLE gone AS SELECT 1 AS a')
    const insert = requestOf('INSERT INTO gone VALUES (2), (3)', { idempotencyKey: 'key-7' })
    expect((await under.query(insert.sql, insert)).rows).toEqual([[2]])
    await under.query('DROP TABLE gone')
    expect((await under.query(insert.sql, insert)).rows).toEqual([[2]])
    const { columns, body } = await under.engine.submit('gone-parquet', { ...insert, format: 'parquet' }).result
    const pieces: Uint8Array[] = []
    for await (const piece of body) pieces.push(piece)
    expect([columns.map(({ name }) => name), Buffer.concat(pieces).subarray(0, 4).toString()]).toEqual([['Count'], 'PAR1'])
    const other = { idempotencyKey: 'key-7', timeZone: 'Europe/Berlin' }
    await expect(under.query('CREATE TABLE gone AS SELECT 1 AS a', other)).rejects.toMatchObject({ code: 'CONFLICT' })
    // A SELECT repeats nothing, whatever its key.
    expect((await under.query('SELECT 1 AS a', other)).rows).toEqual([[1]])
  })

  it('keeps the keys of tenants apart, and knows those of earlier versions', async () => {
    await under.query('CREATE TABLE shared AS SELECT 1 AS a')
    for (const [tenant, idempotencyKey] of [
      ['a', 'b:c'],
      ['a:b', 'c'],
    ] as const) {
      await under.query('INSERT INTO shared SELECT 2', { tenant, idempotencyKey })
    }
    expect((await under.query('SELECT count(*) FROM shared')).rows).toEqual([[3]])
    expect(await under.catalog.rememberedResult('a:b:c')).toMatchObject({ count: 1 })
  })

  it('does two writes at the same time with one idempotency key once', async () => {
    await under.query('CREATE TABLE twice AS SELECT 1 AS a')
    const options = { idempotencyKey: 'key-2' }
    await Promise.all([under.query('INSERT INTO twice SELECT 2', options), under.query('INSERT INTO twice SELECT 2', options)])
    expect((await under.query('SELECT count(*) FROM twice')).rows).toEqual([[2]])
  })

  it('refuses to write to a table of the data folder', async () => {
    await expect(under.query('INSERT INTO source SELECT 1, 2')).rejects.toMatchObject({ code: 'TABLE_NOT_MANAGED' })
  })

  it('makes views', async () => {
    await under.query('CREATE VIEW few AS SELECT * FROM source WHERE id < 10')
    expect((await under.query('SELECT count(*) FROM few')).rows).toEqual([[10]])
    // As in DuckDB: what has the name is left alone, whatever it is.
    expect((await under.query('CREATE TABLE IF NOT EXISTS FEW AS SELECT 1 AS other')).rows).toEqual([[0]])
    expect((await under.query('SELECT count(*) FROM few')).rows).toEqual([[10]])
    await under.query('DROP VIEW few')
  })

  it('answers over files that were touched or restored, and names one in which a byte has changed', async () => {
    await under.query('CREATE TABLE touched AS SELECT 1 AS a')
    const path = under.catalog.current('touched')?.segments[0]?.file.path ?? ''
    const later = (): void => utimesSync(path, new Date(), new Date(statSync(path).mtimeMs + 1_000))
    later()
    expect((await under.query('SELECT a FROM touched')).rows).toEqual([[1]])
    copyFileSync(path, `${path}.kept`)
    renameSync(`${path}.kept`, path)
    expect((await under.query('SELECT a FROM touched')).rows).toEqual([[1]])
    const bytes = readFileSync(path)
    bytes[4] = (bytes[4] ?? 0) ^ 1
    writeFileSync(path, bytes)
    later()
    await expect(under.query('SELECT a + 1 AS b FROM touched')).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' })
  })

  it('records what a table was made of', async () => {
    const { status } = await under.query('CREATE TABLE traced AS SELECT k FROM source')
    const written = under.recorder.events.find((event) => event.kind === 'written' && event.queryId === status.queryId)
    expect(written).toMatchObject({ table: 'traced' })
    expect(written?.kind === 'written' && written.segments.length).toBe(1)
  })
})

describe('import', () => {
  it('makes a table of CSV files and appends to it', async () => {
    const folder = join(under.stateFolder, 'imports')
    mkdirSync(folder, { recursive: true })
    const path = join(folder, 'a.csv')
    writeFileSync(path, 'a,b\n1,x\n2,y\n')
    const signal = AbortSignal.timeout(20_000)
    const first = await under.engine.importFiles({ table: 'loaded', paths: [path], kind: 'csv', mode: 'auto' }, signal)
    expect(first.rows).toBe(2)
    await under.engine.importFiles({ table: 'loaded', paths: [path], kind: 'csv', mode: 'auto' }, signal)
    expect((await under.query('SELECT sum(a), max(b) FROM loaded')).rows.map((row) => row.map(String))).toEqual([['6', 'y']])
  })
})

describe('an import with an idempotency key', () => {
  it('is done once, whatever has become of its table, and never for other bytes', async () => {
    const folder = join(under.stateFolder, 'imports')
    mkdirSync(folder, { recursive: true })
    const path = join(folder, 'once.csv')
    writeFileSync(path, 'a\n1\n2\n')
    const load = (content: string, kind: 'csv' | 'json' = 'csv') => {
      const once = { key: 'import-1', content }
      return under.engine.importFiles({ table: 'onced', paths: [path], kind, mode: 'auto', once }, AbortSignal.timeout(20_000))
    }
    const [first, second] = await Promise.all([load('x'), load('x')])
    expect(second).toEqual(first)
    expect(first).toEqual({ rows: 2, segments: 1, snapshot: under.catalog.current('onced')?.id })
    expect((await under.query('SELECT count(*) FROM onced')).rows).toEqual([[2]])
    await expect(load('y')).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(load('x', 'json')).rejects.toMatchObject({ code: 'CONFLICT' })
    await under.query('DROP TABLE onced')
    expect(await load('x')).toEqual(first)
    expect(under.catalog.current('onced')).toBeUndefined()
  })
})

describe('a query', () => {
  it('streams a large answer whole', async () => {
    const { rows, status } = await under.query('SELECT id, text FROM wide')
    expect(rows.length).toBe(60_000)
    expect(status.state).toBe('finished')
    expect(status.actual?.rows).toBe(60_000)
  })

  it('explains itself', async () => {
    const explained = await under.engine.explain(
      requestOf('SELECT k, count(*) FROM source GROUP BY k'),
      AbortSignal.timeout(30_000),
    )
    expect(explained.reads[0]).toMatchObject({ dataset: 'source', segmentsKept: 1 })
    const { rows } = await under.query('EXPLAIN SELECT k FROM source')
    expect(rows[0]?.[0]).toBe('shape')
  })

  it('answers EXPLAIN in a binary format', async () => {
    const { body } = await under.engine.submit('x-parquet', requestOf('EXPLAIN SELECT 1', { format: 'parquet' })).result
    let bytes = 0
    for await (const piece of body) bytes += piece.length
    expect(bytes).toBeGreaterThan(100)
  })

  it('gives the bytes of a segment', async () => {
    const id = under.catalog.current('source')?.segments[0]?.id ?? ''
    const { body } = await under.engine.segmentData(id, AbortSignal.timeout(30_000))
    let bytes = 0
    for await (const piece of body) bytes += piece.length
    expect(bytes).toBeGreaterThan(100)
    await expect(under.engine.segmentData('d-unknown', AbortSignal.timeout(30_000))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('breaks the bytes of a segment off when its file changed while it was read', async () => {
    await under.duckdb(`COPY (SELECT hash(i) AS h FROM range(4000000) t(i)) TO '$DATA/changing.parquet' (ROW_GROUP_SIZE 4000000)`)
    await under.query('SELECT count(*) FROM changing')
    const id = under.catalog.current('changing')?.segments[0]?.id ?? ''
    const { body } = await under.engine.segmentData(id, AbortSignal.timeout(30_000))
    const pieces = body[Symbol.asyncIterator]()
    await pieces.next()
    utimesSync(join(under.dataFolder, 'changing.parquet'), 1, 1)
    await expect(
      (async () => {
        for (;;) if ((await pieces.next()).done === true) return
      })(),
    ).rejects.toMatchObject({ code: 'SEGMENT_CHANGED' })
  })

  it('leaves no error unheard when the bytes of a segment are not wanted any more', async () => {
    await under.duckdb(`COPY (SELECT hash(i) AS h FROM range(400000) t(i)) TO '$DATA/hashes.parquet'`)
    await under.query('SELECT count(*) FROM hashes')
    const unheard: unknown[] = []
    const note = (error: unknown): void => void unheard.push(error)
    process.on('unhandledRejection', note)
    try {
      const leaving = new AbortController()
      const id = under.catalog.current('hashes')?.segments[0]?.id ?? ''
      const { body } = await under.engine.segmentData(id, leaving.signal)
      const pieces = body[Symbol.asyncIterator]()
      await pieces.next()
      leaving.abort(new Error('the client went away'))
      await expect(
        (async () => {
          for (;;) if ((await pieces.next()).done === true) return
        })(),
      ).rejects.toThrow('the client went away')
      await new Promise(setImmediate)
      expect(unheard).toEqual([])
    } finally {
      process.off('unhandledRejection', note)
    }
  })

  it('tells what arrives, once', async () => {
    const { status } = await under.query('SELECT max(id) FROM source')
    const arrivals = under.activities.filter((each) => each.type === 'arrival' && each.queryId === status.queryId)
    expect(arrivals).toHaveLength(1)
    expect(arrivals[0]).toMatchObject({ datasets: ['source'], fingerprint: status.fingerprint })
  })

  it('sees a replaced file at once', async () => {
    await under.duckdb(`COPY (SELECT 1 AS a) TO '$DATA/moving.parquet'`)
    expect((await under.query('SELECT sum(a) FROM moving')).rows.flat().map(Number)).toEqual([1])
    await under.duckdb(`COPY (SELECT 2 AS a UNION ALL SELECT 3) TO '$DATA/moving.parquet'`)
    expect((await under.query('SELECT sum(a) FROM moving')).rows.flat().map(Number)).toEqual([5])
  })
})

describe('the end of a query', () => {
  const slow = 'SELECT count(*) FROM range(3000000000) a, source b WHERE (a.range * b.id) % 7 = 3'

  it('is within two seconds of its cancel', async () => {
    const execution = under.engine.submit('slow-1', requestOf(slow))
    await new Promise((resolve) => setTimeout(resolve, 500))
    const endedInMs = startStopwatch()
    execution.cancel('it is enough')
    await expect(execution.result).rejects.toMatchObject({ code: 'CANCELLED', queryId: 'slow-1' })
    expect(endedInMs()).toBeLessThan(2_000)
    expect(execution.status().state).toBe('cancelled')
  })

  it('is its deadline', async () => {
    const execution = under.engine.submit('slow-2', requestOf(slow, { timeoutMs: 700 }))
    await expect(execution.result).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  })

  it('is its own error', async () => {
    await expect(under.query('SELEC 1')).rejects.toMatchObject({ code: 'SQL_SYNTAX' })
    await expect(under.query('SELECT nothing FROM source')).rejects.toMatchObject({ code: 'NAME_NOT_FOUND' })
    await expect(under.query("SELECT CAST('x' || id AS INTEGER) FROM source")).rejects.toMatchObject({ code: 'QUERY_FAILED' })
    expect(under.recorder.queries.at(-1)?.state).toBe('failed')
  })
})

describe('a streamed answer', () => {
  it('that nobody reads ends with its cancel', async () => {
    const execution = under.engine.submit('unread', requestOf('SELECT id, text, id + 1 AS unread FROM wide'))
    await execution.result
    expect(execution.status().state).toBe('running')
    execution.cancel('the client went away')
    await execution.ended
    expect(execution.status()).toMatchObject({ state: 'cancelled', error: { code: 'CANCELLED' } })
  })

  it('that is broken off while it is read ends at once', async () => {
    const execution = under.engine.submit('broken-off', requestOf('SELECT id, text, id + 2 AS broken FROM wide'))
    const { body } = await execution.result
    const pieces = body[Symbol.asyncIterator]()
    await pieces.next()
    const endedInMs = startStopwatch()
    execution.cancel('the client went away')
    await expect(
      (async () => {
        for (;;) if ((await pieces.next()).done === true) return
      })(),
    ).rejects.toMatchObject({ code: 'CANCELLED' })
    expect(endedInMs()).toBeLessThan(2_000)
  })

  it('that is left by its reader is cancelled', async () => {
    const execution = under.engine.submit('left', requestOf('SELECT id, text, id + 3 AS left_over FROM wide'))
    const { body } = await execution.result
    for await (const _ of body) break
    await execution.ended
    expect(execution.status().state).toBe('cancelled')
  })
})
