/**
 * The demo: one sample lake, one week of questions, run twice. The proactive run comes first; what its nodes held then sets
 * the keep-alive of the reactive one, so that both hold the same byte-seconds and only what they do with them differs.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { entryPoint } from '../../model/entry-point.js'
import type { LedgerEntry } from '../../model/forecast.js'
import { VirtualClock } from '../../model/virtual-clock.js'
import { readConfiguration } from '../../server/configuration.js'
import { openServer, type Server } from '../../server/open-server.js'
import { chart, firstAfterIdle, gigabyteHours, median, ms, summarise, waits } from './report.js'
import { keepAliveFor } from './resource-meter.js'
import { runWeek, type Week } from './run-week.js'
import { dayMs, historyDays, isoDay, learnedWeeks, minuteMs, type WorkloadKind, weekStart, workload } from './workload.js'

export interface DemoOptions {
  readonly kind: WorkloadKind
  readonly keep: boolean
  readonly json: boolean
  readonly print: (line: string) => void
  /** One line that is overwritten; an empty one clears it. */
  readonly progress: (line: string) => void
  readonly signal: AbortSignal
}

const seed = 20260302
const memoryBytes = 1_000_000_000
/** What the proactive server keeps nodes for after the last question. */
const shortKeepAliveMs = 2 * minuteMs
const startAt = weekStart - 5 * minuteMs
const until = weekStart + 7 * dayMs

interface Run {
  readonly week: Week
  readonly ledger: readonly LedgerEntry[]
  readonly facts: Facts
}

/** What the server itself says at the end of a run. */
interface Facts {
  readonly lineageEvents: number
  readonly transfers: number
  readonly hottest: string
  readonly qErrorP50: number
}

/** Runs the demo and prints its report. Throws when the two runs disagree on a single row, and soon after the signal. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { print } = options
  const folder = await mkdtemp(join(tmpdir(), 'forebay-demo-'))
  const startedAt = performance.now()
  let kept: Server | undefined
  try {
    options.progress('making the sample lake')
    await makeLake(join(folder, 'lake'), options.signal)
    const proactive = await run(options, folder, 'proactive', shortKeepAliveMs)
    const keepAliveMs = keepAliveFor(
      (proactive.week.held.byteSeconds / memoryBytes) * 1000,
      // The node that a server probes at its start is held first.
      [
        { from: startAt, until: startAt },
        ...proactive.week.asked.map((question) => ({ from: question.at, until: question.endedAt })),
      ],
    )
    const reactive = await run(options, folder, 'reactive', keepAliveMs)
    options.progress('')
    compareAnswers(proactive.week, reactive.week)
    const result = measure(options.kind, proactive, reactive, keepAliveMs, performance.now() - startedAt)
    if (options.json) print(JSON.stringify(result, null, 2))
    else for (const line of describe(result, proactive, reactive)) print(line)
    if (options.keep) {
      kept = await openKept(join(folder, 'lake-reactive'), join(folder, 'state-kept'))
      print(`\nforebay ready ${kept.url}   (Ctrl-C ends it)`)
      await once(options.signal, 'abort')
    }
  } catch (error) {
    // What breaks after Ctrl-C breaks because of it.
    options.signal.throwIfAborted()
    throw error
  } finally {
    options.progress('')
    await kept?.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** On the port that everybody knows, or on a free one when that is taken. */
async function openKept(lake: string, state: string): Promise<Server> {
  const open = (port: number): Promise<Server> => openServer(configurationOf(lake, state, 'on', 0, port))
  return open(4180).catch((error: Error) => {
    if ((error.cause as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE') return open(0)
    throw error
  })
}

async function makeLake(folder: string, signal: AbortSignal): Promise<void> {
  const firstDay = isoDay(weekStart - historyDays * dayMs)
  const child = fork(entryPoint('./make-lake.js', import.meta.url), [folder, firstDay, String(historyDays - 1), '8'], {
    signal,
  })
  const [code] = (await once(child, 'exit')) as [number]
  if (code !== 0) throw new Error(`the sample lake could not be made: exit code ${code}`)
}

function configurationOf(lake: string, state: string, proactive: 'on' | 'off', keepAliveMs: number, port: number) {
  return readConfiguration({
    folder: state,
    flags: {
      data: lake,
      state,
      port,
      nodes: 1,
      memory: memoryBytes,
      proactive,
      keepAlive: `${keepAliveMs}ms`,
      nodesMin: 0,
      logLevel: 'silent',
    },
  })
}

async function run(options: DemoOptions, folder: string, name: 'proactive' | 'reactive', keepAliveMs: number): Promise<Run> {
  const lake = join(folder, `lake-${name}`)
  await cp(join(folder, 'lake'), lake, { recursive: true })
  const clock = new VirtualClock(startAt)
  const configuration = configurationOf(lake, join(folder, `state-${name}`), name === 'proactive' ? 'on' : 'off', keepAliveMs, 0)
  const server = await openServer(configuration, { clock })
  try {
    if (name === 'proactive') await learn(server.url, options.kind)
    const events = workload(options.kind, seed, weekStart, until)
    const week = await runWeek({
      server,
      clock,
      lake,
      events,
      until,
      signal: options.signal,
      onProgress: (share) => options.progress(`${name} week: ${(share * 100).toFixed(0)} %`),
    })
    return { week, ledger: server.ledger(), facts: await askFacts(server.url, week) }
  } finally {
    await server.close()
  }
}

/** Hands over the three weeks before as an old query log, the way a user would. */
async function learn(url: string, kind: WorkloadKind): Promise<void> {
  const lines = workload(kind, seed, weekStart - learnedWeeks * 7 * dayMs, weekStart).flatMap((event) =>
    event.kind === 'query'
      ? [
          JSON.stringify({
            at: event.at,
            tenant: event.tenant,
            template: '',
            args: [],
            sql: event.sql,
            kind: 'read',
            reads: [],
            durationMs: 200,
            queuedMs: 0,
          }),
        ]
      : [],
  )
  const response = await request(`${url}/v1/learn`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: `${lines.join('\n')}\n`,
  })
  const text = await response.body.text()
  if (response.statusCode !== 200) throw new Error(`the old query log was not taken: ${text}`)
}

async function askFacts(url: string, week: Week): Promise<Facts> {
  const metrics = await (await request(`${url}/metrics`)).body.text()
  const hot = (await (await request(`${url}/v1/hot-segments?limit=1`)).body.json()) as { id: string; dataset: string | null }[]
  const total = (name: string): number =>
    metrics
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  const errors = await predictionErrors(url, week)
  return {
    lineageEvents: total('forebay_lineage_events_total'),
    transfers: total('forebay_transfers_total'),
    hottest: hot[0] === undefined ? 'none' : `${hot[0].id}, ${hot[0].dataset === null ? 'a result' : `of ${hot[0].dataset}`}`,
    qErrorP50: median(errors),
  }
}

/** How far the predicted wall times were from what happened, over the computed answers: max(p/a, a/p). */
async function predictionErrors(url: string, week: Week): Promise<readonly number[]> {
  const errors: number[] = []
  for (const question of week.asked.filter((asked) => !asked.stats.reused)) {
    const status = (await (await request(`${url}/v1/queries/${question.queryId}`)).body.json()) as {
      predicted?: { wallMs?: { p50: number } }
    }
    const predicted = status.predicted?.wallMs?.p50
    if (predicted === undefined) continue
    const actual = Math.max(1, question.stats.runMs)
    errors.push(Math.max(predicted / actual, actual / Math.max(predicted, 1e-3)))
  }
  return errors
}

/** Prediction may change speed, never results: both runs must have answered every question alike, but for the order of additions. */
function compareAnswers(a: Week, b: Week): void {
  a.asked.forEach((question, index) => {
    const other = b.asked[index]
    if (other === undefined || other.sql !== question.sql || !alike(JSON.parse(question.rows), JSON.parse(other.rows))) {
      throw new Error(`the two runs answered differently: ${question.sql}`)
    }
  })
}

function alike(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, index) => alike(item, b[index]))
  if (typeof a === 'number' && typeof b === 'number') return Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b))
  return a === b
}

function measure(kind: WorkloadKind, proactive: Run, reactive: Run, keepAliveMs: number, tookMs: number) {
  const heldOut = new Set(proactive.ledger.filter((entry) => entry.outcome === 'held-out').map((entry) => entry.queryId))
  const side = ({ week, facts }: Run, without: ReadonlySet<string | undefined>) => {
    const first = firstAfterIdle(week).filter((question) => !without.has(question.queryId))
    return {
      questions: week.asked.length,
      firstAfterIdle: first.length,
      ready: first.filter((question) => question.ready).length,
      firstWaitP50Ms: median(first.map((question) => question.waitMs)),
      reservedByteSeconds: week.held.byteSeconds,
      cpuSeconds: week.held.cpuSeconds,
      ...facts,
    }
  }
  return {
    workload: kind,
    reactiveKeepAliveMs: keepAliveMs,
    heldOutFirst: firstAfterIdle(proactive.week).filter((question) => heldOut.has(question.queryId)).length,
    reactive: side(reactive, new Set()),
    proactive: side(proactive, heldOut),
    ledger: summarise(proactive.ledger),
    tookMs,
  }
}
type Measured = ReturnType<typeof measure>

function describe(result: Measured, proactive: Run, reactive: Run): readonly string[] {
  const { ledger } = result
  const first = ({ week }: Run): string => waits(firstAfterIdle(week))
  const share = (part: number, of: number): string =>
    of === 0 ? 'none of 0' : `${part} of ${of} (${((100 * part) / of).toFixed(0)} %)`
  return [
    `A week of ${result.proactive.questions} questions (workload: ${result.workload}), run twice on a virtual clock in ${(result.tookMs / 1000).toFixed(0)} s`,
    '',
    'Lineage',
    `  ${result.proactive.lineageEvents} events, ${result.proactive.transfers} transfers; hottest segment ${result.proactive.hottest}`,
    'Prediction',
    `  wall time of computed answers, q-error p50 ${result.proactive.qErrorP50.toFixed(2)}`,
    'Allocation',
    `  ${ledger.actions} actions: ${ledger.used} used, ${ledger.wasted} wasted; ${ledger.heldOut} forecasts held out`,
    `  expected to save ${ms(ledger.expectedMs)}, measured ${ms(ledger.measuredMs)}`,
    '',
    'First recurring question after idle',
    `  reactive   ${first(reactive)}`,
    `  proactive  ${first(proactive)}`,
    `  everything ready: reactive ${share(result.reactive.ready, result.reactive.firstAfterIdle)}, proactive ${share(result.proactive.ready, result.proactive.firstAfterIdle)}, ${result.heldOutFirst} held out and not counted`,
    'All questions',
    `  reactive   ${waits(reactive.week.asked)}`,
    `  proactive  ${waits(proactive.week.asked)}`,
    'Resources',
    `  reactive   ${gigabyteHours(result.reactive.reservedByteSeconds)}, ${result.reactive.cpuSeconds.toFixed(1)} CPU-s (keep-alive ${(result.reactiveKeepAliveMs / minuteMs).toFixed(1)} min, tuned to hold the same)`,
    `  proactive  ${gigabyteHours(result.proactive.reservedByteSeconds)}, ${result.proactive.cpuSeconds.toFixed(1)} CPU-s`,
    '',
    'Mean wait of the first recurring question after idle, by day',
    ...chart(
      [
        { name: 'reactive', week: reactive.week },
        { name: 'proactive', week: proactive.week },
      ],
      weekStart,
    ).map((line) => `  ${line}`),
  ]
}
