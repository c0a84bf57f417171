import type { Phase } from '../run-time/run-time-query.js'
import type { ColdStarts } from './cold-starts.js'
import type { ArrivalsReport, WarmScores } from './replay-arrivals.js'
import type { CacheReport } from './replay-cache.js'
import type { NextScores } from './replay-next-query.js'
import type { Evaluation } from './run-evaluate.js'
import type { IntervalScores, QErrors } from './score.js'

/** The evaluation as tables for people. */
export function renderEvaluation(evaluation: Evaluation): string {
  const { queries, scored, badLines, runtime, interval, arrivals, cache, nextQuery } = evaluation
  const blocks = [
    `${evaluation.lines} lines, ${queries} queries with a duration, ${scored} scored, ${badLines.count} bad lines`,
    ...badLines.first.slice(0, 5).map(({ line, reason }) => `  line ${line} ${reason}`),
  ]
  if (runtime !== null && interval !== null) {
    for (const phase of ['arrival', 'dispatch'] as const) blocks.push('', ...runTimeTable(phase, evaluation))
  }
  if (arrivals !== null && arrivals.firstsAfterIdle > 0) {
    const head = ['warm hours of sleeping tenants', 'first warm', 'extra', 'F1']
    const rows = [['Forebay', arrivals], ...Object.entries(arrivals.baselines)] as readonly (readonly [string, WarmScores])[]
    blocks.push(
      '',
      ...table(
        head,
        rows.map(([name, scores]) => [name, ...warmCells(scores)]),
      ),
    )
  }
  if (arrivals !== null && arrivals.keepAlive.length > 0) blocks.push('', ...keepAliveTable(arrivals))
  if (cache !== null) blocks.push('', ...cacheTable(cache))
  if (nextQuery !== null && nextQuery.template.coverage !== null) {
    const head = ['next query', 'right when speaking', 'speaks', 'right always speaking']
    blocks.push('', ...table(head, [nextRow('template', nextQuery.template), nextRow('exact', nextQuery.exact)]))
  }
  if (evaluation.coldStarts !== null) blocks.push('', ...coldTable(evaluation.coldStarts))
  if (evaluation.configuration.fast) blocks.push('', costOfFast)
  const { p50, p99 } = evaluation.predictionMs
  blocks.push(
    '',
    `one prediction ${cell(p50)} ms (p99 ${cell(p99)}); a line ${cell(evaluation.msPerLine)} ms, with refits ${cell(evaluation.msPerLineAll)} ms`,
  )
  return `${blocks.join('\n')}\n`
}

const costOfFast =
  'fast: the regression alone; on one public log its q-errors p50, p90 and p99 at arrival were 2, 6 and 12 % above those with boosted trees'

function keepAliveTable({ keepAlive }: ArrivalsReport): readonly string[] {
  const rows = keepAlive.map(({ seconds, warmShare, extraShare }) => [`${seconds} s`, percent(warmShare), percent(extraShare)])
  return table(['fixed keep-alive of a tenant', 'found warm', 'extra seconds'], rows)
}

function runTimeTable(phase: Phase, { runtime, interval }: Evaluation): readonly string[] {
  const scores = runtime?.[phase]
  if (scores === undefined || interval === null) return []
  const head = [`q-error at ${phase}`, 'p50', 'p90', 'p99', 'p50 begun', 'p90 begun', 'p99 begun']
  const row = (name: string, own: QErrors & { readonly begunInTrace: QErrors }): readonly string[] => [
    name,
    ...errorCells(own),
    ...errorCells(own.begunInTrace),
  ]
  const rows = [
    row('Forebay', scores),
    ['from the first query on', ...errorCells(scores.withoutWarmUp)],
    ...Object.entries(scores.baselines).map(([name, own]) => row(name, own)),
  ]
  return [...table(head, rows), intervalSentence(interval[phase])]
}

function intervalSentence(scores: IntervalScores): string {
  const { nominal, coverage, coverageWorst500, widthMedian, widthP90, abstainedShare } = scores
  const held = `${percent(nominal)} intervals held ${percent(coverage)} (worst 500: ${percent(coverageWorst500)})`
  return `${held}, high ÷ low ${cell(widthMedian)} (p90 ${cell(widthP90)}), abstained ${percent(abstainedShare)}`
}

function cacheTable({ capacityShare, objectHit, byteHit, gapClosed }: CacheReport): readonly string[] {
  const rows = Object.entries(objectHit).map(([name, share]) => [
    name,
    percent(share),
    percent(byteHit[name as keyof typeof byteHit]),
  ])
  const gap = gapClosed === null ? [] : [`ours makes ${percent(gapClosed)} of the way from LRU to the optimum`]
  return [...table([`cache of ${percent(capacityShare)} of the bytes`, 'objects', 'bytes'], rows), ...gap]
}

function coldTable({ newTenant, newTemplate }: ColdStarts): readonly string[] {
  return table(
    ['never learned from', 'p50', 'p90', 'p99'],
    [
      ['new database, bytes from lineage', ...errorCells(newTenant.withLineage)],
      ['new database, without', ...errorCells(newTenant.withoutLineage)],
      ['new query shape, bytes from lineage', ...errorCells(newTemplate.withLineage)],
      ['new query shape, without', ...errorCells(newTemplate.withoutLineage)],
    ],
  )
}

function errorCells({ qErrorP50, qErrorP90, qErrorP99 }: QErrors): readonly string[] {
  return [qErrorP50, qErrorP90, qErrorP99].map((value) => (value === null ? '–' : value.toFixed(2)))
}

function warmCells({ warmFirstShare, extraWarmShare, f1 }: WarmScores): readonly string[] {
  return [percent(warmFirstShare), percent(extraWarmShare), cell(f1)]
}

function nextRow(name: string, { precision, coverage, alwaysPrecision }: NextScores): readonly string[] {
  return [name, percent(precision), percent(coverage), percent(alwaysPrecision)]
}

function percent(share: number | null): string {
  return share === null ? '–' : `${(100 * share).toFixed(1)} %`
}

function cell(value: number | null): string {
  return value === null ? '–' : String(Number(value.toPrecision(3)))
}

/** Left-aligned first column, right-aligned numbers. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const all = [head, ...rows]
  const widths = head.map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length)))
  return all.map((row) =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[0] as number) : text.padStart(widths[i] as number))).join('  '),
  )
}
