/**
 * A million lineage events, recorded and projected into the embedded graph and into real graph databases, which are started when
 * they do not run: tasks with their reads, answers, evictions and events of other programs. Each graph must then be the one that the
 * log gives, and all must be one graph. `npm run test:graphs -- 50000 neo4j` takes fewer events and one database.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openRecorder } from '../dist/lineage/recorder.js'
import { lineageStores } from '../dist/server/lineage-stores.js'
import { contextOf, knownServers, pause, startServer, stopServer } from './servers/support.mjs'

const words = process.argv.slice(2)
const wanted = Number(words.find((word) => /^\d+$/.test(word)) ?? 1_000_000)
const named = words.filter((word) => !/^\d+$/.test(word))
const names = named.length > 0 ? named : ['neo4j', 'janusgraph']
const perCall = 500
const segments = 256
const firstAt = 1_780_000_000_000_000
const folder = mkdtempSync(join(tmpdir(), 'forebay-test-graphs-'))
const known = await knownServers()
const started = []
let failed = false

try {
  const urls = []
  for (const name of names) {
    const server = known.get(name)
    if (await startServer(server, console.error)) started.push(server)
    urls.push(server.urls(contextOf(server))[name === 'janusgraph' ? 'gremlin' : 'bolt'])
  }
  const stores = lineageStores(urls)
  const recorder = await openRecorder({ folder, stores })
  await run(recorder, stores)
  await recorder.close()
} finally {
  for (const server of started) await stopServer(server)
  rmSync(folder, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)

async function run(recorder, stores) {
  const graphs = ['sqlite', ...stores.map(({ name }) => name)]
  // What a database held before was of another log.
  for (const name of graphs.slice(1)) await recorder.rebuild(name)
  const startedAt = performance.now()
  await recorder.record([snapshot()])
  for (let number = 0; number < wanted - 1; number += perCall) {
    await recorder.record(Array.from({ length: Math.min(perCall, wanted - 1 - number) }, (_, index) => event(number + index)))
    while (Math.max(...Object.values(recorder.lag())) > 200_000) await pause(100)
  }
  say(`${wanted} events recorded`, startedAt)
  await recorder.projected()
  for (const name of graphs) {
    while (recorder.lag()[name] > 0) await pause(100)
    say(`${name} has them all`, startedAt)
  }
  const from = performance.now()
  const report = await recorder.verify('sqlite')
  say(JSON.stringify(report), from)
  failed ||= !report.identical || report.events !== wanted || report.setAside > 0
  for (const { name, module, options } of stores) failed ||= (await digestOf(name, module, options)).hash !== report.hash
  console.log(failed ? 'the graphs are NOT equal' : `${graphs.join(', ')}: equal, and what the log gives`)
}

/** What a database holds, read by itself: to make the graph from the log once is enough. */
async function digestOf(name, module, options) {
  const from = performance.now()
  const { openLineageStore } = await import(module)
  const store = await openLineageStore(options)
  const digest = await store.digest()
  await store.close()
  say(`${name}: ${JSON.stringify(digest)}`, from)
  return digest
}

function say(what, from) {
  console.log(`${what} after ${((performance.now() - from) / 1000).toFixed(1)} s`)
}

function snapshot() {
  const ordinals = [...Array(segments).keys()]
  return {
    kind: 'snapshot',
    id: 'snapshot:S1',
    at: firstAt,
    snapshot: 'S1',
    dataset: 'lineitem',
    segments: ordinals.map((ordinal) => ({ id: `s-${ordinal}`, rows: 1000, bytes: 50_000, columnBytes: { a: 9000 + ordinal } })),
    locations: ordinals.map((ordinal) => ({ path: `/lake/lineitem/${ordinal}.parquet`, version: 'v1' })),
  }
}

/** Of ten events seven are leaves, one a root, one is of another program, and one an answer or an eviction. */
function event(number) {
  const at = firstAt + number * 1_000
  const query = Math.floor(number / 10)
  const place = number % 10
  if (place < 7) return task(query, `leaf-${place}`, at, 'leaf', leafReads(query, place), [])
  const parents = [0, 1, 2, 3, 4, 5, 6].map((leaf) => segmentOf(query, `leaf-${leaf}`))
  if (place === 7) return task(query, 'root', at, 'root', [], parents)
  if (place === 8) return external(query, at)
  if (query % 2 === 0) return answer(query, at)
  return { kind: 'eviction', id: `evict-${query}`, at, segments: [...parents, segmentOf(query - 1, 'root')] }
}

function segmentOf(query, name) {
  return `d-${query % 2_000}-${name}`
}

function leafReads(query, place) {
  const bits = Buffer.alloc(segments / 8)
  bits[(query + place * 5) % bits.length] = 7 + (query % 200)
  const read = { dataset: 'lineitem', snapshot: 'S1', segments: bits.toString('base64'), columns: ['a'] }
  return [
    { ...read, tier: query % 3 === 0 ? 'pack' : 'parquet', source: 'storage', bytes: 100_000 + query, rows: 3000, micros: 2100 },
  ]
}

function task(query, name, at, role, baseReads, parents) {
  const type = role === 'leaf' ? 'aggregate' : 'merge'
  return {
    kind: 'task',
    id: `q-${query}-${name}#1`,
    at,
    queryId: `q-${query}`,
    tenant: 'default',
    template: `template-${query % 40}`,
    node: `n${(query % 4) + 1}`,
    incarnation: 1,
    role,
    transformation: { type, operators: [{ type, detail: `sum(a) by b, ${query % 40}` }], shape: `${type}-${query % 40}` },
    baseReads,
    derivedReads: parents.map((segment) => ({ segment, tier: 'remote', source: `n${(query % 3) + 1}`, bytes: 900, rows: 4 })),
    transfers: [],
    output: { segment: segmentOf(query, name), rows: 4, bytes: 900 + (query % 7), location: '/spool/partial.parquet' },
    cost: { cpuMicros: 10_000 + query, peakMemoryBytes: 30_000_000, queueMicros: 150, wallMicros: 11_000 },
  }
}

function answer(query, at) {
  const segment = segmentOf(query, 'root')
  const transfer = { segment, source: 'n1', destination: 'client', via: 'network', bytes: 900, rows: 4, micros: 120, at }
  return { kind: 'answer', id: `answer-${query}`, at, queryId: `q-${query}`, segment, transfer }
}

/** A run's start or its end, which comes first for every other one. */
function external(query, at) {
  const run = Math.floor(query / 2)
  const type = query % 2 === Math.floor(run % 2) ? 'START' : 'COMPLETE'
  const dataset = (name) => ({ namespace: 'postgres://db:5432', name: `${name}_${run % 500}` })
  const text = JSON.stringify({
    eventType: type,
    eventTime: new Date(at / 1000).toISOString(),
    producer: 'https://example.com/test',
    schemaURL: 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent',
    run: { runId: `01900000-0000-7000-8000-${run.toString(16).padStart(12, '0')}` },
    job: { namespace: 'test', name: `load_${run % 500}` },
    inputs: [dataset('raw')],
    outputs: type === 'COMPLETE' ? [dataset('mart')] : [],
  })
  return { kind: 'openlineage', id: `ol-${query}`, at, text }
}
