/**
 * A value of every type on its whole way over nine nodes: through partials, into a written table and its packs, and out in every
 * result format over HTTP. What plain DuckDB says of the same data is what must come back, type and value.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { tableFromIPC } from 'apache-arrow'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everyType } from '../support/every-type.js'
import { startServer, type TestServer } from '../support/start-server.js'
import { arrowJson } from './arrow-json.js'

const nodes = 9
/** Values that go through one query together. */
const perQuery = 20
const root = mkdtempSync(join(tmpdir(), 'forebay-every-type-'))
const data = join(root, 'data')
let server: TestServer
let instance: DuckDBInstance
let duckdb: DuckDBConnection

/** A value beside NULLs. Not by CASE, which DuckDB does not have for every type. */
const among = (value: string): string => `([${value}, NULL])[1 + (id % 3 = 1)::INTEGER]`
const isNull = (id: number): boolean => id % 3 === 1
/** DuckDB itself makes no table of these. */
const kept = everyType.filter(([sql]) => !sql.startsWith('row('))
const columns = kept.map(([sql], index) => `${among(sql)} AS c${index}`).join(', ')
const table = `SELECT id, ${columns} FROM numbers`

const ids = Array.from({ length: nodes * 5 }, (_, id) => id)
/** A row of the table as docs/http-api.md has it in JSON. */
const json = (id: number): readonly unknown[] => kept.map(([, value]) => (isNull(id) ? null : value))

beforeAll(async () => {
  mkdirSync(join(data, 'numbers'), { recursive: true })
  instance = await DuckDBInstance.create(':memory:')
  duckdb = await instance.connect()
  await duckdb.run("SET TimeZone = 'UTC'")
  for (let file = 0; file < nodes; file++) {
    const path = join(data, 'numbers', `${file}.parquet`)
    await duckdb.run(`COPY (SELECT i AS id, i % 4 AS g FROM range(${file * 5}, ${file * 5 + 5}) t(i)) TO '${path}'`)
  }
  await duckdb.run(`CREATE VIEW numbers AS FROM '${data}/numbers/*.parquet'`)
  server = await startServer({ data, flags: ['--nodes', String(nodes), '--memory', '6GB'], readyMs: 60_000 })
}, 90_000)
afterAll(async () => {
  await server.stop()
  instance.closeSync()
  rmSync(root, { recursive: true, force: true })
})

/** Rows of plain DuckDB as texts, in an order of their own. */
async function expected(sql: string): Promise<readonly string[]> {
  return sorted((await duckdb.runAndReadAll(sql)).getRowsJson())
}

async function answered(sql: string, more: Record<string, unknown> = {}) {
  const { rows, stats } = await server.query(sql, { reuse: false, ...more })
  return { rows: sorted(rows), levels: Number(stats['levels']), packs: (stats['tiers'] as { readonly pack: number }).pack }
}

/** 64-bit numbers are texts on one side. */
function sorted(rows: readonly (readonly unknown[])[]): readonly string[] {
  return rows.map((row) => JSON.stringify(row.map((value) => (value === null ? null : String(value))))).toSorted()
}

/** Type and value as DuckDB's texts, so that the way of the value is tested and not how it is written for a client. */
const shown = (name: string): string => `typeof(${name}), ${name}::VARCHAR`

describe('through the partials of nine nodes', () => {
  /** DuckDB does not say what a NULL without a type is, and of these equal values are not the same. */
  const grouped = kept.map(([value]) => value).filter((value) => value !== 'NULL' && !value.includes('INTERVAL'))
  const parts = Array.from({ length: Math.ceil(grouped.length / perQuery) }, (_, part) =>
    grouped.slice(part * perQuery, (part + 1) * perQuery),
  )
  const list = (values: readonly string[], item: (value: string, index: number) => string): string => values.map(item).join(', ')

  it.each(parts)('come back as groups and as the least and the greatest: %s …', async (...values) => {
    const groups = `SELECT n, ${list(values, (_, x) => shown(`x${x}`))} FROM
      (SELECT ${list(values, (value, x) => `${among(value)} AS x${x}`)}, count(*) AS n FROM numbers GROUP BY ALL)`
    const extremes = `SELECT g, ${list(values, (_, x) => `${shown(`lo${x}`)}, hi${x}::VARCHAR`)} FROM
      (SELECT g, ${list(values, (value, x) => `min(${among(value)}) AS lo${x}, max(${among(value)}) AS hi${x}`)} FROM numbers GROUP BY g)`
    for (const sql of [groups, extremes]) {
      const answer = await answered(sql, { tree: 'always' })
      expect(answer.rows).toEqual(await expected(sql))
      expect(answer.levels).toBeGreaterThan(1)
    }
  })

  it('come back as rows', async () => {
    const sql = `SELECT id, ${kept.map(([value], index) => `${among(value)} AS c${index}`)} FROM numbers WHERE id >= 0`
    const { rows, stats } = await server.query(sql, { reuse: false, tree: 'always' })
    expect(stats['levels']).toBeGreaterThan(1)
    const byId = rows.toSorted(([a], [b]) => Number(a) - Number(b))
    expect(byId).toEqual(ids.map((id) => [id, ...json(id)]))
  })

  it('come back from one task where no file can hold them', async () => {
    const value = "row(TIMESTAMPTZ '2026-01-31 10:00:00+02', {'a': 1}, row(NULL))"
    const sql = `SELECT ${shown('x')}, n FROM (SELECT ${among(value)} AS x, count(*) AS n FROM numbers GROUP BY ALL)`
    const answer = await answered(sql, { tree: 'always' })
    expect([answer.rows, answer.levels]).toEqual([await expected(sql), 1])
  })

  it('keeps names apart that differ in case', async () => {
    const sql = `SELECT g, min(id) AS a, max(id) AS "A", sum(id)::HUGEINT AS "ä", count(*) AS "Ä" FROM numbers GROUP BY g`
    const answer = await server.query(sql, { tree: 'always', reuse: false })
    expect(answer.columns.map(({ name }) => name)).toEqual(['g', 'a', 'A', 'ä', 'Ä'])
    expect(sorted(answer.rows)).toEqual(await expected(sql))
  })
})

describe('in a written table', () => {
  beforeAll(async () => {
    for (let file = 0; file < nodes; file++) {
      const rows = `${table} WHERE id % ${nodes} = ${file}`
      await server.query(file === 0 ? `CREATE TABLE typed AS ${rows}` : `INSERT INTO typed ${rows}`)
    }
    await duckdb.run(`CREATE TABLE typed AS ${table}`)
  }, 60_000)

  const each = `SELECT id, ${kept.map((_, index) => `typeof(c${index}), c${index}::VARCHAR`).join(', ')} FROM typed`

  it('has every type and value of the table that DuckDB makes of the same rows', async () => {
    expect((await answered(each)).rows).toEqual(await expected(each))
  })

  it('gives them back from packs, whole and in partials', async () => {
    for (let read = 0; read < 3; read++) await answered('SELECT * FROM typed')
    // Asked by explaining, since packs are built while nothing runs.
    const packed = async (): Promise<number> =>
      (await server.call('/v1/explain', { body: { sql: 'SELECT * FROM typed' } })).body.reads[0].tiers.pack
    await expect.poll(packed, { timeout: 30_000, interval: 200 }).toBe(nodes)
    expect(await answered(each)).toMatchObject({ rows: await expected(each), packs: nodes })
    for (let from = 0; from < kept.length; from += perQuery) {
      const names = kept.slice(from, from + perQuery).map((_, index) => `c${from + index}`)
      const sql = `SELECT n, ${names.map(shown)} FROM (SELECT ${names}, count(*) AS n FROM typed GROUP BY ALL)`
      expect(await answered(sql, { tree: 'always' })).toMatchObject({ rows: await expected(sql), packs: nodes })
    }
  }, 60_000)

  /** The body of an answer with these of the table's columns, in the order of the rows' ids. */
  async function answer(accept: string, indexes: readonly number[] = [...kept.keys()]): Promise<Buffer> {
    const response = await fetch(`${server.url}/v1/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept },
      body: JSON.stringify({ sql: `SELECT ${indexes.map((index) => `c${index}`).join()} FROM typed ORDER BY id`, reuse: false }),
    })
    const body = Buffer.from(await response.arrayBuffer())
    if (response.status !== 200) throw new Error(body.toString())
    return body
  }

  it('goes out as JSON', async () => {
    expect(JSON.parse((await answer('application/json')).toString()).rows).toEqual(ids.map(json))
  })

  it('goes out as NDJSON', async () => {
    const lines = (await answer('application/x-ndjson')).toString().trimEnd().split('\n')
    expect(lines.map((line) => Object.values(JSON.parse(line)))).toEqual(ids.map(json))
  })

  it('goes out as CSV', async () => {
    const written = kept.map(([, value, csv]) => csv ?? (typeof value === 'object' ? undefined : String(value)))
    const indexes = [...kept.keys()].filter((index) => written[index] !== undefined)
    const lines = ids.map((id) => indexes.map((index) => (isNull(id) ? '' : written[index])).join())
    const expectedText = [indexes.map((index) => `c${index}`).join(), ...lines].map((line) => `${line}\r\n`).join('')
    expect((await answer('text/csv', indexes)).toString()).toBe(expectedText)
  })

  it('goes out as Arrow', async () => {
    const arrow = tableFromIPC(await answer('application/vnd.apache.arrow.stream'))
    const rows = ids.map((id) =>
      json(id).map((value, index) => {
        const column = arrow.getChildAt(index)
        return column === null ? undefined : arrowJson(column, id, value)
      }),
    )
    expect(rows).toEqual(ids.map(json))
  })

  it('goes out as Parquet, all but what has more than 38 digits', async () => {
    const tooLong = kept.map(([, value]) => /\d{39}/.test(JSON.stringify(value) ?? ''))
    const indexes = [...kept.keys()].filter((index) => !tooLong[index])
    const path = join(root, 'answer.parquet')
    writeFileSync(path, await answer('application/vnd.apache.parquet', indexes))
    const described = await duckdb.runAndReadAll('DESCRIBE SELECT * EXCLUDE id FROM typed')
    const types = described.getRowsJson().map(([, type]) => String(type))
    const texts = indexes.map((index) => `c${index}::VARCHAR`).join()
    // Parquet has lists where DuckDB has arrays, whose texts quote nothing.
    const isArray = (type: string | undefined): type is string => type !== undefined && /^(?!UNION).*\[\d+\]/.test(type)
    const read = indexes.map((index) => (isArray(types[index]) ? `c${index}::${types[index]}::VARCHAR` : `c${index}::VARCHAR`))
    expect(await expected(`SELECT ${read} FROM '${path}'`)).toEqual(await expected(`SELECT ${texts} FROM typed`))
    for (const index of kept.keys()) {
      if (tooLong[index]) await expect(answer('application/vnd.apache.parquet', [index])).rejects.toThrow('QUERY_FAILED')
    }
  })
})
