/**
 * What preparing ahead brings: the demo's week, a week of bursts and a week of random questions, each under Forebay's decision code,
 * under fixed keep-alives and always on. A simulation (see support/simulated-company.mjs), ten seeds each, with their spread.
 * `node bench/proactive.mjs bursty` runs one of them, `--scale` a thousand nodes and ten million queries.
 */

import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { seededRandom } from '../dist/cli/demo/seeded-random.js'
import { dayMs, hourMs, learnedWeeks, minuteMs, weekStart, workload } from '../dist/cli/demo/workload.js'
import { quantile, report } from './support/report.mjs'
import { costs, simulate } from './support/simulated-company.mjs'

const seeds = Array.from({ length: 10 }, (_, i) => 100 + i)
const from = weekStart
const until = weekStart + 7 * dayMs
const learnedFrom = weekStart - learnedWeeks * 7 * dayMs

const workloads = {
  dashboard: (seed, a, b) => demoEvents('dashboard', seed, a, b),
  bursty: burstyEvents,
  random: (seed, a, b) => demoEvents('random', seed, a, b),
}

function demoEvents(kind, seed, a, b) {
  return workload(kind, seed, a, b).map((event) => (event.kind === 'load' ? { at: event.at, load: true } : event))
}

/** A report after each load, and dashboards whose fifty tiles ask ten questions at once, at their hours, on most days; now and then at no hour at all. */
function burstyEvents(seed, a, b) {
  const events = []
  for (let midnight = a; midnight < b; midnight += dayMs) {
    const random = seededRandom(seed * 1000 + midnight / dayMs)
    // A load at no fixed hour, and the report that follows it: no clock tells when, only the write does.
    const loadedAt = midnight + Math.floor(random() * 6 * hourMs)
    events.push({ at: loadedAt, load: true })
    const reportedAt = loadedAt + (40 + random() * 5) * minuteMs
    events.push({ at: Math.round(reportedAt), tenant: 'report', sql: 'SELECT total FROM loaded', recurring: true })
    for (let dashboard = 0; dashboard < 4; dashboard++) {
      if (random() < 0.15) continue
      const opened = midnight + (7 + 3 * dashboard) * hourMs + Math.round((random() * 2 - 1) * 8 * minuteMs)
      for (let tile = 0; tile < 50; tile++) {
        events.push({
          at: opened + tile * 5,
          tenant: `team${dashboard}`,
          sql: `SELECT tile${tile % 10} FROM board${dashboard}`,
          recurring: true,
        })
      }
    }
    if (random() < 0.3) {
      const opened = midnight + Math.floor(random() * dayMs)
      for (let tile = 0; tile < 50; tile++)
        events.push({ at: opened + tile * 5, tenant: 'guest', sql: `SELECT x${tile % 10} FROM guest`, recurring: false })
    }
  }
  return events.sort((x, y) => x.at - y.at)
}

const rules = [
  ['forebay', { mode: 'proactive', keepAliveMs: 2 * minuteMs }],
  ['forebay without lineage', { mode: 'proactive', keepAliveMs: 2 * minuteMs, ablate: ['lineage'] }],
  ['forebay without arrivals', { mode: 'proactive', keepAliveMs: 2 * minuteMs, ablate: ['arrivals'] }],
  ['forebay without prefetch', { mode: 'proactive', keepAliveMs: 2 * minuteMs, ablate: ['prefetch'] }],
  ...[10, 30, 60, 300, 1800].map((seconds) => [`keep-alive ${seconds} s`, { mode: 'reactive', keepAliveMs: seconds * 1000 }]),
  ['always on', { mode: 'reactive', keepAliveMs: Number.POSITIVE_INFINITY }],
]

async function run(kind, seed, options, nodes = 1) {
  const events = workloads[kind](seed, from, until)
  const history = workloads[kind](seed, learnedFrom, from)
  return simulate({ history, events, nodes, from, until, ...options })
}

/** The keep-alive at which a reactive server holds as many byte-seconds, within 2 %. */
async function equalKeepAlive(kind, seed, byteSeconds) {
  let low = 0
  let high = 24 * hourMs
  for (let i = 0; i < 24; i++) {
    const middle = (low + high) / 2
    const { byteSeconds: held } = await run(kind, seed, { mode: 'reactive', keepAliveMs: Math.max(1, middle) })
    if (Math.abs(held / byteSeconds - 1) < 0.01) return middle
    if (held > byteSeconds) high = middle
    else low = middle
  }
  return low
}

const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / Math.max(1, numbers.length)
const sumOf = (ledger, field) =>
  ledger.filter(({ outcome }) => outcome === 'used' || outcome === 'wasted').reduce((sum, line) => sum + line[field], 0)

const tail = (waits) =>
  mean(
    Array.from(waits)
      .sort((a, b) => b - a)
      .slice(0, Math.ceil(waits.length / 100)),
  )

function rowOf(measure, results) {
  const each = (pick) => results.map(pick)
  const pooled = results.flatMap(({ firstWaits }) => firstWaits)
  const first = each(({ firstWaits }) => quantile(firstWaits, 0.95)).filter(Number.isFinite)
  return {
    measure,
    p50Ms: Math.round(mean(each(({ waits }) => quantile(waits, 0.5)))),
    p95Ms: Math.round(mean(each(({ waits }) => quantile(waits, 0.95)))),
    p99Ms: Math.round(mean(each(({ waits }) => quantile(waits, 0.99)))),
    worst1PercentMs: Math.round(mean(each(({ waits }) => tail(waits)))),
    firstP95Ms: pooled.length === 0 ? '' : Math.round(quantile(pooled, 0.95)),
    firstP95Spread: first.length === 0 ? '' : `${Math.round(Math.min(...first))}–${Math.round(Math.max(...first))}`,
    gigabyteHours: Number((mean(each(({ byteSeconds }) => byteSeconds)) / 3.6e12).toFixed(2)),
    cpuSeconds: Math.round(mean(each(({ cpuSeconds }) => cpuSeconds))),
    expectedSavedS: Number((mean(each(({ ledger }) => sumOf(ledger, 'expectedBenefitMs'))) / 1000).toFixed(1)),
    measuredSavedS: Number((mean(each(({ ledger }) => sumOf(ledger, 'measuredBenefitMs'))) / 1000).toFixed(1)),
  }
}

async function pareto() {
  const only = process.argv[2]
  const verdicts = []
  for (const kind of Object.keys(workloads)) {
    if (only !== undefined && only !== kind) continue
    const rows = []
    for (const [name, options] of rules) {
      const results = []
      for (const seed of seeds) results.push(await run(kind, seed, options))
      rows.push(rowOf(name, results))
    }
    const equal = []
    for (const seed of seeds) {
      const { byteSeconds } = await run(kind, seed, rules[0][1])
      equal.push(
        await run(kind, seed, { mode: 'reactive', keepAliveMs: Math.max(1, await equalKeepAlive(kind, seed, byteSeconds)) }),
      )
    }
    rows.splice(1, 0, rowOf('reactive, equal byte-seconds', equal))
    report(`proactive-${kind}`, rows)
    verdicts.push(...judge(kind, rows))
  }
  report('proactive-asked', verdicts)
}

/** What DESIGN.md §6's comparison asks, from the rows above. */
function judge(kind, rows) {
  const row = (name) => rows.find(({ measure }) => measure === name)
  const [forebay, reactive, always] = ['forebay', 'reactive, equal byte-seconds', 'always on'].map(row)
  const ratio = (measure, value, asked) => ({ measure: `${kind}: ${measure}`, value: Number(value.toFixed(3)), asked })
  const expected =
    forebay.expectedSavedS === 0
      ? []
      : [ratio('ledger, expected ÷ measured', forebay.expectedSavedS / forebay.measuredSavedS, '0.8–1.2')]
  const first =
    forebay.firstP95Ms === ''
      ? []
      : [
          ratio('p95 of first queries ÷ reactive', forebay.firstP95Ms / reactive.firstP95Ms, '≤ 0.3'),
          ratio('p95 of first queries ÷ always on', forebay.firstP95Ms / always.firstP95Ms, '≤ 1 for the next line'),
        ]
  return [
    ratio('byte-seconds ÷ reactive', forebay.gigabyteHours / reactive.gigabyteHours, '0.98–1.02'),
    ...first,
    ratio('byte-seconds ÷ always on', forebay.gigabyteHours / always.gigabyteHours, '≤ 0.5'),
    ratio('worst 1 % ÷ reactive', forebay.worst1PercentMs / reactive.worst1PercentMs, '≤ 1.05'),
    ...expected,
  ]
}

const nodesEach = 10
const queriesEach = 100_000
const keepAliveSeconds = 600

/** Companies of ten nodes, each with its own dashboards: the same decisions, a thousand nodes and ten million queries in all. */
async function scale(companies) {
  const began = performance.now()
  const threads = Math.min(companies, availableParallelism())
  const parts = Array.from({ length: threads }, (_, first) => partOf({ first, companies, step: threads }))
  const results = (await Promise.all(parts)).flat()
  const minutes = Number(((performance.now() - began) / 60_000).toFixed(1))
  report('proactive-scale', [
    scaleRow(
      'forebay',
      results.map(({ forebay }) => forebay),
    ),
    scaleRow(
      `keep-alive ${keepAliveSeconds} s`,
      results.map(({ reactive }) => reactive),
    ),
    { measure: 'both simulated', minutes, threads },
  ])
}

function partOf(part) {
  const worker = new Worker(new URL(import.meta.url), { workerData: part })
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
}

function scaleRow(measure, all) {
  const sum = (field) => all.reduce((total, one) => total + one[field], 0)
  return {
    measure,
    nodes: all.length * nodesEach,
    nodesAtOnce: sum('nodesAtOnce'),
    queries: sum('queries'),
    p50Ms: Math.round(mean(all.map(({ p50 }) => p50))),
    p95Ms: Math.round(mean(all.map(({ p95 }) => p95))),
    p99Ms: Math.round(mean(all.map(({ p99 }) => p99))),
    firstP95Ms: Math.round(mean(all.map(({ firstP95 }) => firstP95))),
    gigabyteHours: Math.round(sum('byteSeconds') / 3.6e12),
    cpuSeconds: Math.round(sum('cpuSeconds')),
  }
}

/** Every so manieth company, under Forebay and under a keep-alive. */
async function simulateCompanies({ first, companies, step }) {
  const results = []
  for (let company = first; company < companies; company += step) {
    const week = { events: openings(company, queriesEach / 7 / openHours, from, until), nodes: nodesEach, from, until }
    // A few of its questions are all that a burst teaches.
    const history = openings(company, 3 * questions, from - 14 * dayMs, from)
    results.push({
      forebay: summed(await simulate({ ...week, history, mode: 'proactive', keepAliveMs: 2 * minuteMs })),
      reactive: summed(await simulate({ ...week, history: [], mode: 'reactive', keepAliveMs: keepAliveSeconds * 1000 })),
    })
  }
  return results
}

const openHours = 12
const questions = 8

/** A dashboard an hour from seven on, opened by many at once: eight questions over and over, every third with an argument of its own. */
function openings(company, tiles, a, b) {
  const events = []
  for (let hour = a; hour < b; hour += hourMs) {
    const random = seededRandom(company * 100_003 + hour / hourMs)
    const ofDay = (hour / hourMs) % 24
    if (ofDay === 3) events.push({ at: hour, load: true })
    if (ofDay < 7 || ofDay >= 7 + openHours) continue
    const opened = hour + Math.round(random() * 10 * minuteMs)
    for (let tile = 0; tile < tiles; tile++) {
      const where = tile % 3 === 2 ? ` WHERE id = ${Math.floor(random() * 1e9)}` : ''
      const sql = `SELECT c${tile % questions} FROM t${ofDay}${where}`
      events.push({ at: opened + tile * 4, tenant: `team${ofDay % 3}`, sql, recurring: true })
    }
  }
  return events
}

function summed({ waits, firstWaits, byteSeconds, cpuSeconds, nodesAtOnce }) {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((p) => quantile(waits, p))
  return { queries: waits.length, p50, p95, p99, firstP95: quantile(firstWaits, 0.95), byteSeconds, cpuSeconds, nodesAtOnce }
}

if (isMainThread) {
  console.log(`assumed: ${JSON.stringify(costs)}`)
  await (process.argv[2] === '--scale' ? scale(Number(process.argv[3] ?? 100)) : pareto())
} else parentPort.postMessage(await simulateCompanies(workerData))
