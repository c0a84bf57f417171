/**
 * A real Forebay under load and ahead of its habits, scraped by a real Prometheus: every query of every panel returns data, what
 * foresight counts is what the ledger says, and promtool finds nothing to say about the page.
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../src/model/virtual-clock.js'
import { readConfiguration } from '../../src/server/configuration.js'
import { openServer, type Server } from '../../src/server/open-server.js'
import { parseMetrics, type Sample, total } from '../support/metrics-text.js'
import { copy, writeSmallLake } from '../support/small-lake.js'
import { useServer } from './support.js'

const root = mkdtempSync(join(tmpdir(), 'forebay-dashboards-'))
const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** A Tuesday; the habit is one question at nine o'clock of every day. */
const firstDay = Date.UTC(2026, 2, 3)
const clock = new VirtualClock(firstDay + 7 * hourMs)
const habit = 'SELECT i % 7 AS k, count(*) AS n, sum(i) AS s FROM wide GROUP BY k ORDER BY k'
let server: Server
let prometheus: string
let told: Told[]
let startedAt: number
let page: readonly Sample[]

interface Told {
  readonly kind: string
  readonly state?: string
  readonly outcome?: string
  readonly action?: string
  readonly measured?: { readonly benefitMs: number; readonly cost: { readonly byteSeconds: number } }
}

const get = async (path: string, headers: Record<string, string> = {}): Promise<string> =>
  (await fetch(server.url + path, { headers })).text()

async function ask(sql: string, more: Record<string, unknown> = {}): Promise<void> {
  const response = await fetch(`${server.url}/v1/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ sql, ...more }),
  })
  await response.text()
}

/** Puts the clock forward whenever nothing is under way. */
async function advanceTo(at: number): Promise<void> {
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))
  while (clock.now() < at) {
    await turn()
    const changing = server.nodes().some(({ state }) => state === 'starting' || state === 'draining' || state === 'stopping')
    if (server.quiet() && !changing) clock.skipTo(at)
  }
}

/** Gathers server-sent events until the server ends. */
async function listen(into: Told[]): Promise<void> {
  const { body } = await fetch(`${server.url}/v1/events?kinds=forecast,allocation`)
  let text = ''
  const decoder = new TextDecoder()
  for await (const piece of body ?? []) {
    text += decoder.decode(piece as Uint8Array, { stream: true })
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const kind = /^event: (.*)$/m.exec(block)?.[1]
      const payload = /^data: (.*)$/m.exec(block)?.[1]
      if (kind !== undefined && payload !== undefined) into.push({ kind, ...(JSON.parse(payload) as object) })
    }
  }
}

async function learn(): Promise<void> {
  const days = Array.from({ length: 28 }, (_, index) => firstDay - (28 - index) * dayMs + 9 * hourMs)
  const line = { tenant: 'team', template: '', args: [], sql: habit, kind: 'read', reads: [], durationMs: 400, queuedMs: 0 }
  const body = days.map((at) => JSON.stringify({ at, ...line })).join('\n')
  const answer = await fetch(`${server.url}/v1/learn`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body,
  })
  expect(answer.status).toBe(200)
}

beforeAll(async () => {
  await writeSmallLake(join(root, 'data'))
  await copy({ [join(root, 'data', 'wide.parquet')]: 'SELECT i::BIGINT AS i FROM range(6000000) t(i)' })
  const flags = { data: join(root, 'data'), state: join(root, 'state'), port: 0, nodes: 2, proactive: 'on', logLevel: 'silent' }
  server = await openServer(readConfiguration({ flags: { ...flags, heldOutShare: 0 }, folder: root }), { clock })
  useServer('prometheus')
  // It is there already, and starts anew to scrape this Forebay.
  await promisify(execFile)(process.execPath, ['scripts/servers/main.mjs', 'start', 'prometheus'], {
    env: { ...process.env, FOREBAY_URL: server.url },
  })
  prometheus = useServer('prometheus').urls['http'] ?? ''
  startedAt = Date.now()
  told = []
  void listen(told).catch(() => {})
  await learn()
  const lasts = (ms: number): boolean => Date.now() - startedAt < ms
  for (let day = 0; day < 5 || lasts(50_000); day++) {
    await advanceTo(firstDay + day * dayMs + 9 * hourMs + (day % 3) * 30_000)
    // Every third time nobody asks.
    if (day % 3 !== 2) await ask(habit, { tenant: 'team' })
    await ask('SELECT region, count(*) AS n FROM sales GROUP BY region', { tree: 'always', reuse: false })
    await ask(`SELECT sum(half) + ${day} AS s FROM numbers`, { priority: 'batch' })
    await ask('SELECT sum(half) FROM nothing_of_that_name')
    await ask('SELECT CAST(name AS INTEGER) FROM numbers')
    // New data, so that what was prepared is of another version the next day.
    if (day === 2)
      await copy({
        [join(root, 'data', 'sales', 'd.parquet')]:
          "SELECT 1::BIGINT AS id, 'west' AS region, 1::DECIMAL(10,2) AS amount, DATE '2026-01-01' AS day",
      })
    await advanceTo(firstDay + (day + 1) * dayMs + 6 * hourMs)
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  // What is counted and what was told of belong together when nothing was told of for a while.
  for (let heard = -1; heard !== told.length || !server.quiet(); ) {
    heard = told.length
    page = parseMetrics(await get('/metrics'))
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }
  told = [...told]
  await new Promise((resolve) => setTimeout(resolve, 6_000))
}, 240_000)
afterAll(async () => {
  await server?.close()
  rmSync(root, { recursive: true, force: true })
}, 60_000)

describe('what foresight counts', () => {
  const last = (): readonly Told[] => told.filter(({ kind, outcome }) => kind === 'allocation' && outcome !== 'pending')

  it('is each forecast that was told of, met or missed', () => {
    for (const outcome of ['met', 'missed']) {
      const truth = told.filter(({ kind, state }) => kind === 'forecast' && state === outcome).length
      expect([outcome, total(page, 'forebay_forecasts_total', { outcome })]).toEqual([outcome, truth])
      expect(truth).toBeGreaterThan(0)
    }
  })

  it('is each allocation of the ledger, with what it saved and cost', () => {
    expect(last().length).toBeGreaterThan(0)
    for (const outcome of ['used', 'wasted', 'held-out', 'revoked', 'failed']) {
      const truth = last().filter((entry) => entry.outcome === outcome).length
      expect([outcome, total(page, 'forebay_allocations_total', { outcome })]).toEqual([outcome, truth])
    }
    const benefits = last().map(({ measured }) => measured?.benefitMs ?? 0)
    const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0)
    const saved = sum(benefits.filter((benefit) => benefit > 0)) / 1000
    expect(saved).toBeGreaterThan(0)
    expect(total(page, 'forebay_allocation_saved_seconds_total')).toBeCloseTo(saved, 6)
    expect(total(page, 'forebay_allocation_lost_seconds_total')).toBeCloseTo(-sum(benefits.filter((each) => each < 0)) / 1000, 6)
    const cost = sum(last().map(({ measured }) => measured?.cost.byteSeconds ?? 0))
    expect(total(page, 'forebay_allocation_cost_byte_seconds_total') / cost).toBeCloseTo(1, 6)
  })

  it('is what was prepared and then used', () => {
    expect(total(page, 'forebay_prefetch_bytes_total', { outcome: 'used' })).toBeGreaterThan(0)
  })
})

describe('the page of metrics', () => {
  it('has nothing that promtool objects to', async () => {
    const text = await get('/metrics')
    expect(execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })).toBe('')
  })

  it('is taken as OpenMetrics, exemplars included', async () => {
    const now = Date.now() / 1000
    const query = new URLSearchParams({
      query: 'forebay_query_seconds_bucket',
      start: String(startedAt / 1000),
      end: String(now),
    })
    const { data } = JSON.parse(await (await fetch(`${prometheus}/api/v1/query_exemplars?${query}`)).text())
    expect(data.flatMap(({ exemplars }: { exemplars: unknown[] }) => exemplars).length).toBeGreaterThan(0)
  })

  it('does not depend on who scrapes: the target is up and no rule fails', async () => {
    const { data } = JSON.parse(await (await fetch(`${prometheus}/api/v1/rules`)).text())
    const rules = data.groups.flatMap((group: { rules: { name: string; health: string; lastError?: string }[] }) => group.rules)
    expect(rules.length).toBeGreaterThan(15)
    expect(rules.filter(({ health }: { health: string }) => health !== 'ok')).toEqual([])
  })
})

const folder = join('deploy', 'grafana', 'dashboards')
for (const file of readdirSync(folder)) {
  const { title, panels } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Dashboard
  describe(title, () => {
    for (const panel of panels.filter(({ type }) => type !== 'row')) {
      for (const { expr, refId } of panel.targets ?? []) {
        it(`shows data in "${panel.title}" ${refId}`, async () => {
          const series = await range(expr)
          expect(series.length, `no series for ${expr}`).toBeGreaterThan(0)
          expect(
            series.flatMap(({ values }) => values).filter(([, value]) => Number.isFinite(Number(value))).length,
            expr,
          ).toBeGreaterThan(0)
        })
      }
    }
  })
}

interface Dashboard {
  readonly title: string
  readonly panels: readonly {
    readonly type: string
    readonly title: string
    readonly targets?: readonly { readonly expr: string; readonly refId: string }[]
  }[]
}

async function range(expr: string): Promise<readonly { readonly values: readonly (readonly [number, string])[] }[]> {
  const query = expr.replaceAll('$__rate_interval', '20s').replaceAll('$job', 'forebay').replaceAll('$instance', '.+')
  const parameters = new URLSearchParams({ query, start: String(startedAt / 1000), end: String(Date.now() / 1000), step: '5' })
  const response = await fetch(`${prometheus}/api/v1/query_range?${parameters}`)
  const { status, data, error } = JSON.parse(await response.text())
  expect([status, error]).toEqual(['success', undefined])
  return data.result
}
