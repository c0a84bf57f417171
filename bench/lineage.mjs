/**
 * Lineage under load: durable events a second with eight writers and what one event costs the event loop, when it can be read at
 * 1,000 events a second, and the time of traces on a graph of a million edges. `--quick` takes a tenth of everything.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLineageReader } from '../dist/lineage/lineage-reader.js'
import { openRecorder } from '../dist/lineage/recorder.js'
import { SqliteLineageStore } from '../dist/lineage/sqlite/sqlite-lineage-store.js'
import { layeredGraph } from './support/layered-graph.mjs'
import { quantile, report } from './support/report.mjs'

const scale = process.argv.includes('--quick') ? 0.1 : 1
const writers = 8
const rows = []
const never = new AbortController().signal

function snapshot(segments) {
  const ordinals = [...Array(segments).keys()]
  return {
    kind: 'snapshot',
    id: 'snapshot:S1',
    at: Date.now() * 1000,
    snapshot: 'S1',
    dataset: 'lineitem',
    segments: ordinals.map((ordinal) => ({
      id: `s-${ordinal}`,
      rows: 1000,
      bytes: 50_000,
      columnBytes: { l_quantity: 9000, l_tax: 4000 },
    })),
    locations: ordinals.map((ordinal) => ({ path: `/lake/lineitem/${ordinal}.parquet`, version: 'v1' })),
  }
}

/** A leaf's event as a node sends it: eight of 256 segments read, one partial made. */
function leaf(number) {
  const bytes = Buffer.alloc(32)
  bytes[number % 32] = 255
  return {
    kind: 'task',
    id: `q-${number}-leaf-0#1`,
    at: Date.now() * 1000,
    queryId: `q-${number}`,
    tenant: 'default',
    template: '0123456789abcdef',
    node: `n${(number % 4) + 1}`,
    incarnation: 1,
    role: 'leaf',
    transformation: {
      type: 'aggregate',
      operators: [
        { type: 'filter', detail: 'l_shipdate <= ?' },
        { type: 'aggregate', detail: 'sum(l_quantity), avg(l_tax) by l_returnflag, l_linestatus' },
      ],
      shape: 'fedcba9876543210',
    },
    baseReads: [
      {
        dataset: 'lineitem',
        snapshot: 'S1',
        segments: bytes.toString('base64'),
        columns: ['l_quantity', 'l_tax'],
        tier: 'parquet',
        source: `n${(number % 4) + 1}`,
        bytes: 104_000,
        rows: 8000,
        micros: 2100,
      },
    ],
    derivedReads: [],
    transfers: [],
    output: { segment: `d-${number % 5000}`, rows: 4, bytes: 900, location: '/spool/partial.parquet' },
    cost: { cpuMicros: 10_000, peakMemoryBytes: 30_000_000, queueMicros: 150, wallMicros: 11_000 },
  }
}

async function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-bench-lineage-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function durableEvents(batch) {
  await inFolder(async (folder) => {
    const recorder = await openRecorder({ folder })
    await recorder.record([snapshot(256)])
    const events = Math.round((batch === 1 ? 20_000 : 100_000) * scale)
    let next = 0
    const waits = []
    const cpuBefore = process.cpuUsage()
    const loopBefore = performance.eventLoopUtilization()
    const startedAt = performance.now()
    const write = async () => {
      while (next < events) {
        const first = next
        next += batch
        const part = [...Array(batch).keys()].map((index) => leaf(first + index))
        const from = performance.now()
        await recorder.record(part)
        waits.push(performance.now() - from)
      }
    }
    await Promise.all([...Array(writers).keys()].map(write))
    const durableMs = performance.now() - startedAt
    const loop = performance.eventLoopUtilization(loopBefore)
    await recorder.projected()
    const projectedMs = performance.now() - startedAt
    const cpu = process.cpuUsage(cpuBefore)
    const name = batch === 1 ? 'one event a call' : `${batch} events a call`
    rows.push(
      {
        measure: `durable events/s, ${writers} writers, ${name}`,
        value: Math.round((events / durableMs) * 1000),
        unit: 'events/s',
      },
      { measure: `acknowledged, p50, ${name}`, value: quantile(waits, 0.5), unit: 'ms' },
      { measure: `acknowledged, p99, ${name}`, value: quantile(waits, 0.99), unit: 'ms' },
      { measure: `event loop busy per event, ${name}`, value: (loop.active * 1000) / events, unit: 'µs' },
      { measure: `CPU per event until it is in the graph, ${name}`, value: (cpu.user + cpu.system) / events, unit: 'µs' },
      { measure: `projected events/s, ${name}`, value: Math.round((events / projectedMs) * 1000), unit: 'events/s' },
    )
    await recorder.close()
  })
}

async function readable() {
  await inFolder(async (folder) => {
    const recorder = await openRecorder({ folder })
    const reader = await openLineageReader({ folder })
    await recorder.record([snapshot(256)])
    const seconds = Math.max(1, 5 * scale)
    const delays = []
    const pending = []
    for (let tick = 0; tick < seconds * 20; tick++) {
      const events = [...Array(50).keys()].map((index) => leaf(tick * 50 + index))
      const from = performance.now()
      pending.push(
        recorder.record(events).then(async () => {
          const request = { from: `segment:${events[49].output.segment}`, direction: 'upstream', depth: 5, limit: 100 }
          while ((await reader.trace(request).catch(() => '')) === '') await new Promise((resolve) => setTimeout(resolve, 1))
          delays.push(performance.now() - from)
        }),
      )
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await Promise.all(pending)
    rows.push({ measure: 'readable at 1,000 events/s, p99', value: quantile(delays, 0.99), unit: 'ms' })
    await reader.close()
    await recorder.close()
  })
}

async function traces() {
  await inFolder(async (folder) => {
    const path = join(folder, 'graph.sqlite')
    const recorder = await openRecorder({ folder })
    await recorder.projected()
    await recorder.close()
    const store = SqliteLineageStore.open(path)
    const layers = 10
    const width = Math.round((143_000 * scale) / layers)
    const startedAt = performance.now()
    let edges = 0
    for (const batch of layeredGraph(layers, width)) {
      edges += batch.edges.length
      await store.apply(batch, never)
    }
    rows.push({
      measure: 'edges applied/s',
      value: Math.round((edges / (performance.now() - startedAt)) * 1000),
      unit: 'edges/s',
    })
    await store.close()
    rows.push({ measure: 'edges in the graph', value: edges, unit: '' })
    rows.push({ measure: 'graph on disk per edge', value: statSync(path).size / edges, unit: 'bytes' })
    // The graph is what is measured here: its offset is set to the (empty) log's, so that the recorder takes it as it is.
    const again = await openRecorder({ folder })
    const reader = await openLineageReader({ folder })
    for (const direction of ['upstream', 'downstream', 'both']) {
      const times = []
      for (let turn = 0; turn < 600; turn++) {
        const layer = direction === 'upstream' ? layers - 1 : direction === 'downstream' ? 0 : 5
        const from = `segment:d-${layer}-${(turn * 7919) % width}`
        const begin = performance.now()
        const text = await reader.trace({ from, direction, depth: 5, limit: 1000 })
        if (turn >= 100) times.push(performance.now() - begin)
        if (turn === 0) rows.push({ measure: `edges of a trace ${direction}`, value: JSON.parse(text).edges.length, unit: '' })
      }
      rows.push({ measure: `trace ${direction}, depth 5, limit 1,000, p50`, value: quantile(times, 0.5), unit: 'ms' })
      rows.push({ measure: `trace ${direction}, depth 5, limit 1,000, p99`, value: quantile(times, 0.99), unit: 'ms' })
    }
    const begin = performance.now()
    await reader.hottest(20, Date.now())
    rows.push({ measure: 'hottest 20 segments', value: performance.now() - begin, unit: 'ms' })
    await reader.close()
    await again.close()
  })
}

await durableEvents(100)
await durableEvents(1)
await readable()
await traces()
report(
  'lineage',
  rows.map((row) => ({ ...row, value: Math.abs(row.value) >= 100 ? Math.round(row.value) : Number(row.value.toPrecision(3)) })),
)
