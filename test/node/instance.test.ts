import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { Instance } from '../../src/node/instance.js'

const folder = mkdtempSync(join(tmpdir(), 'forebay-instance-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('lets no statement begin under the low limit by which caches are emptied', async () => {
  const instance = await Instance.open({
    threads: 1,
    memoryBytes: 256 << 20,
    tempFolder: join(folder, 'temp'),
    tempBytesMax: 1 << 20,
    folders: [folder],
  })
  const needy = 'SELECT count(*) FROM (SELECT hash(range) AS h FROM range(1500000) ORDER BY h)'
  const limits = new Set<unknown>()
  for (let round = 0; round < 8; round++) {
    const shrunk = instance.shrink()
    const session = await instance.acquire('UTC')
    limits.add((await session.rows("SELECT current_setting('memory_limit')"))[0]?.[0])
    // With 16 MiB and nearly no temporary files this fails.
    expect(await session.rows(needy)).toEqual([[1_500_000n]])
    expect(await instance.shrink()).toBe(false)
    instance.release(session, true)
    expect(await shrunk).toBe(true)
  }
  expect([...limits]).toEqual(['256.0 MiB'])
})
