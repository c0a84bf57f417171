import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BasePart, TaskMessage } from '../../src/model/messages.js'
import type { BaseSegment, Column, Pack } from '../../src/model/segment.js'
import { baseInput, baseSegment, duckdb, jsonRowsOf, NodeUnderTest, task, testFolder, toClient } from './node-under-test.js'

const folder = testFolder()
const builder = new NodeUnderTest(folder.path, { id: 'n1' })
const reader = new NodeUnderTest(folder.path, { id: 'n2' })
const columns: readonly Column[] = [
  { name: 'day', type: 'DATE' },
  { name: 'i', type: 'BIGINT' },
  { name: 'h', type: 'INTERVAL' },
  { name: 's', type: 'VARCHAR' },
]
const segments: BaseSegment[] = []
const rowsEach = 30_000

beforeAll(async () => {
  for (let ordinal = 0; ordinal < 6; ordinal++) {
    const path = join(folder.path, 'lake', `${ordinal}.parquet`)
    await duckdb(`COPY (SELECT DATE '2026-01-01' + ${ordinal} AS day, i + ${ordinal * rowsEach} AS i, to_days((i % 5)::INTEGER) AS h,
      'text of row ' || (i % 1000) AS s FROM range(${rowsEach}) t(i)) TO '${path}'`)
    const columnBytes = { day: 100, i: 50_000, h: 1000, s: 20_000 }
    segments.push(baseSegment(path, rowsEach, { ordinal, columnBytes }))
  }
  await Promise.all([builder.ready(), reader.ready()])
})
afterAll(async () => {
  await Promise.all([builder.stop(), reader.stop()])
  folder.remove()
})

let count = 0

async function buildPack(
  of: readonly BaseSegment[],
  ordinalColumn = '__fb_ordinal',
): Promise<{ pack: Pack; message: TaskMessage }> {
  const id = `p-${++count}`
  const pack = {
    id,
    path: join(folder.path, 'packs', `${id}.duckdb`),
    dataset: 'data',
    columns: columns.map((column) => column.name),
    types: columns.map((column) => column.type),
    ordinalColumn,
    segments: of.map((segment) => segment.id),
  }
  const list = [...pack.columns, ordinalColumn].map((name) => `"${name}"`).join(', ')
  const message = task(`SELECT ${list} FROM __fb0`, { to: 'pack', pack }, [baseInput('__fb0', columns, of)], {
    eventKind: 'pack',
  })
  const { result } = await builder.finished(message)
  if (result.to !== 'pack') throw new Error('no pack')
  return { pack: result.pack, message }
}

function packPart(pack: Pack, ordinals: readonly number[]): BasePart {
  return { from: 'pack', pack, ordinals, segments: ordinals.map((ordinal) => segments[ordinal] as BaseSegment) }
}

const sums = 'SELECT count(*), sum(i)::BIGINT, max(h)::VARCHAR, min(s), max(day) FROM __fb0'

async function read(parts: readonly BasePart[], output: Parameters<typeof toClient>[1] = {}): Promise<unknown[][]> {
  return jsonRowsOf(await reader.finished(task(sums, toClient([], output), [baseInput('__fb0', columns, [], { parts })])))
}

async function expected(ordinals: readonly number[]): Promise<unknown[][]> {
  const files = ordinals.map((ordinal) => `'${segments[ordinal]?.file.path}'`)
  const rows = await duckdb(sums.replace('__fb0', `read_parquet([${files.join(', ')}])`))
  return rows.map((row) => row.map((value, index) => (index < 2 ? Number(value) : value)))
}

describe('a pack', () => {
  it('is built whole under its final name, with its rows in the order of the ordinals', async () => {
    const { pack, message } = await buildPack(segments)
    expect(pack).toMatchObject({ rows: 6 * rowsEach })
    expect(pack.bytes).toBe(statSync(pack.path).size)
    expect(pack.storageVersion).not.toBe('')
    expect(readdirSync(join(folder.path, 'packs')).filter((name) => name.startsWith('.'))).toEqual([])
    const found =
      await duckdb(`ATTACH '${pack.path}' AS p (READ_ONLY); SELECT __fb_ordinal, typeof(__fb_ordinal), min(rowid), max(rowid)
      FROM p.pack GROUP BY ALL ORDER BY 1`)
    const rows = segments.map((_, at) => [at, 'UTINYINT', String(at * rowsEach), String((at + 1) * rowsEach - 1)])
    expect(found).toEqual(rows)
    expect(await builder.event(message)).toMatchObject({ kind: 'pack', baseReads: [{ tier: 'parquet', source: 'storage' }] })
  })

  it('answers like its files: whole, in runs, one ordinal, and half packed', async () => {
    const { pack } = await buildPack(segments)
    expect(await read([packPart(pack, [0, 1, 2, 3, 4, 5])])).toEqual(await expected([0, 1, 2, 3, 4, 5]))
    expect(await read([packPart(pack, [4, 1, 2])])).toEqual(await expected([1, 2, 4]))
    expect(await read([packPart(pack, [5])])).toEqual(await expected([5]))
    const rest: BasePart = { from: 'parquet', segments: segments.slice(3), verify: [] }
    expect(await read([packPart(pack, [0, 1]), rest])).toEqual(await expected([0, 1, 3, 4, 5]))
  })

  it('is read from storage first and from the node itself afterwards', async () => {
    const { pack } = await buildPack(segments.slice(0, 2))
    const message = () => task(sums, toClient([]), [baseInput('__fb0', columns, [], { parts: [packPart(pack, [0, 1])] })])
    const [first, second] = [message(), message()]
    const { report } = await reader.finished(first)
    expect(report.tiers).toEqual({ pack: 2, parquet: 0, remote: 0, reused: 0 })
    await reader.finished(second)
    expect((await reader.event(first)).baseReads).toMatchObject([
      { tier: 'pack', source: 'storage', rows: 2 * rowsEach, segments: 'Aw==' },
    ])
    expect((await reader.event(second)).baseReads).toMatchObject([{ tier: 'pack', source: 'n2' }])
  })

  it('is warmed into the buffers of a node', async () => {
    const { pack } = await buildPack(segments)
    reader.send({ type: 'warm-pack', pack, columns: ['i', 's'] })
    const warmed = await reader.next('warmed', (message) => message.pack === pack.id)
    expect(warmed.bytes).toBeGreaterThan(100_000)
    const message = task('SELECT sum(i) FROM __fb0', toClient([]), [
      baseInput('__fb0', columns.slice(1, 2), [], { parts: [packPart(pack, [0, 1, 2, 3, 4, 5])] }),
    ])
    await reader.finished(message)
    expect((await reader.event(message)).baseReads).toMatchObject([{ source: 'n2' }])
  })

  it('is detached on request and attached again on demand', async () => {
    const { pack } = await buildPack(segments)
    await read([packPart(pack, [0])])
    await reader.next('vital-signs', (message) => message.attachedPacks.includes(pack.id))
    reader.send({ type: 'detach-packs', packs: [pack.id] })
    await reader.next('packs-detached', (message) => message.packs.includes(pack.id))
    reader.messages.length = 0
    const signs = await reader.next('vital-signs')
    expect(signs.attachedPacks).not.toContain(pack.id)
    expect(await read([packPart(pack, [0])])).toEqual(await expected([0]))
  })

  it('answers a statement that comes again as at first, also when the pack was detached between', async () => {
    const { pack } = await buildPack(segments)
    const parts = [packPart(pack, [1, 2, 4])]
    const again = (): Promise<unknown[][]> => read(parts, { segment: 'd-again' })
    const rows = await expected([1, 2, 4])
    for (let time = 0; time < 4; time++) expect(await again()).toEqual(rows)
    reader.send({ type: 'detach-packs', packs: [pack.id] })
    await reader.next('packs-detached', ({ packs }) => packs.includes(pack.id))
    for (let time = 0; time < 2; time++) expect(await again()).toEqual(rows)
  })

  it('takes the narrowest ordinal type that holds them', async () => {
    const path = join(folder.path, 'lake', 'many.parquet')
    await duckdb(`COPY (SELECT range AS i FROM range(300)) TO '${path}'`)
    const ranges = Array.from({ length: 300 }, (_, at) =>
      baseSegment(path, 1, { id: `s-range-${at}`, ordinal: at, rowRange: { from: at, to: at + 1 } }),
    )
    const pack = {
      id: 'p-many',
      path: join(folder.path, 'packs', 'many.duckdb'),
      dataset: 'data',
      columns: ['i'],
      types: ['BIGINT'],
      ordinalColumn: 'o "rdinal',
      segments: ranges.map((segment) => segment.id),
    }
    const input = baseInput('__fb0', [{ name: 'i', type: 'BIGINT' }], ranges)
    await builder.finished(task('SELECT i, "o ""rdinal" FROM __fb0', { to: 'pack', pack }, [input]))
    const found = await duckdb(
      `ATTACH '${pack.path}' AS p; SELECT bool_and(i = "o ""rdinal"), any_value(typeof("o ""rdinal")) FROM p.pack`,
    )
    expect(found).toEqual([[true, 'USMALLINT']])
  })

  it('keeps the sign of each zero, and floats as they are where none is negative', async () => {
    const floats = [
      ['x', 'DOUBLE'],
      ['y', 'FLOAT'],
      ['z', 'DOUBLE'],
      ['l', 'DOUBLE[]'],
      ['m', 'MAP(VARCHAR, STRUCT(a FLOAT, b INTEGER)[])'],
    ].map(([name = '', type = '']) => ({ name, type }))
    const files = ['0.0', '-0.0'].map((zero) => ({ path: join(folder.path, 'lake', `zero${zero}.parquet`), zero: `'${zero}'` }))
    for (const { path, zero } of files) {
      await duckdb(`COPY (SELECT v AS x, v::FLOAT AS y, abs(v) AS z, [1, v] AS l, MAP {'k': [{'a': v::FLOAT, 'b': 1}]} AS m
        FROM (SELECT unnest([${zero}, NULL, 'NaN', '-inf', '-1.5']::DOUBLE[]) AS v FROM range(2000))) TO '${path}'`)
    }
    const of = files.map(({ path }, ordinal) => baseSegment(path, 10_000, { ordinal }))
    const pack = {
      id: 'p-zeros',
      path: join(folder.path, 'packs', 'zeros.duckdb'),
      dataset: 'data',
      columns: floats.map(({ name }) => name),
      types: floats.map(({ type }) => type),
      ordinalColumn: 'o',
      segments: of.map(({ id }) => id),
    }
    const { result } = await builder.finished(task('SELECT * FROM __fb0', { to: 'pack', pack }, [baseInput('__fb0', floats, of)]))
    if (result.to !== 'pack') throw new Error('no pack')
    expect(result.pack.signedColumns).toEqual(['x', 'y', 'l', 'm'])
    const parts: readonly BasePart[] = [{ from: 'pack', pack: result.pack, ordinals: [0, 1], segments: of }]
    const texts =
      'SELECT x::VARCHAR, y::VARCHAR, z::VARCHAR, l::VARCHAR, m::VARCHAR, typeof((x, y, m)), count(*)::INTEGER FROM __fb0'
    const counts = `${texts} GROUP BY ALL ORDER BY ALL`
    const found = await reader.finished(task(counts, toClient([]), [baseInput('__fb0', floats, [], { parts })]))
    const plain = await duckdb(counts.replace('__fb0', `read_parquet([${files.map(({ path }) => `'${path}'`).join(', ')}])`))
    expect(plain).toHaveLength(6)
    expect(jsonRowsOf(found)).toEqual(plain)
  })

  it('leaves nothing behind when its build fails', async () => {
    const pack = {
      id: 'p-bad',
      path: join(folder.path, 'packs', 'bad.duckdb'),
      dataset: 'data',
      columns: ['i'],
      types: ['BIGINT'],
      ordinalColumn: 'o',
      segments: [],
    }
    const { error } = await builder.failed(task("SELECT 1 AS i, error('no')::INTEGER AS o", { to: 'pack', pack }))
    expect(error.code).toBe('QUERY_FAILED')
    expect(existsSync(pack.path)).toBe(false)
    expect(readdirSync(join(folder.path, 'packs')).filter((name) => name.includes('bad'))).toEqual([])
  })

  it('never answers from a flipped bit', async () => {
    const { pack } = await buildPack(segments.slice(0, 3))
    const good = await expected([0, 1, 2])
    const bytes = readFileSync(pack.path)
    const codes: string[] = []
    for (let at = 0; at < 12; at++) {
      const copy = { ...pack, id: `p-flip-${at}`, path: pack.path.replace('.duckdb', `-flip-${at}.duckdb`) }
      const offset = Math.floor(((at + 0.5) / 12) * bytes.length)
      const flipped = Buffer.from(bytes)
      flipped[offset] = (flipped[offset] ?? 0) ^ (1 << (at % 8))
      writeFileSync(copy.path, flipped)
      const outcome = await reader.outcome(
        task(sums, toClient([]), [baseInput('__fb0', columns, [], { parts: [packPart(copy, [0, 1, 2])] })]),
      )
      // A flip in a block that holds no row of these columns changes nothing, and the answer must be right then.
      if (outcome.type === 'finished') expect(jsonRowsOf(outcome)).toEqual(good)
      codes.push(outcome.type === 'failed' ? outcome.error.code : 'right')
    }
    // The reader goes on: a damaged pack spoils nothing else.
    expect(await read([packPart(pack, [0, 1, 2])])).toEqual(good)
    const found = codes.filter((code) => code === 'CHECKSUM_MISMATCH').length
    expect(codes.every((code) => code === 'right' || code === 'CHECKSUM_MISMATCH')).toBe(true)
    expect(found).toBeGreaterThan(3)
  })
})
