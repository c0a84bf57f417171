/**
 * Memory of the coordinator (its recorder and reader threads are in the same process) with 10,000 queries of history, asked for
 * real by sixteen clients, and a lineage graph of a million edges: after the start, after the queries, and after the reads that a
 * console makes.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { SqliteLineageStore } from '../dist/lineage/sqlite/sqlite-lineage-store.js'
import { inFolder, quick } from './support/folders.mjs'
import { residentBytes, serve } from './support/forebay-server.mjs'
import { layeredGraph } from './support/layered-graph.mjs'
import { openDuckDB } from './support/plain-duckdb.mjs'
import { report } from './support/report.mjs'
import { figure } from './support/statistics.mjs'

const queries = quick ? 1_000 : 10_000
const edgesWanted = quick ? 100_000 : 1_000_000
const rows = []

await inFolder('memory', async (folder) => {
  const data = join(folder, 'lake')
  const state = join(folder, 'state')
  mkdirSync(data)
  const writer = await openDuckDB()
  await writer.run(`COPY (SELECT i::INTEGER AS id, (i % 40)::INTEGER AS shop, (i % 1000)::DECIMAL(12,2) AS amount
    FROM range(20000) r(i)) TO '${join(data, 'orders.parquet')}'`)
  writer.close()
  const empty = await serve({ data, state })
  note('a state folder without history, after the start', empty)
  await empty.stop()
  rows.push(figure('edges put into the graph', await fillGraph(state), ''))
  const server = await serve({ data, state })
  note('a graph of so many edges, after the start', server)
  const startedAt = performance.now()
  await ask(server)
  rows.push(figure('queries asked', queries, ''))
  rows.push(figure('in', (performance.now() - startedAt) / 1000, 's'))
  note('after them', server)
  for (let turn = 0; turn < 20; turn++) {
    await server.get('/v1/queries?limit=1000')
    await server.get('/v1/hot-segments?limit=100')
    await server.get(`/v1/lineage?from=segment:d-9-${turn}&direction=upstream&depth=5&limit=1000`)
    await server.get('/v1/forecast')
    await server.metrics()
  }
  note('after history, hot segments, traces, forecasts and metrics were read 20 times', server)
  await server.stop()
  const again = await serve({ data, state })
  note('after a restart', again, '≤ 300')
  await again.stop()
  const most = Math.max(...rows.filter((row) => row.unit === 'MB').map((row) => row.value))
  rows.push(figure('the most of these', most, 'MB', '≤ 300'))
})
report('memory', rows)

function note(when, server, asked = '') {
  rows.push(figure(`memory of the coordinator: ${when}`, residentBytes(server.pid) / 1e6, 'MB', asked))
}

/** Written past the log: only the size of the graph matters here, and the log would take longer to fill. */
async function fillGraph(state) {
  const store = SqliteLineageStore.open(join(state, 'lineage', 'graph.sqlite'))
  let edges = 0
  for (const batch of layeredGraph(10, Math.round(edgesWanted / 70))) {
    edges += batch.edges.length
    await store.apply({ ...batch, from: await store.offset(), to: await store.offset() }, new AbortController().signal)
  }
  await store.close()
  return edges
}

async function ask(server) {
  let next = 0
  const client = async () => {
    while (next < queries) {
      const number = next++
      const text = `SELECT shop, count(*) AS c${number % 200} FROM orders WHERE id > ${number} GROUP BY shop ORDER BY shop`
      await server.ask(text, { tenant: `tenant-${number % 20}` })
    }
  }
  await Promise.all(Array.from({ length: 16 }, client))
}
