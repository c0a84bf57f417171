/**
 * What being proactive costs those who ask while there is no idle moment: as many clients as keep all cores busy, on a server
 * that has learned of dashboards which come every few minutes (so that it forecasts, decides and prepares), proactive on against
 * off. Each turn is a server of its own, so that nothing is prepared while the other side is measured.
 */
import { mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { inFolder, quick } from './support/folders.mjs'
import { metric, serve } from './support/forebay-server.mjs'
import { openDuckDB } from './support/plain-duckdb.mjs'
import { report } from './support/report.mjs'
import { figure, medianBounds, quantile, spread } from './support/statistics.mjs'

const pairs = quick ? 1 : 3
const turnMs = quick ? 8_000 : 20_000
const clients = 4 * availableParallelism()
const minuteMs = 60_000
const rows = []
const dashboards = [
  'SELECT day, sum(amount) AS revenue FROM orders GROUP BY day ORDER BY day',
  'SELECT customer, sum(amount) AS spent FROM orders GROUP BY customer ORDER BY spent DESC, customer LIMIT 20',
  'SELECT shop, count(DISTINCT customer) AS customers FROM orders GROUP BY shop ORDER BY shop',
  'SELECT shop, day, count(*) AS orders FROM orders GROUP BY shop, day ORDER BY shop, day',
  'SELECT max(amount) AS largest, avg(amount) AS mean FROM orders',
  "SELECT date_trunc('week', day) AS week, sum(amount) AS revenue FROM orders GROUP BY week ORDER BY week",
]

await inFolder('busy', async (folder) => {
  const data = join(folder, 'lake')
  mkdirSync(data)
  const writer = await openDuckDB()
  await writer.run(`COPY (SELECT i::INTEGER AS id, (hash(i) % 40)::INTEGER AS shop, (hash(i * 3) % 5000)::INTEGER AS customer,
      (i % 1000)::DECIMAL(12,2) AS amount, DATE '2026-01-01' + (i % 90)::INTEGER AS day
    FROM range(3000000) r(i)) TO '${join(data, 'orders.parquet')}'`)
  writer.close()
  const measured = { on: [], off: [] }
  const done = { forecasts: 0, actions: 0 }
  for (let pair = 0; pair < pairs; pair++) {
    for (const mode of pair % 2 === 0 ? ['on', 'off'] : ['off', 'on']) {
      const server = await serve({ data, state: join(folder, `${mode}-${pair}`), flags: ['--proactive', mode] })
      await server.postLines('/v1/learn', log(Date.now()))
      measured[mode].push(await load(server, pair))
      if (mode === 'on') {
        done.forecasts += await metric(server, 'forebay_forecasts_total')
        done.actions += await metric(server, 'forebay_allocations_total')
      }
      await server.stop()
    }
  }
  for (const share of [0.5, 0.95]) {
    const at = (mode) => measured[mode].map((waits) => quantile(waits, share))
    const name = `p${share * 100}`
    rows.push(spread(`${name} of interactive queries at full load, proactive on`, at('on'), 'ms'))
    rows.push(spread(`${name} of interactive queries at full load, proactive off`, at('off'), 'ms'))
    const bounds = medianBounds(at('on').map((value, pair) => value / at('off')[pair]))
    rows.push(figure(`${name}, on ÷ off`, bounds.middle, '×', share === 0.95 ? '≤ 1.05' : ''))
    rows.push(figure(`${name}, on ÷ off, range of pairs: from`, bounds.low, '×'), figure(`${name}, to`, bounds.high, '×'))
  }
  rows.push(
    spread(
      'queries of one turn',
      [...measured.on, ...measured.off].map((waits) => waits.length),
      '',
    ),
  )
  rows.push(figure('forecasts that came due or were acted on, all turns with proactive on', done.forecasts, ''))
  rows.push(figure('actions taken in them', done.actions, ''))
})
report('busy', rows)

/** Dashboards of the last three days: six templates, each every four minutes, some of which fall into each turn. */
function log(now) {
  const lines = []
  for (let at = now - 3 * 24 * 60 * minuteMs; at < now; at += 4 * minuteMs) {
    for (const [index, sql] of dashboards.entries()) {
      const query = {
        at: at + index * 5_000,
        tenant: 'board',
        template: '',
        args: [],
        sql,
        kind: 'read',
        reads: [],
        durationMs: 100,
        queuedMs: 0,
      }
      if (query.at < now) lines.push(JSON.stringify(query))
    }
  }
  return `${lines.join('\n')}\n`
}

async function load(server, seed) {
  const waits = []
  const startedAt = performance.now()
  const client = async (number) => {
    let turn = 0
    while (performance.now() - startedAt < turnMs) {
      const literal = seed * 100_000 + number * 5_000 + turn++
      const begunAt = performance.now()
      await server.ask(`SELECT shop, sum(amount) AS revenue FROM orders WHERE id > ${literal} GROUP BY shop ORDER BY shop`)
      // Files are warm and models have seen a few by then.
      if (begunAt - startedAt > 2_000) waits.push(performance.now() - begunAt)
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)))
  return waits
}
