/**
 * What a replay of a query log costs: a made-up hour of one warehouse, twenty databases of different size and twenty-two query shapes,
 * evaluated by `forebay evaluate` as users run it, all in and with `--fast`.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { seededRandom } from '../dist/cli/demo/seeded-random.js'
import { inFolder, quick } from './support/folders.mjs'
import { report } from './support/report.mjs'
import { figure } from './support/statistics.mjs'

const queries = quick ? 2_000 : 5_500
const hourMs = 3_600_000

/** Times are in proportion to the shape, to the bytes and to what runs at the time, give or take. */
function* madeUpLog() {
  const random = seededRandom(11)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const ends = []
  for (let i = 0; i < queries; i++) {
    const at = Date.UTC(2026, 0, 5) + Math.floor((hourMs * i) / queries)
    const tenant = Math.floor(20 * random() ** 2)
    const shape = Math.floor(22 * random())
    const bytes = 1e8 * 1.4 ** tenant
    const running = ends.filter((end) => end > at).length
    const durationMs = Math.round(50 * (1 + shape) * (bytes / 1e9) ** 0.7 * (1 + 0.1 * running) * Math.exp(0.3 * normal())) + 1
    ends.push(at + durationMs)
    const reads = [`db${tenant}/t${shape % 5}`, `db${tenant}/t${shape % 3}`].map((segment) => ({
      segment,
      bytes: Math.round(bytes),
    }))
    yield { at, tenant: `db${tenant}`, template: `q${shape}`, args: [i % 7], kind: 'read', reads, durationMs, queuedMs: 0 }
  }
}

await inFolder('evaluate', async (folder) => {
  const log = join(folder, 'log.ndjson')
  writeFileSync(log, [...madeUpLog()].map((line) => `${JSON.stringify(line)}\n`).join(''))
  const all = evaluated(log, [])
  const fast = evaluated(log, ['--fast'])
  report('evaluate', [
    figure('lines of the log', queries, ''),
    figure('a line, all in', all.msPerLineAll, 'ms', '≤ 10'),
    figure('a line, without refits and cold starts', all.msPerLine, 'ms', '≤ 0.6'),
    figure('a line with --fast', fast.msPerLineAll, 'ms', '≤ 0.6'),
    figure('memory at most, all in', all.peakMegabytes, 'MB', '≤ 1000'),
    figure('memory at most with --fast', fast.peakMegabytes, 'MB', '≤ 1000'),
    figure('one prediction, mean', all.predictionMs.mean, 'ms', '≤ 0.2'),
    figure('one prediction, p99', all.predictionMs.p99, 'ms', '≤ 1'),
  ])
})

function evaluated(log, flags) {
  const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))
  const watched = [
    '--import',
    path('support/print-peak-memory.mjs'),
    path('../dist/cli/main.js'),
    'evaluate',
    log,
    '--json',
    ...flags,
  ]
  const { status, stdout, stderr } = spawnSync(process.execPath, watched, { encoding: 'utf8', maxBuffer: 1e9 })
  if (status !== 0) throw new Error(`forebay evaluate failed: ${stderr}`)
  return { ...JSON.parse(stdout), peakMegabytes: Number(/peak kilobytes (\d+)/.exec(stderr)?.[1]) / 1000 }
}
