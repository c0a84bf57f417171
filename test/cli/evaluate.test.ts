import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, expect, it } from 'vitest'
import { type Ended, runCommand, runProgram } from './run-command.js'

const folder = mkdtempSync(join(tmpdir(), 'forebay-cli-evaluate-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const yearMs = 365 * 24 * hourMs
const begins = Date.UTC(2021, 0, 4)

function evaluated(name: string, lines: readonly object[]): Promise<Ended> {
  const trace = join(folder, `${name}.ndjson`)
  writeFileSync(trace, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  return runCommand(['evaluate', trace, '--fast', '--json'])
}

const query = (at: number, template = 'q1') => ({
  at,
  tenant: 'db0',
  template,
  args: [],
  kind: 'read',
  reads: [{ segment: `db0/${template}`, bytes: 1000 }],
  durationMs: 50,
  queuedMs: 5,
  clusterSize: 1,
})
const activity = (at: number, tenant: number) => ({ at, periodMs: hourMs, tenant: `c${tenant}`, count: 3 })

it('says of an empty log that it is empty', async () => {
  const { code, stdout, stderr } = await evaluated('empty', [])
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/^error: .*empty\.ndjson" has no usable line: it is empty\ntry: .*--from/)
  const other = await runCommand(['evaluate', join(folder, 'empty.ndjson'), '--from', 'trino-events'])
  expect(other.stderr).toMatch(/^error: .*empty\.ndjson" has no usable line: .*\ntry: .*--from trino-events/)
})

it.each([false, true])('reads what comes through a pipe, which can be read once alone (gzip: %s)', async (zipped) => {
  const pipe = join(folder, `pipe-${zipped}`)
  await runProgram('mkfifo', [pipe])
  const text = Array.from({ length: 30 }, (_, i) => `${JSON.stringify(query(begins + i * 1000))}\n`).join('')
  const [{ stdout }] = await Promise.all([
    runCommand(['evaluate', pipe, '--fast', '--json']),
    writeFile(pipe, zipped ? gzipSync(text) : text),
  ])
  expect(JSON.parse(stdout)).toMatchObject({ queries: 30, badLines: { count: 0 } })
})

it('says before a replay that there is no place for its report', async () => {
  const trace = join(folder, 'none.ndjson')
  writeFileSync(trace, '')
  const { code, stderr } = await runCommand(['evaluate', trace, '--html', join(folder, 'absent', 'report.html')])
  expect(code).toBe(2)
  expect(stderr).toMatch(/^error: --html .*report\.html cannot be written/)
})

it('scores nothing in a log of one line', async () => {
  const { code, stdout } = await evaluated('one', [query(begins)])
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({
    queries: 1,
    scored: 0,
    badLines: { count: 0 },
    runtime: { arrival: { qErrorP50: null }, dispatch: { qErrorP50: null } },
    cache: { objectHit: { lru: 0, ours: 0, optimal: 0 }, gapClosed: null },
    nextQuery: { template: { precision: null, coverage: null } },
  })
})

it('passes over a gap of years between two queries', async () => {
  const { code, stdout } = await evaluated('gap', [query(begins), query(begins + 5 * yearMs)])
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({
    queries: 2,
    scored: 0,
    arrivals: { firstsAfterIdle: 1, activeHours: 1, baselines: { persistence: { warmFirstShare: 0 } } },
    nextQuery: { template: { coverage: null } },
  })
})

it('passes over a gap of years between hours of a fleet', async () => {
  const tenants = Array.from({ length: 100 }, (_, tenant) => tenant)
  const hours = [begins, begins + 5 * yearMs]
  const { code, stdout } = await evaluated(
    'fleet',
    hours.flatMap((at) => tenants.map((tenant) => activity(at, tenant))),
  )
  expect(code).toBe(0)
  const { lines, arrivals } = JSON.parse(stdout)
  expect([lines, arrivals.firstsAfterIdle]).toEqual([200, 100])
  // Each tenant is active in one hour that is scored, after eight or nine weeks of silence that count.
  expect(arrivals.baselines.alwaysOn.extraWarmShare).toBeGreaterThan(7 * 168)
  expect(arrivals.baselines.alwaysOn.extraWarmShare).toBeLessThan(9 * 168)
})

it('names a time in nanoseconds instead of waiting for it', async () => {
  const { code, stdout } = await evaluated('nanoseconds', [query(begins), query(begins * 1e6)])
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({
    queries: 1,
    badLines: { count: 1, first: [{ line: 2, reason: '`at` is not a time in epoch milliseconds' }] },
  })
})

it('gives every figure that --json promises', async () => {
  const sessions = Array.from({ length: 270 }, (_, i) => begins + 3 * hourMs * i)
  const lines = sessions.flatMap((at) =>
    ['open', 'detail', 'export'].map((template, step) => query(at + step * minuteMs, template)),
  )
  const { code, stdout } = await evaluated('whole', lines)
  expect(code).toBe(0)
  const figure = expect.any(Number)
  const qErrors = { qErrorP50: figure, qErrorP90: figure, qErrorP99: figure }
  const baselines = Object.fromEntries(
    ['globalMedian', 'templateMedian', 'exactRepeatCache', 'tenantTemplateCache', 'ridge', 'meanOfCacheAndRidge'].map((name) => [
      name,
      qErrors,
    ]),
  )
  const runTime = { ...qErrors, begunInTrace: qErrors, withoutWarmUp: qErrors, baselines }
  const interval = {
    nominal: 0.9,
    coverage: figure,
    coverageWorst500: figure,
    widthMedian: figure,
    widthP90: figure,
    score: figure,
    abstainedShare: figure,
  }
  const warm = { warmFirstShare: figure, extraWarmShare: figure, f1: figure }
  const hits = { lru: figure, lfu: figure, s3fifo: figure, gdsf: figure, ours: figure, optimal: figure }
  const next = { precision: figure, coverage: figure }
  expect(JSON.parse(stdout)).toMatchObject({
    queries: 810,
    scored: 510,
    runtime: { arrival: runTime, dispatch: runTime },
    interval: { arrival: interval, dispatch: interval },
    arrivals: {
      ...warm,
      baselines: { persistence: warm, sameHourYesterday: warm, sameHourLastWeek: warm, alwaysOn: warm, oracle: warm },
      curve: expect.arrayContaining([{ threshold: figure, ...warm }]),
    },
    cache: { capacityShare: 0.05, objectHit: hits, byteHit: hits },
    nextQuery: { template: next, exact: next },
    predictionMs: { p50: figure, p99: figure },
    msPerLine: figure,
    msPerLineAll: figure,
  })
})
