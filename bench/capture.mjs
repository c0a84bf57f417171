/**
 * What capturing lineage costs a query: two servers on the same data, one as it is and one whose capturing modules are empty,
 * asked the same question in turn; the ratio is taken pair by pair. And what one task's event costs, in CPU of all processes,
 * by the difference over many small queries.
 */
import { join } from 'node:path'
import { inFolder, quick } from './support/folders.mjs'
import { cpuMsOfTree, metric, serve } from './support/forebay-server.mjs'
import { makeOrders, revenueQuery } from './support/orders-lake.mjs'
import { report } from './support/report.mjs'
import { figure, interleave, median, medianBounds, spread } from './support/statistics.mjs'

const rounds = quick ? 300 : 2_000
const rows = []

await inFolder('capture', async (folder) => {
  const data = join(folder, 'lake')
  await makeOrders(data)
  const hook = new URL('./support/without-capture.mjs', import.meta.url)
  const servers = {
    on: await serve({ data, state: join(folder, 'on'), flags: ['--proactive', 'off'] }),
    off: await serve({ data, state: join(folder, 'off'), flags: ['--proactive', 'off'], nodeOptions: `--import ${hook}` }),
  }
  await paired(servers, 'one task', (round) => ({ sql: revenueQuery(round), reuse: false }))
  await paired(servers, 'tree', (round) => ({ sql: revenueQuery(round), reuse: false, tree: 'always' }))
  const events = await metric(servers.off, 'forebay_lineage_events_total')
  rows.push(figure('events of the server without capture (snapshots of its tables)', events, ''))
  await cpu(servers)
  await Promise.all(Object.values(servers).map((server) => server.stop()))
})
report('capture', rows)

async function paired(servers, name, question) {
  for (const server of Object.values(servers))
    for (let round = 0; round < 40; round++) await server.post('/v1/query', question(round))
  const times = await interleave(rounds, {
    on: (round) => servers.on.post('/v1/query', question(round)),
    off: (round) => servers.off.post('/v1/query', question(round)),
  })
  const bounds = medianBounds(times.on.map((ms, round) => ms / times.off[round]))
  rows.push(spread(`capture on, ${name}`, times.on, 'ms'))
  rows.push(spread(`capture off, ${name}`, times.off, 'ms'))
  rows.push(figure(`on ÷ off, ${name}, median of pairs`, bounds.middle, '×'))
  rows.push(figure(`on ÷ off, ${name}, upper 95 % bound`, bounds.high, '×', '≤ 1.03'))
  rows.push(figure(`p50 ÷ p50, ${name}`, median(times.on) / median(times.off), '×'))
}

/** Blocks of the same queries on either side; CPU of the server and all its processes, by the kernel's count. */
async function cpu(servers) {
  const perBlock = quick ? 200 : 500
  const blocks = quick ? 2 : 6
  const differences = []
  for (let block = 0; block < blocks; block++) {
    const used = {}
    for (const side of block % 2 === 0 ? ['on', 'off'] : ['off', 'on']) {
      const server = servers[side]
      const before = cpuMsOfTree(server.pid)
      for (let query = 0; query < perBlock; query++) await server.ask(`SELECT ${query} AS n`, { reuse: false })
      // The recorder projects what it has committed a moment later.
      await new Promise((done) => setTimeout(done, 1_500))
      used[side] = cpuMsOfTree(server.pid) - before
    }
    differences.push(((used.on - used.off) * 1_000) / perBlock)
  }
  rows.push(spread('CPU of all processes per query with one task, on − off (task and answer events)', differences, 'µs'))
}
