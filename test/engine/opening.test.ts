import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import type { Catalog } from '../../src/catalog/catalog.js'
import { EmbeddedEngine } from '../../src/engine/embedded/embedded-engine.js'
import { systemClock } from '../../src/model/clock.js'
import { catalogOver, MemoryRecorder, openUnderTest, requestOf, type UnderTest, until } from './engine-under-test.js'

const folder = mkdtempSync(join(tmpdir(), 'forebay-opening-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const answers = 'engine:derived'

/** Another engine over what one under test has left. */
function engineOver(under: UnderTest, stateFolder: string, catalog: Catalog, recorder: MemoryRecorder): EmbeddedEngine {
  return new EmbeddedEngine(
    {
      stateFolder,
      dataFolders: [under.dataFolder],
      writableFolders: [join(stateFolder, 'tables')],
      checksumFolder: join(stateFolder, 'checksums'),
      nodes: 1,
      memoryBytes: 1e9,
      diskBytes: 1e9,
      catalog,
      planner: under.planner,
      recorder,
      clock: systemClock,
      limits: { idleMs: 50 },
    },
    {},
  )
}

it('keeps the answers of a former run when it is closed while it opens', async () => {
  const recorder = new MemoryRecorder()
  const setUp = [`COPY (SELECT i % 3 AS k FROM range(1000) t(i)) TO '$DATA/source.parquet'`]
  const first = await openUnderTest(setUp, { folder, recorder, nodes: 1 })
  await first.query('SELECT k, count(*) FROM source GROUP BY k')
  await expect.poll(() => first.engine.derivedSegments(), { timeout: 10_000 }).toBe(1)
  const stateFolder = join(folder, 'state')
  const { catalog, planner } = first
  await first.engine.close()
  const kept = recorder.values.get(answers)
  expect(JSON.parse(kept ?? '[]')).toHaveLength(1)

  const second = engineOver(first, stateFolder, catalog, recorder)
  const opening = second.open(AbortSignal.timeout(30_000))
  await Promise.all([second.close(), expect(opening).rejects.toThrow('the engine closes')])
  expect(recorder.values.get(answers)).toBe(kept)
  await Promise.all([catalog.close(), planner.close()])
}, 60_000)

it('keeps packs as long as the tables are not known yet', async () => {
  const own = mkdtempSync(join(folder, 'packs-'))
  const recorder = new MemoryRecorder()
  const setUp = [`COPY (SELECT i % 3 AS k, i FROM range(20000) t(i)) TO '$DATA/source.parquet'`]
  const options = { folder: own, recorder, nodes: 1, packing: true, limits: { idleMs: 50 } }
  const first = await openUnderTest(setUp, options)
  const { dataFolder, planner } = first
  const stateFolder = join(own, 'state')
  const sql = 'SELECT k, sum(i) FROM source GROUP BY k'
  for (let round = 0; round < 3; round++) await first.query(sql, { reuse: false })
  await until(() => first.engine.packs().length === 1, 'a pack')
  await first.engine.close()
  await first.catalog.close()

  const catalog = catalogOver(dataFolder, stateFolder, planner)
  const second = engineOver(first, stateFolder, catalog, recorder)
  let serve = (): void => {}
  const serving = new Promise<void>((resolve) => {
    serve = resolve
  })
  await second.open(AbortSignal.timeout(30_000), serving)
  // Longer than it takes until packs are looked through.
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  expect(second.packs()).toHaveLength(1)
  await catalog.open()
  serve()
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  expect(second.packs()).toHaveLength(1)
  rmSync(join(dataFolder, 'source.parquet'))
  await catalog.rescan()
  await until(() => second.packs().length === 0, 'the end of the pack')
  await second.close()
  await Promise.all([catalog.close(), planner.close()])
}, 60_000)

it('answers its probe also when queries of clients come', async () => {
  const under = await openUnderTest([], { nodes: 1 })
  try {
    const [node] = under.engine.nodes()
    process.kill(node?.pid ?? 0, 'SIGSTOP')
    const probing = under.engine.probe(AbortSignal.timeout(20_000))
    probing.catch(() => {})
    // By then the probe is with the node, which does not answer.
    await new Promise((resolve) => setTimeout(resolve, 300))
    const asked = under.engine.submit('client', requestOf('SELECT 1', { reuse: false }))
    process.kill(node?.pid ?? 0, 'SIGCONT')
    await Promise.all([probing, asked.result])
  } finally {
    await under.close()
  }
}, 60_000)
