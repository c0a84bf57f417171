/**
 * The three lineage stores side by side, on servers that are started when they do not run: aggregated rows applied a second (new,
 * and again), and traces at depth 5 on a graph of a million edges. `--quick` takes a twentieth. A store that cannot be had is said.
 * Names after the flags choose stores: `node bench/stores.mjs --quick sqlite neo4j`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JanusGraphLineageStore } from '../dist/lineage/janusgraph/janusgraph-lineage-store.js'
import { Neo4jLineageStore } from '../dist/lineage/neo4j/neo4j-lineage-store.js'
import { SqliteLineageStore } from '../dist/lineage/sqlite/sqlite-lineage-store.js'
import { contextOf, knownServers, startServer, stopServer } from '../scripts/servers/support.mjs'
import { quantile, report } from './support/report.mjs'

const quick = process.argv.includes('--quick')
const chosen = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const edgesWanted = quick ? 50_000 : 1_000_000
const rowsPerBatch = 2_000
const layers = 10
const traces = quick ? 200 : 600
const never = new AbortController().signal
const rows = []
const folder = mkdtempSync(join(tmpdir(), 'forebay-bench-stores-'))
const known = await knownServers()

const stores = [
  { name: 'sqlite', open: async () => SqliteLineageStore.open(join(folder, 'graph.sqlite')) },
  { name: 'neo4j', server: 'neo4j', open: (urls) => Neo4jLineageStore.open(urls.bolt) },
  { name: 'neo4j-2026', server: 'neo4j-2026', open: (urls) => Neo4jLineageStore.open(urls.bolt) },
  { name: 'janusgraph', server: 'janusgraph', open: (urls) => JanusGraphLineageStore.open(urls.gremlin) },
]
const hashes = new Set()
for (const store of stores) {
  if (chosen.length > 0 ? chosen.includes(store.name) : store.name !== 'neo4j-2026') await measure(store)
}
rmSync(folder, { recursive: true })
report('stores', rows)
if (hashes.size > 1) throw new Error(`the stores hold different graphs: ${[...hashes].join(', ')}`)

async function measure({ name, server, open }) {
  let started = false
  try {
    if (server !== undefined) started = await startServer(known.get(server), console.error)
    const store = await open(server === undefined ? {} : known.get(server).urls(contextOf(known.get(server))))
    await store.clear()
    await warmUp(store)
    await apply(name, store)
    await trace(name, store)
    await store.clear()
    await store.close()
  } catch (error) {
    if (server === undefined) throw error
    note(name, `not measured: ${error.message.split('\n')[0]}`, Number.NaN, '')
    console.error(error)
  } finally {
    if (started) await stopServer(known.get(server))
  }
}

/** Servers on a virtual machine compile what runs often; what a fresh one does is not what is asked. */
async function warmUp(store) {
  const part = { layers: 3, width: 2_000 }
  for (const batch of [...batches(part), ...batches(part)]) await store.apply(batch, never)
  await store.clear()
}

async function apply(name, store) {
  const width = Math.round(edgesWanted / (2 * layers + 5 * (layers - 1)))
  for (const turn of ['new', 'again']) {
    let edges = 0
    let seconds = 0
    const until = turn === 'new' ? Number.POSITIVE_INFINITY : 100_000
    for (const batch of batches({ layers, width })) {
      if (edges >= until) break
      edges += batch.edges.length
      // To make the batches takes a fifth as long as SQLite takes to apply them, and is not what is asked.
      const before = performance.now()
      await store.apply(batch, never)
      seconds += (performance.now() - before) / 1000
    }
    note(name, `aggregated rows applied a second, ${turn}`, Math.round(edges / seconds), 'rows/s')
    console.error(name, turn, edges, Math.round(edges / seconds))
  }
}

async function trace(name, store) {
  const width = Math.round(edgesWanted / (2 * layers + 5 * (layers - 1)))
  for (const limit of [100, 1_000]) {
    for (const direction of ['upstream', 'downstream']) {
      const times = []
      let edges = 0
      for (let turn = -traces / 4; turn < traces; turn++) {
        const layer = direction === 'upstream' ? layers - 1 : 0
        const from = [`d-${layer}-${((turn + traces) * 7919) % width}`]
        const before = performance.now()
        const graph = await store.trace(from, { direction, depth: 5, limit }, never)
        edges = graph.edges.length
        if (turn >= 0) times.push(performance.now() - before)
      }
      for (const share of [0.5, 0.99]) {
        const value = Number(quantile(times, share).toPrecision(3))
        note(name, `trace ${direction}, depth 5, ${edges} edges, p${share * 100}`, value, 'ms')
        console.error(name, direction, edges, share, value)
      }
    }
  }
  const before = performance.now()
  await store.hottest(20, Date.now() * 1000)
  note(name, 'hottest 20 segments', Math.round(performance.now() - before), 'ms')
  const digested = performance.now()
  const { edges, hash } = await store.digest()
  note(name, `digest of ${edges} edges`, Math.round(performance.now() - digested), 'ms')
  hashes.add(hash)
  console.error(rows.slice(-2))
}

/** Layers of segments, each made of five of the layer before and processed by two nodes; as parts of a checkpoint. */
function* batches({ layers: count, width }) {
  for (let layer = 0; layer < count; layer++) {
    let batch = emptyBatch()
    for (let index = 0; index < width; index++) {
      addSegment(batch, layer, index, width)
      if (batch.edges.length < rowsPerBatch && index < width - 1) continue
      yield batch
      batch = emptyBatch()
    }
  }
}

function emptyBatch() {
  const node = (number) => ({ type: 'ProcessingNode', id: `n${number}`, kind: 'duckdb', roles: ['leaf'], host: '' })
  return { from: 0, to: 0, vertices: [1, 2, 3, 4, 5, 6, 7, 8].map(node), edges: [], folds: [] }
}

function addSegment(batch, layer, index, width) {
  const id = `d-${layer}-${index}`
  const at = 1_780_000_000_000_000 + index
  const totals = { rows: 10, bytes: 1000, cpuMicros: 100, peakMemoryBytes: 1000, queueMicros: 1, transferMicros: 10 }
  const transformation = { type: 'aggregate', detail: 'sum(l_quantity) by l_returnflag', shape: 'fedcba9876543210' }
  const common = { transformation, firstAt: at, lastAt: at, count: 1, totals, days: [[Math.floor(at / 86_400_000_000), 1]] }
  const described = { kind: 'derived', dataset: null, version: null, rows: 10, bytes: 1000, location: '/spool' }
  batch.vertices.push({ type: 'DataSegment', id, ...described })
  for (let node = 0; node < 2; node++) {
    const to = `n${((index + node * 3) % 8) + 1}`
    batch.edges.push({ ...common, from: id, to, type: 'PROCESSED_BY', sourceNode: 'n1', destinationNode: to })
  }
  const parents = layer === 0 ? 0 : 5
  for (let parent = 0; parent < parents; parent++) {
    const from = `d-${layer - 1}-${(index * 31 + parent * 104_729) % width}`
    batch.edges.push({ ...common, from, to: id, type: 'TRANSFORMED_INTO', sourceNode: 'n1', destinationNode: 'n2' })
  }
}

function note(store, what, value, unit) {
  rows.push({ store, measure: `${store}: ${what}`, value, unit })
}
