/**
 * One prediction without parsing: the predictor alone, after thousands of queries of many templates that taught it (its trees
 * fitted), on queries of 1 to 500 segments with what the graph says of them. And with parsing: `POST /v1/predict` over HTTP
 * with a literal that was never seen.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../dist/model/clock.js'
import { openFitWorker } from '../dist/predict/boosting/fit-worker-port.js'
import { Predictor } from '../dist/predict/predictor.js'
import { inFolder, quick } from './support/folders.mjs'
import { serve } from './support/forebay-server.mjs'
import { openDuckDB } from './support/plain-duckdb.mjs'
import { report } from './support/report.mjs'
import { figure, quantile, rounded, spread, timed } from './support/statistics.mjs'

const rows = []
await alone()
await inFolder('prediction', overHttp)
report('prediction', rows)

async function alone() {
  const fitter = openFitWorker()
  let at = Date.UTC(2026, 0, 1)
  const predictor = new Predictor({ clock: { now: () => at, monotonic: () => systemClock.monotonic() }, fitter })
  const history = quick ? 3_000 : 10_000
  for (let query = 0; query < history; query++) {
    at += 20_000
    const input = question(at, query % 60, 1 + (query % 40))
    predictor.admitted(`q-${query}`, input, predictor.predict(input))
    predictor.dispatched(`q-${query}`, at)
    const cpuMs = 5 + (query % 60) * 3 + input.segments.length
    const actual = { cpuMs, memoryBytes: 1e6 * cpuMs, networkBytes: 1e3 * cpuMs, wallMs: cpuMs * 0.7 }
    predictor.observe({ queryId: `q-${query}`, at: at + 500, finished: true, actual, nodes: [] })
    // The refits run in a thread of their own and are taken over between queries.
    if (query % 200 === 0) await new Promise((done) => setTimeout(done, 5))
  }
  for (const segments of [1, 20, 500]) {
    const times = []
    for (let turn = 0; turn < (quick ? 2_000 : 10_000); turn++) {
      const input = question(at + turn * 100, turn % 60, segments)
      const begunAt = performance.now()
      predictor.predict(input)
      if (turn >= 500) times.push(performance.now() - begunAt)
    }
    const name = `one prediction without parsing, ${segments} segments`
    rows.push(spread(`${name}, p50`, times, 'ms'))
    rows.push({ measure: `${name}, p99`, value: rounded(quantile(times, 0.99)), unit: 'ms', asked: '≤ 1' })
  }
  await fitter.close()
}

function question(at, template, count) {
  const segments = Array.from({ length: count }, (_, index) => ({
    id: `s-${template % 7}-${index}`,
    dataset: `table_${template % 7}`,
    bytes: 100_000 + 1_000 * index,
    rows: 10_000,
    warmOn: index % 3 === 0 ? ['n1'] : [],
  }))
  const work = segments.map(({ id }, index) => ({
    node: `n${1 + (index % 4)}`,
    segment: id,
    transformation: `shape-${template}`,
    detail: 'filter; aggregate',
    decayedCount: 1 + (index % 5),
  }))
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0)
  return {
    at,
    tenant: 'default',
    fingerprint: `template-${template}`,
    literals: `literals-${at % 977}`,
    kind: 'read',
    operators: [
      { type: 'filter', detail: 'day > ?' },
      { type: 'aggregate', detail: 'sum(amount) by shop' },
    ],
    segments,
    work,
    placement: [1, 2].map((node) => ({
      node: `n${node}`,
      role: 'root',
      bytes: bytes / 2,
      warmBytes: bytes / 4,
      networkBytes: 0,
    })),
    running: template % 4,
    queued: 0,
  }
}

async function overHttp(folder) {
  const data = join(folder, 'lake')
  mkdirSync(data)
  const writer = await openDuckDB()
  await writer.run(`COPY (SELECT i::INTEGER AS id, (i % 40)::INTEGER AS shop, (i % 1000)::DECIMAL(12,2) AS amount
    FROM range(1000000) r(i)) TO '${join(data, 'orders.parquet')}'`)
  writer.close()
  const server = await serve({ data, state: join(folder, 'state') })
  const text = (number) => `SELECT shop, sum(amount) AS revenue FROM orders WHERE id > ${number} GROUP BY shop ORDER BY shop`
  for (let number = 0; number < 30; number++) await server.ask(text(900_000 + number), { reuse: false })
  const [withParsing, planned] = [[], []]
  for (let number = 0; number < (quick ? 100 : 500); number++) {
    withParsing.push(await timed(() => server.post('/v1/predict', { sql: text(number) })))
    planned.push(await timed(() => server.post('/v1/predict', { sql: text(number) })))
  }
  await server.stop()
  rows.push({ ...spread('predict over HTTP, with parsing, p50', withParsing, 'ms'), asked: '≤ 5' })
  rows.push(figure('predict over HTTP, with parsing, p99', quantile(withParsing, 0.99), 'ms'))
  rows.push(spread('predict over HTTP, text planned before, p50', planned, 'ms'))
}
