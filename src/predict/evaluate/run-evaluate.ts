import { ForebayError } from '../../model/errors.js'
import { type BadLines, readLog } from './read-log.js'
import { ArrivalsReplay, type ArrivalsReport } from './replay-arrivals.js'
import { CacheReplay, type CacheReport } from './replay-cache.js'
import { NextQueryReplay, type NextQueryReport } from './replay-next-query.js'
import { RunTimeReplay, type RunTimeReport } from './replay-run-time.js'
import { rounded } from './score.js'

type Ablation = 'lineage' | 'arrivals' | 'history'

export interface EvaluateOptions {
  readonly path: string
  /** Regression alone, without boosted trees. */
  readonly fast?: boolean
  /** Parts to leave out, to see what each is worth. */
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
  readonly predictionMs: RunTimeReport['predictionMs']
  /** Without and with refits. */
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
  const began = monotonic()
  let lines = 0
  for await (const line of readLog(path, badLines, options.onProgress)) {
    options.signal?.throwIfAborted()
    lines++
    arrivals?.add(line)
    if (line.line === 'activity') continue
    runTime.add(line)
    next.add(line)
    for (const read of line.reads) cache.add(read.segment, read.bytes)
  }
  if (lines === 0) throw notALog(path, badLines)
  const scores = runTime.finish()
  const spent = monotonic() - began
  const timed = scores.queries > 0
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
    predictionMs: scores.predictionMs,
    msPerLine: rounded((spent - scores.refitMs) / lines),
    msPerLineAll: rounded(spent / lines),
    configuration: { fast, ablate },
  }
}

function notALog(path: string, { count, first }: BadLines): ForebayError {
  const why = count === 0 ? 'it is empty' : `line ${first[0]?.line} ${first[0]?.reason}`
  return new ForebayError('REQUEST_INVALID', `"${path}" has no usable line: ${why}`, {
    hint: 'each line is a JSON object with at, tenant, template, durationMs…; docs/prediction.md describes them',
  })
}
