/**
 * Thirty-two clients with the queries of dashboards (ten charts, each with a filter that a user picks from a list) against
 * Forebay and against DuckDB in one server process behind the same HTTP layer, in turns of some seconds. With answers reused, as
 * users have it, and without.
 */
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import { inFolder, quick, until } from './support/folders.mjs'
import { metric, serve } from './support/forebay-server.mjs'
import { openDuckDB } from './support/plain-duckdb.mjs'
import { report } from './support/report.mjs'
import { figure, median, quantile, spread } from './support/statistics.mjs'

const clients = 32
const turns = quick ? 2 : 6
const turnMs = quick ? 3_000 : 6_000
const rows = []
const charts = [
  (pick) => `SELECT day, sum(amount) AS revenue FROM orders WHERE shop = ${pick} GROUP BY day ORDER BY day`,
  (pick) =>
    `SELECT channel, count(*) AS orders, avg(amount) AS basket FROM orders WHERE shop = ${pick} GROUP BY channel ORDER BY channel`,
  (pick) =>
    `SELECT shop, sum(amount) AS revenue FROM orders WHERE amount > ${pick} GROUP BY shop ORDER BY revenue DESC, shop LIMIT 10`,
  (pick) => `SELECT count(*) AS orders, sum(amount) AS revenue, max(amount) AS largest FROM orders WHERE shop = ${pick}`,
  (pick) => `SELECT region, sum(amount) AS revenue FROM orders JOIN customers USING (customer) WHERE shop = ${pick}
    GROUP BY region ORDER BY region`,
  (pick) => `SELECT segment, count(*) AS orders FROM orders JOIN customers USING (customer) WHERE amount > ${pick}
    GROUP BY segment ORDER BY segment`,
  (pick) => `SELECT date_trunc('week', day) AS week, count(DISTINCT customer) AS customers FROM orders WHERE shop = ${pick}
    GROUP BY week ORDER BY week`,
  (pick) => `SELECT customer, sum(amount) AS spent FROM orders WHERE shop = ${pick} GROUP BY customer
    ORDER BY spent DESC, customer LIMIT 20`,
  (pick) => `SELECT id, day, amount FROM orders WHERE customer = ${pick * 31} ORDER BY day DESC, id LIMIT 50`,
  (pick) => `SELECT channel, day, sum(amount) AS revenue FROM orders WHERE day >= DATE '2026-01-01' + ${pick}
    GROUP BY channel, day ORDER BY channel, day`,
]

await inFolder('clients', async (folder) => {
  const data = join(folder, 'lake')
  await makeLake(data)
  const forebay = await serve({ data, state: join(folder, 'state'), flags: ['--memory', '4GB'] })
  const plain = await serveDuckDB(data)
  const pools = {
    forebay: new Pool(forebay.url, { connections: clients }),
    duckdb: new Pool(plain.url, { connections: clients }),
  }
  for (let pass = 0; pass < 3; pass++) for (const chart of charts) await ask(pools.forebay, chart(pass), false)
  await until(async () => (await metric(forebay, 'forebay_segments', 'tier="pack"')) > 0, 60_000, 1_000)
  for (const reuse of [true, false]) {
    const measured = { forebay: [], duckdb: [] }
    for (let turn = 0; turn < turns; turn++) {
      for (const side of turn % 2 === 0 ? ['forebay', 'duckdb'] : ['duckdb', 'forebay']) {
        measured[side].push(await load(pools[side], reuse, turn * 2 + Number(reuse)))
      }
    }
    summarise(measured, reuse ? 'answers reused' : 'answers not reused')
  }
  await Promise.all(Object.values(pools).map((pool) => pool.close()))
  await forebay.stop()
  await plain.stop()
})
report('clients', rows)

function summarise({ forebay, duckdb }, name) {
  const rate = (side) => side.map((turn) => (turn.waits.length / turn.seconds) | 0)
  const p95 = (side) =>
    quantile(
      side.flatMap((turn) => turn.waits),
      0.95,
    )
  const asked = name === 'answers reused'
  rows.push(spread(`queries a second, Forebay, ${name}`, rate(forebay), '/s'))
  rows.push(spread(`queries a second, DuckDB server, ${name}`, rate(duckdb), '/s'))
  rows.push(figure(`throughput ratio, ${name}`, median(rate(forebay)) / median(rate(duckdb)), '×', asked ? '≥ 1.5' : ''))
  rows.push(figure(`p95, Forebay, ${name}`, p95(forebay), 'ms', asked ? 'lower than DuckDB' : ''))
  rows.push(figure(`p95, DuckDB server, ${name}`, p95(duckdb), 'ms'))
}

/** Every client asks one query after the other until the turn is over. */
async function load(pool, reuse, seed) {
  const waits = []
  const startedAt = performance.now()
  const client = async (number) => {
    let state = seed * 1_000 + number + 1
    while (performance.now() - startedAt < turnMs) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      const begunAt = performance.now()
      await ask(pool, charts[(state >>> 8) % charts.length]((state >>> 16) % 40), reuse)
      waits.push(performance.now() - begunAt)
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)))
  return { waits, seconds: (performance.now() - startedAt) / 1000 }
}

async function ask(pool, sql, reuse) {
  const response = await pool.request({
    path: '/v1/query',
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ sql, reuse }),
  })
  const answer = JSON.parse(await response.body.text())
  if (answer.rows === undefined) throw new Error(`no answer to ${sql}: ${JSON.stringify(answer)}`)
}

async function makeLake(data) {
  mkdirSync(join(data, 'orders'), { recursive: true })
  const writer = await openDuckDB()
  await writer.run(`COPY (SELECT i::INTEGER AS customer, 'segment ' || (i % 5) AS segment, 'region ' || (i % 12) AS region
    FROM range(20000) r(i)) TO '${join(data, 'customers.parquet')}'`)
  for (let file = 0; file < 10; file++) {
    await writer.run(`COPY (SELECT (${file} * 200000 + i)::BIGINT AS id, (hash(i * 7 + ${file}) % 20000)::INTEGER AS customer,
        (hash(i * 11 + ${file}) % 40)::INTEGER AS shop, ['web', 'shop', 'phone'][1 + (hash(i) % 3)::INTEGER] AS channel,
        (1 + hash(i * 5 + ${file}) % 9900 / 100.0)::DECIMAL(12,2) AS amount,
        DATE '2026-01-01' + (${file} * 9 + (hash(i * 3) % 9)::INTEGER)::INTEGER AS day
      FROM range(200000) r(i)) TO '${join(data, 'orders', `part-${file}.parquet`)}'`)
  }
  writer.close()
}

async function serveDuckDB(data) {
  const program = fileURLToPath(new URL('./support/duckdb-server.mjs', import.meta.url))
  const child = spawn(process.execPath, [program, data], { stdio: ['ignore', 'pipe', 'inherit'] })
  process.once('exit', () => child.kill('SIGKILL'))
  const url = await new Promise((done, wrong) => {
    child.stdout.on('data', (chunk) => done(/ready (\S+)/.exec(String(chunk))?.[1]))
    child.once('exit', (code) => wrong(new Error(`the DuckDB server ended with ${code}`)))
  })
  const stop = async () => {
    const gone = new Promise((done) => child.once('exit', done))
    child.kill('SIGTERM')
    await gone
  }
  return { url, stop }
}
