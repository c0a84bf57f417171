/**
 * 200,000 queries in at least half an hour: memory, descriptors, timers, files and the log's size must be flat after the warm-up. The log is
 * let go of what is older than a tenth of the run, so that it has its size when the warm-up is over; with what a server keeps by itself
 * (two million events) it would grow for ten times as long. A line is fitted through the second half of the samples, and its slope for
 * that half is printed.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { makeStatements, Oracle, rowsText, writeLake } from '../support/lake.mjs'
import { quantile, sleep } from '../support/random.mjs'
import { startServer, usageOf } from '../support/server.mjs'

const queriesWanted = 200_000

/** Growth over the samples' whole time by a least-squares line. */
function growth(samples, read) {
  const points = samples.map((sample) => [sample.at, read(sample)])
  const mean = (index) => points.reduce((sum, point) => sum + point[index], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const slope = points.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) / points.reduce((sum, [a]) => sum + (a - x) ** 2, 0)
  return { mean: y, grown: slope * (points.at(-1)[0] - points[0][0]) }
}

function entriesOf(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    // Gone meanwhile, or not there yet.
    return []
  }
}

function sizeOf(folder) {
  let [files, bytes] = [0, 0]
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name)
    const size = entry.isDirectory() ? sizeOf(path) : { files: 1, bytes: statSync(path, { throwIfNoEntry: false })?.size ?? 0 }
    files += size.files
    bytes += size.bytes
  }
  return { files, bytes }
}

/** Timers and heaps of all threads of a process, and the heap of its main thread. */
function countedOf(folder, pid) {
  const counted = readdirSync(folder)
    .filter((name) => name.startsWith(`${pid}-`) && name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
  const main = JSON.parse(readFileSync(join(folder, `${pid}-0.json`), 'utf8'))
  const sum = (read) => counted.reduce((total, each) => total + read(each), 0)
  return { timers: sum((each) => each.timers), heaps: sum((each) => each.heapUsed), heap: main.heapUsed }
}

async function run({ random, inner, say, check, seconds }) {
  const oracle = await Oracle.open()
  const data = inner('data')
  const state = inner('state')
  await writeLake(oracle, data, { files: 4, rows: 5_000 })
  const statements = makeStatements(random, 90)
  const expected = new Map()
  for (const sql of statements) expected.set(sql, await oracle.answer(sql))
  oracle.close()
  const resources = inner('resources')
  const server = await startServer({
    data,
    state,
    flags: ['--nodes', '2', '--disk', '500MB'],
    environment: {
      NODE_OPTIONS: `--import ${new URL('../support/count-resources.mjs', import.meta.url).href}`,
      FOREBAY_RESOURCES_FOLDER: resources,
    },
  })
  // Longer than asked is slower, not more: the rate may be low, since what is looked for is growth.
  const wanted = Math.min(queriesWanted, Math.round((queriesWanted * seconds) / scenario.seconds))
  const seen = { asked: 0, wrong: 0, failed: new Map() }
  const samples = []
  const began = performance.now()
  let over = false
  const client = async (number) => {
    const own = random.child(number)
    while (seen.asked < wanted || performance.now() - began < seconds * 1000) {
      // Not faster than the run is long: what leaks with time must have that time.
      if (seen.asked > (wanted * (performance.now() - began)) / (seconds * 1000)) {
        await sleep(5)
        continue
      }
      const index = seen.asked++
      const sql = index % 500 === 499 ? `CREATE OR REPLACE TABLE w${number} AS SELECT * FROM dims` : own.pick(statements)
      const answer = await server
        .query(sql, { reuse: own.next() < 0.8 })
        .catch((error) => ({ status: 0, error: { code: String(error) } }))
      if (answer.status !== 200) seen.failed.set(answer.error?.code, (seen.failed.get(answer.error?.code) ?? 0) + 1)
      else if (expected.has(sql) && rowsText(answer.body.rows) !== expected.get(sql)) seen.wrong++
    }
  }
  const watch = async () => {
    while (!over) {
      await sleep((seconds * 1000) / 60)
      const { rss, descriptors } = usageOf(server.pid)
      const nodes = server.children('node').map(({ pid }) => usageOf(pid).rss)
      await server.call('/v1/lineage/prune', { body: { olderThanMs: seconds * 100 }, waitMsMax: 300_000 })
      samples.push({
        at: (performance.now() - began) / 1000,
        queries: seen.asked,
        rss,
        descriptors,
        nodes: nodes.reduce((sum, each) => sum + each, 0),
        ...countedOf(resources, server.pid),
        temporary: sizeOf(join(state, 'nodes')),
        files: sizeOf(state).files,
        log: sizeOf(join(state, 'lineage')),
      })
    }
  }
  const watching = watch()
  await Promise.all([1, 2, 3, 4].map(client))
  const tookMs = performance.now() - began
  over = true
  await watching
  const half = samples.slice(Math.floor(samples.length / 2))
  say(`${seen.asked} queries in ${(tookMs / 60_000).toFixed(1)} minutes (${queriesWanted} in ≥ 30 asked)`)
  check(seen.wrong === 0, `${seen.wrong} wrong answers`)
  check(
    [...seen.failed.values()].reduce((sum, each) => sum + each, 0) === 0,
    `failed: ${[...seen.failed].map(([code, count]) => `${count} × ${code}`).join(', ') || 'none'}`,
  )
  const flat = (name, read, allowed, show = (value) => `${(value / 1e6).toFixed(1)} MB`) => {
    const { mean, grown } = growth(half, read)
    check(
      grown <= allowed * mean + (show(1e6).endsWith('MB') ? 8e6 : 0),
      `${name}: ${show(mean)} at the mean of the second half, ${show(grown)} grown over it (fit)`,
    )
  }
  const plain = (value) => value.toFixed(1)
  flat('memory of the coordinator', (sample) => sample.rss, 0.1)
  flat('memory of the nodes', (sample) => sample.nodes, 0.1)
  flat('descriptors', (sample) => sample.descriptors, 0.1, plain)
  flat('timers', (sample) => sample.timers, 0.3, plain)
  flat('heap of the main thread', (sample) => sample.heap, 0.3)
  flat('heaps of all its threads', (sample) => sample.heaps, 0.3)
  flat('files in the state folder', (sample) => sample.files, 0.1, plain)
  flat('temporary and derived files', (sample) => sample.temporary.bytes, 0.3)
  flat('the lineage folder', (sample) => sample.log.bytes, 0.1)
  say(
    `coordinator at the end ${(
      quantile(
        half.map((sample) => sample.rss),
        0.99,
      ) / 1e6
    ).toFixed(0)} MB`,
  )
  check((await server.kill('SIGTERM')) === 0, 'stops with 0')
}

export const scenario = { name: 'soak', about: '200,000 queries in half an hour: what grows', seconds: 1_800, run }
