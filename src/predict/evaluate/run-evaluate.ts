import { type ImportFormat, importLog } from '../import-log/import-log.js'
import type { LoggedQuery } from '../log-line.js'
import { type ColdStarts, coldStartQueriesMax, coldStarts } from './cold-starts.js'
import { type BadLines, notALog, readLog } from './read-log.js'
import { ArrivalsReplay, type ArrivalsReport } from './replay-arrivals.js'
import { CacheReplay, type CacheReport } from './replay-cache.js'
import { NextQueryReplay, type NextQueryReport } from './replay-next-query.js'
import { RunTimeReplay, type RunTimeReport } from './replay-run-time.js'
import { rounded } from './score.js'

/** Parts that can be left out, to see what each is worth. */
export const ablations = ['lineage', 'arrivals', 'history'] as const
export type Ablation = (typeof ablations)[number]

export interface EvaluateOptions {
  readonly path: string
  /** The log of another system; absent for our own format. */
  readonly from?: ImportFormat
  /** Regression alone, without boosted trees. */
  readonly fast?: boolean
  readonly ablate?: readonly Ablation[]
  /** Share of the file read, 0–1. */
  readonly onProgress?: (share: number) => void
  readonly signal?: AbortSignal
  /** Milliseconds with a fraction, for the timings. */
  readonly monotonic?: () => number
}

/** What `forebay evaluate --json` prints. Parts that the log says nothing about are null. */
export interface Evaluation {
  readonly lines: number
  readonly badLines: BadLines
  readonly queries: number
  readonly scored: number
  readonly runtime: RunTimeReport['runtime'] | null
  readonly interval: RunTimeReport['interval'] | null
  readonly arrivals: ArrivalsReport | null
  readonly cache: CacheReport | null
  readonly nextQuery: NextQueryReport | null
  /** Null with `fast`, since it takes twenty replays. */
  readonly coldStarts: ColdStarts | null
  readonly curves: RunTimeReport['curves'] | null
  readonly predictionMs: RunTimeReport['predictionMs']
  /** Without and with refits and cold starts. */
  readonly msPerLine: number | null
  readonly msPerLineAll: number | null
  readonly configuration: { readonly fast: boolean; readonly ablate: readonly Ablation[] }
}

/** Replays a query log, without a server, and says how well Forebay would have predicted and prepared. */
export async function runEvaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { path, fast = false, ablate = [], monotonic = () => performance.now() } = options
  const runTime = new RunTimeReplay({
    fast,
    withoutLineage: ablate.includes('lineage'),
    withoutHistory: ablate.includes('history'),
    monotonic,
  })
  const arrivals = ablate.includes('arrivals') ? undefined : new ArrivalsReplay()
  const cache = new CacheReplay()
  const next = new NextQueryReplay()
  const badLines: BadLines = { count: 0, first: [] }
  const forCold: LoggedQuery[] = []
  const began = monotonic()
  const log =
    options.from === undefined
      ? readLog(path, badLines, options.onProgress)
      : await importLog(path, options.from, badLines, options.onProgress)
  let lines = 0
  for await (const line of log) {
    options.signal?.throwIfAborted()
    lines++
    arrivals?.add(line)
    if (line.line === 'activity') continue
    runTime.add(line)
    if (!fast && line.durationMs !== undefined && forCold.length < coldStartQueriesMax) forCold.push(line)
    next.add(line)
    for (const read of line.reads) cache.add(read.segment, read.bytes)
  }
  if (lines === 0) throw notALog(path, badLines, options.from)
  const scores = runTime.finish()
  const timed = scores.queries > 0
  const replayed = monotonic() - began
  const cold = !fast && timed ? coldStarts(forCold) : null
  const spent = monotonic() - began
  return {
    lines: lines + badLines.count,
    badLines,
    queries: scores.queries,
    scored: scores.scored,
    runtime: timed ? scores.runtime : null,
    interval: timed ? scores.interval : null,
    arrivals: arrivals?.finish() ?? null,
    cache: cache.finish() ?? null,
    nextQuery: next.finish(),
    coldStarts: cold,
    curves: timed ? scores.curves : null,
    predictionMs: scores.predictionMs,
    msPerLine: rounded((replayed - scores.refitMs) / lines),
    msPerLineAll: rounded(spent / lines),
    configuration: { fast, ablate },
  }
}
