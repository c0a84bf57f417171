import type { ColdStarts } from './cold-starts.js'
import { renderEvaluation } from './render-evaluation.js'
import type { Evaluation } from './run-evaluate.js'
import { escaped, plot, type Series } from './svg-plot.js'

const names: Readonly<Record<string, string>> = {
  ours: 'Forebay',
  globalMedian: 'global median',
  templateMedian: 'template median',
  exactRepeatCache: 'exact-repeat cache',
  tenantTemplateCache: 'tenant × template cache',
  ridge: 'ridge',
  meanOfCacheAndRidge: 'mean of cache and ridge',
  persistence: 'as the hour before',
  sameHourYesterday: 'same hour yesterday',
  sameHourLastWeek: 'same hour last week',
  hourFrequency: 'usual hours',
  alwaysOn: 'always on',
  lru: 'LRU',
  lfu: 'LFU',
  s3fifo: 'S3-FIFO',
  gdsf: 'GDSF',
  optimal: 'optimum (offline)',
}

const style = `body{font:15px/1.5 system-ui,sans-serif;max-width:980px;margin:2rem auto;padding:0 1rem;color:#1d2329}
figure>svg{width:100%;max-width:640px;font:12px system-ui,sans-serif}svg line{stroke:#e2e5e8}svg .title{font-weight:600;font-size:14px}
figure{margin:1rem 0}figcaption span{margin-right:1rem;font-size:13px}figcaption i{display:inline-block;width:10px;height:10px;margin-right:4px}
pre{background:#f5f6f7;padding:1rem;overflow:auto;font-size:13px}table{border-collapse:collapse}td,th{padding:2px 12px;text-align:right}
th:first-child,td:first-child{text-align:left}`

/** The evaluation as one file that opens anywhere: plots, tables and the plain text. */
export function renderHtml(evaluation: Evaluation, log: string): string {
  const { curves, arrivals, coldStarts, cache } = evaluation
  const parts = [
    `<h1>Forebay on ${escaped(log)}</h1>`,
    `<p>A causal replay of ${evaluation.queries} queries: each predicted from nothing but what was visible then. Simple rules stand beside every figure.</p>`,
    ...(curves === null ? [] : runTimePlots(curves)),
    ...(arrivals === null || arrivals.firstsAfterIdle === 0 ? [] : [warmPlot(arrivals)]),
    ...(cache === null ? [] : [cacheTable(cache)]),
    ...(coldStarts === null ? [] : [coldTable(coldStarts)]),
    `<h2>All figures</h2><pre>${escaped(renderEvaluation(evaluation))}</pre>`,
  ]
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Forebay on ${escaped(log)}</title><style>${style}</style></head>
<body>${parts.join('\n')}</body></html>
`
}

function runTimePlots({ qError, coverage, sample }: NonNullable<Evaluation['curves']>): readonly string[] {
  if (sample.length === 0) return []
  const series: readonly Series[] = Object.entries(qError).map(([name, errors]) => ({
    name: names[name] ?? name,
    points: errors.slice(0, 100).map((error, place) => [place, error] as const),
    main: name === 'ours',
  }))
  const all = sample.flatMap(({ predictedMs, actualMs }) => [predictedMs, actualMs])
  const from = 10 ** Math.floor(Math.log10(Math.max(1, Math.min(...all))))
  const to = 10 ** Math.ceil(Math.log10(Math.max(10, ...all)))
  return [
    '<h2>Run times at arrival</h2>',
    plot(
      {
        title: 'How far off: q-error by share of the queries',
        x: { label: 'percent of the queries', from: 0, to: 100 },
        y: { label: 'q-error', from: 1, to: 20, log: true },
        kind: 'line',
      },
      series,
    ),
    plot(
      {
        title: 'Predicted against actual',
        x: { label: 'predicted, ms', from, to, log: true },
        y: { label: 'actual, ms', from, to, log: true },
        kind: 'dots',
      },
      [
        { name: 'queries', points: sample.map(({ predictedMs, actualMs }) => [predictedMs, actualMs] as const) },
        {
          name: 'exact',
          points: [
            [from, from],
            [to, to],
          ],
          kind: 'line',
        },
      ],
    ),
    plot(
      {
        title: '90 % intervals: share that held, of each 100 queries in a row',
        x: { label: 'queries', from: 0, to: Math.max(1, coverage.length) * 100 },
        y: { label: 'share', from: 0, to: 1 },
        kind: 'line',
      },
      [
        { name: 'held', points: coverage.map((share, i) => [(i + 1) * 100, share] as const), main: true },
        {
          name: 'nominal',
          points: [
            [0, 0.9],
            [Math.max(1, coverage.length) * 100, 0.9],
          ],
        },
      ],
    ),
  ]
}

function warmPlot({ curve, baselines, warmFirstShare, extraWarmShare }: NonNullable<Evaluation['arrivals']>): string {
  const points = curve.map((at) => [at.extraWarmShare ?? 0, at.warmFirstShare ?? 0] as const)
  const rules = Object.entries(baselines).filter(([name]) => name !== 'alwaysOn')
  const extras = [...points.map(([extra]) => extra), ...rules.map(([, at]) => at.extraWarmShare ?? 0)]
  const most = Math.max(0.3, ...extras.map((extra) => 1.05 * extra))
  const drawn = plot(
    {
      title: 'First queries after idle that find their tenant warm, by what it costs',
      x: { label: 'extra warm hours ÷ active hours', from: 0, to: Math.min(2, most) },
      y: { label: 'share found warm', from: 0, to: 1 },
      kind: 'line',
    },
    [
      { name: 'Forebay, by threshold', points, main: true },
      { name: 'Forebay, as it ran', points: [[extraWarmShare ?? 0, warmFirstShare ?? 0]], kind: 'dots' },
      ...rules.map(([name, at]): Series => {
        const point = [at.extraWarmShare ?? 0, at.warmFirstShare ?? 0] as const
        return { name: names[name] ?? name, points: [point], kind: 'dots' }
      }),
    ],
  )
  const rows = [
    ['Forebay', warmFirstShare, extraWarmShare] as const,
    ...rules.map(([name, at]) => [names[name] ?? name, at.warmFirstShare, at.extraWarmShare] as const),
  ]
  return `<h2>Warm hours</h2>${drawn}${table(
    ['rule', 'first warm', 'extra'],
    rows.map(([name, warm, extra]) => [name, percent(warm), percent(extra)]),
  )}`
}

function cacheTable({ capacityShare, objectHit, byteHit }: NonNullable<Evaluation['cache']>): string {
  const rows = Object.entries(objectHit).map(([name, hit]) => [
    names[name] ?? name,
    percent(hit),
    percent(byteHit[name as keyof typeof byteHit]),
  ])
  return `<h2>A cache of ${percent(capacityShare)} of the bytes</h2>${table(['policy', 'objects hit', 'bytes hit'], rows)}`
}

function coldTable({ newTenant, newTemplate }: ColdStarts): string {
  const cells = (errors: ColdStarts['newTenant']['withLineage']): readonly string[] =>
    [errors.qErrorP50, errors.qErrorP90, errors.qErrorP99].map((value) => value?.toFixed(2) ?? '–')
  const rows = [
    ['new database, bytes from lineage', ...cells(newTenant.withLineage)],
    ['new database, without', ...cells(newTenant.withoutLineage)],
    ['new query shape, bytes from lineage', ...cells(newTemplate.withLineage)],
    ['new query shape, without', ...cells(newTemplate.withoutLineage)],
  ]
  return `<h2>Cold starts: never learned from</h2>${table(['q-error at arrival', 'p50', 'p90', 'p99'], rows)}`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`
  return `<table>${row(head, 'th')}${rows.map((cells) => row(cells, 'td')).join('')}</table>`
}

function percent(value: number | null): string {
  return value === null ? '–' : `${(100 * value).toFixed(1)} %`
}
