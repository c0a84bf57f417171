/**
 * What a queue adds to a query: the same queries on servers that differ in their queue alone, asked in turn; one task, and a
 * tree of two levels; RabbitMQ also with quorum queues. Brokers are started when they do not run. A broker that cannot be had is said.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { EmbeddedTaskQueue } from '../dist/queue/embedded/embedded-task-queue.js'
import { contextOf, knownServers, startServer, stopServer } from '../scripts/servers/support.mjs'
import { inFolder, quick } from './support/folders.mjs'
import { serve } from './support/forebay-server.mjs'
import { openDuckDB } from './support/plain-duckdb.mjs'
import { report } from './support/report.mjs'
import { figure, interleave, median, quantile, rounded } from './support/statistics.mjs'

const rounds = quick ? 100 : 400
const asked = { rabbitmq: 3, kafka: 8 }
const rows = []

rows.push(figure('embedded queue: publish to delivery, p50', await embeddedMs(), 'ms', '≤ 0.3'))
await inFolder('queues', async (folder) => {
  const data = join(folder, 'lake')
  mkdirSync(data)
  const writer = await openDuckDB(data)
  mkdirSync(join(data, 'points'))
  for (let part = 0; part < 4; part++) {
    await writer.run(`COPY (SELECT i % 7 AS k, i AS v FROM range(2000) t(i)) TO '${join(data, 'points', `p${part}.parquet`)}'`)
  }
  writer.close()
  const started = []
  const servers = { embedded: await open('embedded') }
  for (const [name, server] of await knownServers()) {
    if (asked[name] === undefined) continue
    try {
      if (await startServer(server)) started.push(server)
      const [url] = Object.values(server.urls(contextOf(server)))
      servers[name] = await open(name, url)
      if (name === 'rabbitmq') servers['rabbitmq, replicated'] = await open('replicated', `${url}?replicated=true`)
    } catch (error) {
      rows.push({ measure: name, value: 'none', unit: error.message.slice(0, 100) })
    }
  }
  const queries = {
    'one task': (n) => [`SELECT sum(i) + ${n} AS s FROM range(1000) t(i)`, { tree: 'never' }, 1],
    'two levels': (n) => [`SELECT k, sum(v) + ${n} AS s FROM points GROUP BY k`, { tree: 'always' }, 2],
  }
  for (const [shape, query] of Object.entries(queries)) {
    const sides = Object.fromEntries(
      Object.entries(servers).map(([name, server]) => [
        name,
        (round) => {
          const [sql, more] = query(round)
          return server.ask(sql, { ...more, reuse: false })
        },
      ]),
    )
    await interleave(50, sides)
    const times = await interleave(rounds, sides)
    for (const [name, all] of Object.entries(times)) {
      const added = median(all) - median(times.embedded)
      const limit = asked[name] === undefined ? '' : `≤ ${asked[name] * query(0)[2]} added`
      const tail = { p90: rounded(quantile(all, 0.9)), p99: rounded(quantile(all, 0.99)) }
      rows.push({ ...figure(`${shape}, ${name}: p50`, median(all), 'ms'), added: rounded(added), ...tail, asked: limit })
    }
  }
  for (const server of Object.values(servers)) await server.stop()
  for (const server of started) await stopServer(server)

  function open(name, url) {
    const queue = url === undefined ? [] : ['--queue', url]
    return serve({ data, state: join(folder, name), flags: ['--proactive', 'off', '--nodes', '2', ...queue] })
  }
})
report('queues', rows)

async function embeddedMs() {
  const queue = new EmbeddedTaskQueue()
  const times = []
  let arrived = () => {}
  queue.consume('n1', 1, (delivery) => {
    arrived()
    void delivery.settle()
  })
  for (let n = 0; n < 5_000; n++) {
    const startedAt = performance.now()
    const delivered = new Promise((resolve) => {
      arrived = resolve
    })
    await queue.publish('n1', { taskId: `t${n}` }, 'interactive')
    await delivered
    times.push(performance.now() - startedAt)
  }
  await queue.close()
  return median(times)
}
