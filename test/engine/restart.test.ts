import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { MemoryRecorder, openUnderTest, until } from './engine-under-test.js'

const folder = mkdtempSync(join(tmpdir(), 'forebay-restart-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const file = `COPY (SELECT i % 5 AS k, (i * 7919) % 10007 AS v FROM range(20000) t(i)) TO '$DATA/log.parquet'`
const sql = 'SELECT k, sum(v) AS s FROM log GROUP BY k ORDER BY k'

it('finds answers and packs again after a restart, and bytes that changed meanwhile', async () => {
  const recorder = new MemoryRecorder()
  const options = { folder, recorder, packing: true, limits: { idleMs: 100 }, nodes: 1 }
  const first = await openUnderTest([file], options)
  const before = await first.query(sql)
  const records = (): boolean => {
    const checksums = join(folder, 'state', 'checksums')
    return existsSync(checksums) && readdirSync(checksums).some((name) => name.endsWith('.json'))
  }
  await until(records, 'the record of checksums')
  for (let round = 0; round < 3; round++) await first.query(sql, { reuse: false })
  await until(() => first.engine.packs().length === 1, 'a pack')
  await first.close()

  const path = join(folder, 'data', 'log.parquet')
  execFileSync('touch', ['-r', path, join(folder, 'reference')])
  const bytes = readFileSync(path)
  bytes[200] = (bytes[200] ?? 0) ^ 1
  writeFileSync(path, bytes)
  execFileSync('touch', ['-r', join(folder, 'reference'), path])

  const second = await openUnderTest([], options)
  try {
    const again = await second.query(sql)
    expect(again.rows).toEqual(before.rows)
    expect(again.status.actual).toMatchObject({ reused: true, tasks: 1, tiers: { reused: 1, parquet: 0 } })
    expect(second.engine.packs()).toHaveLength(1)
    const packed = await second.query(sql, { reuse: false })
    expect(packed.rows).toEqual(before.rows)
    expect(packed.status.actual?.tiers).toMatchObject({ pack: 1, parquet: 0 })
  } finally {
    await second.close()
  }
  // The pack holds what the file held. Without it the changed bytes are read, and found out.
  rmSync(join(folder, 'state', 'packs'), { recursive: true })
  const third = await openUnderTest([], options)
  try {
    await expect(third.query('SELECT max(v + k) FROM log', { reuse: false })).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' })
  } finally {
    await third.close()
  }
}, 120_000)
