import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import type { Column } from '../../src/model/segment.js'
import { Instance } from '../../src/node/instance.js'
import { type PackOutput, publishPack } from '../../src/node/publish-pack.js'
import { publishSegment } from '../../src/node/publish-segment.js'
import { Spool } from '../../src/node/spool.js'

const folder = mkdtempSync(join(tmpdir(), 'forebay-publish-pack-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const openInstance = (): Promise<Instance> =>
  Instance.open({
    threads: 2,
    memoryBytes: 256 << 20,
    tempFolder: join(folder, 'temp'),
    tempBytesMax: 1 << 28,
    folders: [folder],
  })

it('detaches at an interrupt too that comes when it is done', async () => {
  const session = await (await openInstance()).acquire('UTC')
  for (let round = 0; round < 10; round++) {
    const path = join(folder, `detached-${round}.duckdb`)
    await session.run(`ATTACH '${path}' AS a`)
    await session.run('CREATE TABLE a.t AS SELECT hash(range) AS h FROM range(60000)')
    const timer = setInterval(() => session.interrupt(), 1)
    await session.detach('a').finally(() => clearInterval(timer))
  }
  expect(await session.rows('SELECT path FROM duckdb_databases() WHERE path IS NOT NULL')).toEqual([])
})

it('leaves nothing attached when it is interrupted at any moment, so that the same pack can be built again', async () => {
  const session = await (await openInstance()).acquire('UTC')
  const sql = 'SELECT i::BIGINT AS i, 0::UTINYINT AS part FROM range(60000) t(i) ORDER BY hash(i)'
  const pack = {
    id: 'p-1',
    path: join(folder, 'p-1.duckdb'),
    dataset: 'data',
    columns: ['i'],
    types: ['BIGINT'],
    ordinalColumn: 'part',
    segments: [],
  }
  const output: PackOutput = { to: 'pack', pack }
  const spool = await Spool.open(join(folder, 'n1'), 1, 1 << 30)
  const columns: Column[] = [{ name: 'h', type: 'INTERVAL' }]
  let interrupted = 0
  for (let round = 0; round < 60; round++) {
    const timer = setInterval(() => session.interrupt(), 1)
    const built =
      round % 2 === 0
        ? publishPack(session, output, sql)
        : publishSegment(session, spool, 'n1', `d-${round}`, 'SELECT to_days(range::INTEGER) AS h FROM range(60000)', columns)
    await built.catch(() => interrupted++)
    clearInterval(timer)
    const attached = await session.rows('SELECT database_name FROM duckdb_databases() WHERE path IS NOT NULL')
    expect(attached, `round ${round}`).toEqual([])
  }
  expect(interrupted).toBeGreaterThan(10)
  expect((await publishPack(session, output, sql)).rows).toBe(60_000)
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
})
