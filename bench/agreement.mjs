/**
 * Does the simulation behind `proactive` decide as the real engine does? The demo's dashboards, three days of them, once on an embedded
 * server on a virtual clock and once simulated with the times that the server took; both learn the same three weeks first. Decisions are
 * the ledger's: which action for which question of which day; builds of packs are left out, since in the simulation all that is needed is
 * packed. Fails where they disagree on more than is allowed below.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import { runWeek } from '../dist/cli/demo/run-week.js'
import { dayMs, isoDay, learnedWeeks, minuteMs, weekStart, workload } from '../dist/cli/demo/workload.js'
import { VirtualClock } from '../dist/model/virtual-clock.js'
import { readConfiguration } from '../dist/server/configuration.js'
import { openServer } from '../dist/server/open-server.js'
import { quantile, report } from './support/report.mjs'
import { costs, simulate, templateOf } from './support/simulated-company.mjs'

const seed = 7
const until = weekStart + 3 * dayMs
const keepAliveMs = 2 * minuteMs
/** Share of decisions, and of questions' readiness, that both have; and by what factor their mean waits may differ. */
const asked = { decisions: 0.9, ready: 0.9, waits: 1.5 }

const history = workload('dashboard', seed, weekStart - learnedWeeks * 7 * dayMs, weekStart).filter(
  ({ kind }) => kind === 'query',
)
const events = workload('dashboard', seed, weekStart, until)

/** The embedded server's three days: each question, its fingerprint, and the ledger. */
async function real() {
  const folder = mkdtempSync(join(tmpdir(), 'forebay-agreement-'))
  const lake = join(folder, 'lake')
  await makeLake(lake)
  const clock = new VirtualClock(weekStart - 5 * minuteMs)
  const flags = { data: lake, state: join(folder, 'state'), port: 0, nodes: 1, memory: costs.nodeBytes, proactive: 'on' }
  const more = { keepAlive: `${keepAliveMs}ms`, nodesMin: 0, logLevel: 'silent' }
  const server = await openServer(readConfiguration({ folder, flags: { ...flags, ...more } }), { clock })
  try {
    await learn(server.url)
    const signal = new AbortController().signal
    const week = await runWeek({ server, clock, lake, events, until, signal, onProgress: () => {} })
    const fingerprints = new Map()
    for (const { queryId, sql } of week.asked) {
      const status = await (await request(`${server.url}/v1/queries/${queryId}`)).body.json()
      fingerprints.set(templateOf(sql), status.fingerprint)
    }
    return { asked: week.asked, fingerprints, ledger: server.ledger() }
  } finally {
    await server.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The orders of five days, and of four more that arrive. */
async function makeLake(lake) {
  const child = fork(fileURLToPath(new URL('../dist/cli/demo/make-lake.js', import.meta.url)), [
    lake,
    isoDay(weekStart - 6 * dayMs),
    '5',
    '4',
  ])
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`the sample lake could not be made: exit code ${code}`)
}

async function learn(url) {
  const lines = history.map(({ at, tenant, sql }) => ({
    at,
    tenant,
    template: '',
    args: [],
    sql,
    kind: 'read',
    reads: [],
    durationMs: 200,
  }))
  const { statusCode, body } = await request(`${url}/v1/learn`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
  })
  const text = await body.text()
  if (statusCode !== 200) throw new Error(`the old query log was not taken: ${text}`)
}

/** What a step took on the real engine, in the median; the simulation's own figure where it was not seen. */
function measuredCosts(questions) {
  const of = (steps, otherwise) => (steps.length === 0 ? otherwise : quantile(steps, 0.5))
  const computed = questions.filter(({ stats }) => !stats.reused)
  const started = computed.filter(({ stats }) => stats.queuedMs >= 50)
  const atOnce = computed.filter(({ stats }) => stats.queuedMs < 50)
  const waits = (some) => some.map(({ waitMs }) => waitMs)
  return {
    ...costs,
    startMs: of(
      started.map(({ stats }) => stats.queuedMs),
      costs.startMs,
    ),
    coldMs: of(waits(atOnce.filter(({ stats }) => stats.tiers.parquet > 0)), costs.coldMs),
    warmMs: of(waits(atOnce.filter(({ stats }) => stats.tiers.parquet === 0)), costs.warmMs),
    storedMs: of(waits(questions.filter(({ stats }) => stats.reused)), costs.storedMs),
  }
}

/** Decisions as `action tenant fingerprint day`. */
function decisionsOf(ledger) {
  const compared = ledger.filter(({ action }) => action !== 'build-pack')
  return new Set(
    compared.map(({ action, tenant, template, dueAt }) => `${action} ${tenant} ${template} ${Math.floor(dueAt / dayMs)}`),
  )
}

function shareOfBoth(a, b) {
  const both = [...a].filter((item) => b.has(item)).length
  return both / new Set([...a, ...b]).size
}

const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length
const rounded = (number) => Number(number.toPrecision(3))

const served = await real()
const simulated = []
const { entries } = await simulate({
  history,
  events: events.map((event) => (event.kind === 'load' ? { at: event.at, load: true } : event)),
  mode: 'proactive',
  keepAliveMs,
  from: weekStart,
  until,
  heldOutShare: 0.05,
  costs: measuredCosts(served.asked),
  fingerprintOf: (sql) => served.fingerprints.get(templateOf(sql)) ?? templateOf(sql),
  onAsked: (question) => simulated.push(question),
})
const recurring = served.asked
  .map((question, i) => ({ question, twin: simulated[i] }))
  .filter(({ question }) => question.recurring)
const first = recurring.filter(({ question }) => question.firstAfterIdle)
const decisions = { real: decisionsOf(served.ledger), simulated: decisionsOf(entries) }
const alike = (pairs) => pairs.filter(({ question, twin }) => question.ready === twin.ready).length / pairs.length
const waits = (pairs) => mean(pairs.map(({ question }) => question.waitMs)) / mean(pairs.map(({ twin }) => twin.waitMs))
const rows = [
  { measure: 'decisions of the engine', value: decisions.real.size },
  { measure: 'decisions of the simulation', value: decisions.simulated.size },
  {
    measure: 'share of all that both took',
    value: shareOfBoth(decisions.real, decisions.simulated),
    asked: `≥ ${asked.decisions}`,
  },
  { measure: 'recurring questions', value: recurring.length },
  { measure: 'of them ready or not in both', value: alike(recurring), asked: `≥ ${asked.ready}` },
  { measure: 'first questions after idle', value: first.length },
  { measure: 'of these ready or not in both', value: alike(first), asked: `≥ ${asked.ready}` },
  {
    measure: 'mean wait of recurring questions, engine ÷ simulation',
    value: waits(recurring),
    asked: `${rounded(1 / asked.waits)}–${asked.waits}`,
  },
]
report(
  'agreement',
  rows.map(({ value, ...row }) => ({ ...row, value: rounded(value) })),
)
for (const [name, mine, other] of [
  ['the engine', decisions.real, decisions.simulated],
  ['the simulation', decisions.simulated, decisions.real],
]) {
  for (const decision of mine) if (!other.has(decision)) console.log(`only ${name}: ${decision}`)
}
const factor = waits(recurring)
const agree =
  shareOfBoth(decisions.real, decisions.simulated) >= asked.decisions &&
  alike(recurring) >= asked.ready &&
  alike(first) >= asked.ready &&
  Math.max(factor, 1 / factor) <= asked.waits
process.exit(agree ? 0 : 1)
