/**
 * OpenLineage over HTTP, as a client sees it: durable events a second with eight connections, one by one and in batches, until
 * when they can be read, and the time of lineage over a chain and over a dense graph of 1,000 jobs. `--quick` takes a tenth.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import { quantile, report } from './support/report.mjs'

const scale = process.argv.includes('--quick') ? 0.1 : 1
const connections = 8
const rows = []
const producer = 'https://example.com/bench'
const schemaURL = 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent'
const facet = (name) => ({
  _producer: producer,
  _schemaURL: `https://openlineage.io/spec/facets/1-0-0/${name}.json#/$defs/${name}`,
})
const columns = ['id', 'customer', 'amount', 'ordered_at', 'status']
const schema = {
  ...facet('SchemaDatasetFacet'),
  fields: columns.map((name, index) => ({ name, type: index === 2 ? 'DECIMAL(15,2)' : 'VARCHAR', description: `the ${name}` })),
}

/** One run's end: one input, one output, a schema on each and column lineage on the output. */
function runEvent(number, input, output, job) {
  const from = { namespace: 'postgres://db:5432', name: input }
  const fields = Object.fromEntries(
    columns.map((field) => [
      field,
      { inputFields: [{ ...from, field, transformations: [{ type: 'DIRECT', subtype: 'IDENTITY' }] }] },
    ]),
  )
  return {
    eventType: 'COMPLETE',
    eventTime: new Date(Date.UTC(2026, 0, 1) + number).toISOString(),
    producer,
    schemaURL,
    run: { runId: `01900000-0000-7000-8000-${number.toString(16).padStart(12, '0')}` },
    job: { namespace: 'bench', name: job },
    inputs: [{ ...from, facets: { schema } }],
    outputs: [
      {
        namespace: 'postgres://db:5432',
        name: output,
        facets: { schema, columnLineage: { ...facet('ColumnLineageDatasetFacet'), fields } },
        outputFacets: { outputStatistics: { ...facet('OutputStatisticsOutputDatasetFacet'), rowCount: 1000, size: 50_000 } },
      },
    ],
  }
}

const someRun = (number) => runEvent(number, `raw.orders_${number % 500}`, `mart.orders_${number % 500}`, `load_${number % 500}`)

async function startServer() {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-bench-openlineage-'))
  mkdirSync(join(folder, 'data'))
  const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
  const child = spawn(
    process.execPath,
    [
      main,
      'serve',
      '--port',
      '0',
      '--nodes',
      '1',
      '--proactive',
      'off',
      '--data',
      join(folder, 'data'),
      '--state',
      join(folder, 'state'),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, FOREBAY_LOG_LEVEL: 'warn' } },
  )
  // Cut off, a benchmark leaves no server behind.
  process.once('exit', () => child.kill('SIGKILL'))
  const url = await new Promise((resolve, reject) => {
    child.stdout.on('data', (text) => /ready (\S+)/.test(text) && resolve(/ready (\S+)/.exec(text)[1]))
    child.once('exit', () => reject(new Error('the server did not start')))
  })
  const pool = new Pool(url, { connections, pipelining: 1 })
  return {
    pool,
    stop: async () => {
      await pool.close()
      child.kill('SIGTERM')
      await new Promise((resolve) => child.once('exit', resolve))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function inServer(work) {
  const server = await startServer()
  try {
    await work(server.pool)
  } finally {
    await server.stop()
  }
}

async function call(pool, method, path, body) {
  const response = await pool.request({ method, path, body, headers: body ? { 'content-type': 'application/json' } : {} })
  const text = await response.body.text()
  if (response.statusCode >= 300) throw new Error(`${path}: ${response.statusCode} ${text.slice(0, 300)}`)
  return text
}

/** Sends bodies over all connections at once. */
async function send(pool, path, bodies) {
  const waits = []
  let next = 0
  const startedAt = performance.now()
  const sender = async () => {
    while (next < bodies.length) {
      const body = bodies[next++]
      const from = performance.now()
      await call(pool, 'POST', path, body)
      waits.push(performance.now() - from)
    }
  }
  await Promise.all([...Array(connections).keys()].map(sender))
  return { ms: performance.now() - startedAt, waits }
}

async function readable(pool, runId) {
  const from = performance.now()
  for (;;) {
    const response = await pool.request({ method: 'GET', path: `/api/v1/jobs/runs/${runId}` })
    await response.body.dump()
    if (response.statusCode === 200) return performance.now() - from
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function durable(batch) {
  await inServer(async (pool) => {
    const events = Math.round(20_000 * scale)
    const warm = [...Array(2_000).keys()].map((number) => JSON.stringify(someRun(10_000_000 + number)))
    await send(pool, '/api/v1/lineage', warm.slice(0, 1_000))
    await send(pool, '/api/v1/lineage/batch', [`[${warm.slice(1_000)}]`])
    const texts = [...Array(events).keys()].map((number) => JSON.stringify(someRun(number)))
    const bodies = batch === 1 ? texts : groups(texts, batch).map((group) => `[${group.join(',')}]`)
    const { ms, waits } = await send(pool, batch === 1 ? '/api/v1/lineage' : '/api/v1/lineage/batch', bodies)
    const behind = await readable(pool, someRun(events - 1).run.runId)
    const name = batch === 1 ? 'one a request' : `${batch} a request`
    rows.push(
      { measure: `durable events/s over HTTP, 8 connections, ${name}`, value: (events / ms) * 1000, unit: 'events/s' },
      { measure: `acknowledged, p50, ${name}`, value: quantile(waits, 0.5), unit: 'ms' },
      { measure: `acknowledged, p99, ${name}`, value: quantile(waits, 0.99), unit: 'ms' },
      {
        measure: `readable after the last acknowledgement, ${events.toLocaleString('en')} events, ${name}`,
        value: behind,
        unit: 'ms',
      },
    )
    if (batch === 1) rows.unshift({ measure: 'bytes of an event', value: texts[0].length, unit: 'bytes' })
  })
}

function groups(list, size) {
  return [...Array(Math.ceil(list.length / size)).keys()].map((index) => list.slice(index * size, (index + 1) * size))
}

async function lineage() {
  await inServer(async (pool) => {
    const chain = [...Array(1_000).keys()].map((job) => runEvent(job, `chain_${job}`, `chain_${job + 1}`, `chain_job_${job}`))
    const dense = [...Array(1_000).keys()].map((job) => {
      const layer = Math.floor(job / 50)
      const event = runEvent(10_000 + job, `dense_${layer}_${job % 50}`, `dense_${layer + 1}_${job % 50}`, `dense_job_${job}`)
      const second = { ...event.inputs[0], name: `dense_${layer}_${(job * 7 + layer * 11 + 3) % 50}` }
      return { ...event, inputs: [event.inputs[0], second] }
    })
    for (const group of groups([...chain, ...dense], 200))
      await call(pool, 'POST', '/api/v1/lineage/batch', JSON.stringify(group))
    await readable(pool, dense.at(-1).run.runId)
    await trace(pool, 'chain of 1,000 jobs', (turn) => `job:bench:chain_job_${20 + ((turn * 7919) % 960)}`)
    await trace(pool, 'dense graph of 1,000 jobs', (turn) => `job:bench:dense_job_${(turn * 7919) % 1_000}`)
  })
}

async function trace(pool, name, nodeOf) {
  const waits = []
  let text = ''
  for (let turn = 0; turn < 300; turn++) {
    const from = performance.now()
    text = await call(pool, 'GET', `/api/v1/lineage?nodeId=${encodeURIComponent(nodeOf(turn))}&depth=20`)
    if (turn >= 50) waits.push(performance.now() - from)
  }
  rows.push(
    { measure: `lineage, depth 20, ${name}: nodes`, value: JSON.parse(text).graph.length, unit: '' },
    { measure: `lineage, depth 20, ${name}, p50`, value: quantile(waits, 0.5), unit: 'ms' },
    { measure: `lineage, depth 20, ${name}, p99`, value: quantile(waits, 0.99), unit: 'ms' },
  )
}

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1))
await lineage()
await durable(1)
await durable(200)
report(
  'openlineage',
  rows.map((row) => ({ ...row, value: Math.abs(row.value) >= 100 ? Math.round(row.value) : Number(row.value.toPrecision(3)) })),
)
