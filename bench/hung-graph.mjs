/**
 * What a graph database that accepts connections and never answers costs queries: two servers on the same data, one of which
 * keeps its lineage in such a database too, asked the same questions in turn. The 95th percentile is taken over blocks of pairs,
 * since the machine's own unrest comes and goes.
 */
import { createServer } from 'node:net'
import { join } from 'node:path'
import { inFolder, quick } from './support/folders.mjs'
import { metric, serve } from './support/forebay-server.mjs'
import { makeOrders, revenueQuery } from './support/orders-lake.mjs'
import { report } from './support/report.mjs'
import { figure, interleave, medianBounds, quantile, spread } from './support/statistics.mjs'

const blocks = quick ? 5 : 40
const pairsPerBlock = 100
const asked = 1.02
const rows = []

await inFolder('hung-graph', async (folder) => {
  const data = join(folder, 'lake')
  await makeOrders(data)
  const hanging = await hang()
  const { port } = hanging.address()
  const lineage = `neo4j://forebay:none@127.0.0.1:${port}`
  const servers = {
    without: await serve({ data, state: join(folder, 'without'), flags: ['--proactive', 'off'] }),
    hung: await serve({ data, state: join(folder, 'hung'), flags: ['--proactive', 'off', '--lineage', lineage] }),
  }
  const sides = Object.fromEntries(
    Object.entries(servers).map(([name, server]) => [name, (round) => server.ask(revenueQuery(round), { reuse: false })]),
  )
  await interleave(2 * pairsPerBlock, sides)
  const p95 = { without: [], hung: [] }
  for (let block = 0; block < blocks; block++) {
    const times = await interleave(pairsPerBlock, sides)
    for (const side of Object.keys(p95)) p95[side].push(quantile(times[side], 0.95))
  }
  const bounds = medianBounds(p95.hung.map((ms, block) => ms / p95.without[block]))
  rows.push(spread('p95 without a graph database', p95.without, 'ms'))
  rows.push(spread('p95 with one that never answers', p95.hung, 'ms'))
  rows.push(figure('ratio of the p95, median of blocks', bounds.middle, '×', `≤ ${asked}`))
  rows.push(figure('the same, upper 95 % bound', bounds.high, '×'))
  rows.push(
    figure('events that it has not applied', await metric(servers.hung, 'forebay_lineage_lag_events', 'store="neo4j"'), ''),
  )
  rows.push(figure('connections that wait there', hanging.accepted, ''))
  await Promise.all(Object.values(servers).map((server) => server.stop()))
  hanging.end()
})
report('hung-graph', rows)

/** Takes connections and what is sent, and says nothing. */
async function hang() {
  const sockets = new Set()
  const server = createServer((socket) => {
    sockets.add(socket)
    server.accepted++
    socket.on('error', () => {}).resume()
  })
  server.accepted = 0
  server.end = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  return server
}
