/**
 * Small programs that keep something on a disk, each with what must hold afterwards whichever of their file calls failed: the old
 * or the new state, and all of what was told. `run(folder, tell)` does the work and goes on after an error, as a server does;
 * `check(folder, told)` opens the folder on a disk that works and names each promise that was broken.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { openCatalog } from '../../../dist/catalog/catalog.js'
import { memoryKeyValue } from '../../../dist/catalog/key-value.js'
import { openLineageReader } from '../../../dist/lineage/lineage-reader.js'
import { openRecorder } from '../../../dist/lineage/recorder.js'
import { systemClock } from '../../../dist/model/clock.js'
import { publishPack } from '../../../dist/node/publish-pack.js'
import { Session } from '../../../dist/node/session.js'
import { Journal } from '../../../dist/queue/embedded/journal.js'
import { PackRegistry } from '../../../dist/scheduler/pack-registry.js'
import { openPlannerPool } from '../../../dist/sql/planner-pool.js'

/** Does something that may fail; true when it did not. What a caller is not told of, he may not rely on. */
async function succeeds(work) {
  try {
    await work()
    return true
  } catch (error) {
    if (error instanceof TypeError || error instanceof ReferenceError) throw error
    return false
  }
}

// ---- the lineage log, its graph, documents, checkpoints and truncation

const batches = 6
const perBatch = 3
const at = 20_600 * 86_400_000_000

const snapshotOf = {
  kind: 'snapshot',
  id: 'snapshot:S1',
  at,
  snapshot: 'S1',
  dataset: 't',
  segments: [{ id: 's-t-0', rows: 100, bytes: 1_000, columnBytes: { a: 1_000 } }],
  locations: [{ path: '/lake/t/0.parquet', version: 'v0' }],
}

/** Tasks of a batch, on a node named after it: the graph's edges then tell how often each batch is in it. */
function tasksOf(batch) {
  return Array.from({ length: perBatch }, (_, index) => ({
    kind: 'task',
    id: `b${batch}-${index}`,
    at: at + batch,
    queryId: `q-${batch}`,
    tenant: 't',
    template: 'f-1',
    node: `b${batch}`,
    incarnation: 1,
    role: 'leaf',
    transformation: { type: 'aggregate', operators: [{ type: 'aggregate', detail: 'sum(a)' }], shape: 'aggregate-1' },
    baseReads: [
      {
        dataset: 't',
        snapshot: 'S1',
        segments: 'AQ==',
        columns: ['a'],
        tier: 'parquet',
        source: 'storage',
        bytes: 1_000,
        rows: 100,
        micros: 5,
      },
    ],
    derivedReads: [],
    transfers: [],
    cost: { cpuMicros: 10, peakMemoryBytes: 10, queueMicros: 0, wallMicros: 10 },
  }))
}

/** How often each batch is in the graph. */
async function inGraph(folder) {
  const reader = await openLineageReader({ folder })
  try {
    const text = await reader.trace({ from: 'table:t', direction: 'both', depth: 1, limit: 1_000 }).catch((error) => {
      if (error.code === 'NOT_FOUND') return '{"edges":[]}'
      throw error
    })
    const counts = new Map()
    for (const { to, count } of JSON.parse(text).edges) {
      const batch = /b(\d+)$/.exec(to)?.[1]
      if (batch !== undefined) counts.set(Number(batch), (counts.get(Number(batch)) ?? 0) + count)
    }
    return counts
  } finally {
    await reader.close()
  }
}

const log = {
  name: 'log',
  about: 'lineage log, graph, documents, checkpoint and truncation',
  async run(folder, tell) {
    const recorder = await openRecorder({ folder })
    let batch = 0
    const work = async (count) => {
      for (const last = batch + count; batch < last; batch++) {
        const events = batch === 0 ? [snapshotOf, ...tasksOf(0)] : tasksOf(batch)
        // The first one is sent until it is there: a snapshot comes before the tasks that read it.
        for (let tries = 0; tries < (batch === 0 ? 4 : 1); tries++) {
          if (!(await succeeds(() => recorder.record(events)))) continue
          tell(`batch ${batch}`)
          break
        }
        const number = batch
        if (await succeeds(() => recorder.put('document', String(number)))) tell(`document ${number}`)
      }
    }
    await work(3)
    // A projection that failed is tried again after a second; a disk that is gone for good is not waited for.
    await Promise.race([recorder.projected().catch(() => {}), systemClock.sleep(2_500)])
    if (await succeeds(() => recorder.checkpoint(0))) tell('checkpoint')
    await work(2)
    if (await succeeds(() => recorder.rebuild())) tell('rebuilt')
    await work(1)
    await recorder.close()
  },
  async check(folder, told) {
    const broken = []
    const recorder = await openRecorder({ folder })
    try {
      await recorder.projected()
      const before = await inGraph(folder)
      for (let batch = 0; batch < batches; batch++) {
        const count = before.get(batch) ?? 0
        if (count !== 0 && count !== perBatch) broken.push(`batch ${batch} is in the graph ${count} of ${perBatch} times`)
        if (count === 0 && told.includes(`batch ${batch}`) && told.includes('batch 0'))
          broken.push(`batch ${batch} was acknowledged and is lost`)
      }
      const documents = told.filter((each) => each.startsWith('document ')).map((each) => Number(each.slice(9)))
      const document = Number((await recorder.get('document')) ?? -1)
      if (document < Math.max(-1, ...documents))
        broken.push(`the document is ${document}, and ${documents.at(-1)} was acknowledged`)
      if (!(await recorder.verify()).identical) broken.push('the graph is not what the log says')
      // Whoever had no answer sends again: then everything is there, once.
      for (let batch = 0; batch < batches; batch++) {
        if (told.includes(`batch ${batch}`)) continue
        if (batch > 0 && before.has(batch)) continue
        await recorder.record(batch === 0 ? [snapshotOf, ...(before.has(0) ? [] : tasksOf(0))] : tasksOf(batch))
      }
      await recorder.projected()
      const after = await inGraph(folder)
      for (let batch = 0; batch < batches; batch++)
        if (after.get(batch) !== perBatch)
          broken.push(`batch ${batch} is in the graph ${after.get(batch)} times after it was sent again`)
      if (!(await recorder.rebuild()).identical) broken.push('the rebuilt graph is another one')
    } finally {
      await recorder.close()
    }
    return broken
  },
}

// ---- packs

const packRows = 3_000
const packSql = (id) => `SELECT i AS a, hash(i + ${id}) AS b, 0::UTINYINT AS __fb_ordinal FROM range(${packRows}) t(i)`

async function withDuckdb(work) {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  try {
    return await work(new Session(connection))
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

const openPacks = async (folder) => {
  const registry = new PackRegistry({ folder: join(folder, 'packs'), bytesMax: 1e9, detach: async () => {} })
  await registry.open()
  return registry
}

const packs = {
  name: 'packs',
  about: 'packs built, described, superseded and dropped',
  async run(folder, tell) {
    const registry = await openPacks(folder)
    await withDuckdb(async (session) => {
      for (const id of [1, 2, 3]) {
        const pack = {
          id: `p-${id}`,
          path: registry.pathOf(`p-${id}`),
          dataset: 't',
          columns: ['a', 'b'],
          types: ['INTEGER', 'INTEGER'],
          ordinalColumn: '__fb_ordinal',
          segments: [`s-${id}`],
        }
        if (await succeeds(async () => registry.add(await publishPack(session, { to: 'pack', pack }, packSql(id)), 1)))
          tell(`pack ${id}`)
      }
      if (await succeeds(() => registry.drop(['p-1']))) tell('dropped 1')
      // What is served now must be there and whole, whatever went wrong before.
      for (const pack of registry.packs()) if (!existsSync(pack.path)) tell(`gone ${pack.id}`)
    })
  },
  async check(folder, told) {
    const broken = told.filter((each) => each.startsWith('gone ')).map((each) => `${each.slice(5)} is served and has no file`)
    const registry = await openPacks(folder)
    const known = registry.packs().map(({ id }) => Number(id.slice(2)))
    for (const id of [2, 3])
      if (told.includes(`pack ${id}`) && !known.includes(id)) broken.push(`pack ${id} was built and is lost`)
    if (told.includes('dropped 1') && known.includes(1)) broken.push('pack 1 was dropped and is there again')
    await withDuckdb(async (session) => {
      for (const { id, path, rows } of registry.packs()) {
        await session.run(`ATTACH '${path}' AS pack (READ_ONLY)`)
        const read = await session.rows('SELECT count(*), sum(b) FROM pack.main.pack')
        await session.run('DETACH pack')
        const made = await session.rows(`SELECT count(*), sum(b) FROM (${packSql(id.slice(2))})`)
        if (String(read) !== String(made) || rows !== packRows) broken.push(`${id} is not whole`)
      }
    })
    const files = readdirSync(join(folder, 'packs')).sort()
    const expected = registry.packs().flatMap(({ id }) => [`${id}.duckdb`, `${id}.json`])
    if (String(files) !== String(expected.sort())) broken.push(`left in the folder: ${files}`)
    return broken
  },
}

// ---- written tables and their snapshots

/** One planner pool for all runs: it reads footers, in processes of its own. */
let planner

const openTables = async (folder) => {
  planner ??= await openPlannerPool({ footerIdleMs: 600_000 })
  mkdirSync(join(folder, 'data'), { recursive: true })
  return openCatalog({
    dataFolder: join(folder, 'data'),
    stateFolder: join(folder, 'state'),
    readFooters: (paths, signal) => planner.readFooters(paths, signal),
    describeFiles: (paths, signal) => planner.describeFiles(paths, signal),
    keyValue: memoryKeyValue(),
    clock: systemClock,
    onError: () => {},
  })
}

const columns = [{ name: 'x', type: 'INTEGER' }]
const steps = [
  ['t', 'create', '1, 2'],
  ['t', 'insert', '3'],
  ['u', 'create', '7'],
  ['t', 'replace', '4, 5'],
  ['u', 'insert', '8'],
]

async function put(catalog, session, step) {
  const [table, mode, values] = steps[step]
  const write = await catalog.beginWrite(table, mode, columns)
  const path = join(write.folder, 'part-0.parquet')
  try {
    await session.run(`COPY (SELECT unnest([${values}])::INTEGER AS x) TO '${path}' (FORMAT parquet)`)
  } catch (error) {
    await write.abort()
    throw error
  }
  await write.commit([{ path, rows: values.split(',').length, bytes: 1 }], { idempotencyKey: `k${step}`, result: step })
}

async function rowsOf(catalog, session, table) {
  const paths = catalog.current(table)?.segments.map(({ file }) => `'${file.path}'`)
  if (paths === undefined) return 'absent'
  return (await session.rows(`SELECT x FROM read_parquet([${paths}])`)).map(String).join()
}

const tables = {
  name: 'tables',
  about: 'written tables, their snapshots and their manifest',
  async run(folder, tell) {
    await withDuckdb(async (session) => {
      const catalog = await openTables(folder)
      try {
        for (const step of steps.keys()) if (await succeeds(() => put(catalog, session, step))) tell(`step ${step}`)
      } finally {
        await catalog.close()
      }
    })
  },
  check: (folder, told) =>
    withDuckdb(async (session) => {
      const broken = []
      const catalog = await openTables(folder)
      try {
        const done = [...steps.keys()].filter((step) => catalog.rememberedResult(`k${step}`) !== undefined)
        for (const step of steps.keys())
          if (told.includes(`step ${step}`) && !done.includes(step)) broken.push(`step ${step} was acknowledged and is lost`)
        const expected = { t: 'absent', u: 'absent' }
        for (const step of done) {
          const [table, mode, values] = steps[step]
          const rows = values.replaceAll(' ', '')
          expected[table] = mode === 'insert' ? `${expected[table]},${rows}` : rows
        }
        for (const table of ['t', 'u']) {
          const rows = await rowsOf(catalog, session, table)
          if (rows !== expected[table]) broken.push(`${table} has ${rows} after steps ${done}, not ${expected[table]}`)
        }
        await put(catalog, session, done.includes(2) ? 4 : 2)
      } catch (error) {
        broken.push(`it does not go on: ${error}`)
      } finally {
        await catalog.close()
      }
      return broken
    }),
}

// ---- what was promised with 202

const journalOf = (folder) => Journal.open(join(folder, 'promises', 'journal.jsonl'))

const journal = {
  name: 'journal',
  about: 'accepted queries',
  async run(folder, tell) {
    // A server that cannot open it does not start, and is started again.
    const open = await journalOf(folder).catch(() => journalOf(folder))
    const promise = async (key) => {
      const isPromised = await succeeds(() => open.put(key, `the query ${key}`))
      if (isPromised) tell(`put ${key}`)
      return isPromised
    }
    const forgettable = await promise('a')
    for (const key of ['b', 'c', 'd']) await promise(key)
    if (forgettable) {
      tell('may forget a')
      if (await succeeds(() => open.done('a'))) tell('forgot a')
    }
    await promise('e')
    await open.close()
  },
  async check(folder, told) {
    const open = await journalOf(folder)
    const entries = open.entries()
    await open.close()
    const broken = []
    for (const key of ['a', 'b', 'c', 'd', 'e']) {
      const isThere = entries.get(key) === `the query ${key}`
      if (told.includes(`put ${key}`) && !told.includes(`may forget ${key}`) && !isThere)
        broken.push(`${key} was promised and is lost`)
      if (told.includes(`forgot ${key}`) && entries.has(key)) broken.push(`${key} was forgotten and is there again`)
    }
    return broken
  },
}

export const programs = { journal, log, packs, tables }

/** Ends what the programs share. */
export async function closePrograms() {
  await planner?.close()
  planner = undefined
}
