/**
 * The first question after idle, prepared against not: the week of `forebay demo`, once reactive and once proactive at equal
 * byte-seconds, on dashboards and (what must not be worse, for nothing can be foreseen there) on random arrivals.
 */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { quick } from './support/folders.mjs'
import { report } from './support/report.mjs'
import { figure } from './support/statistics.mjs'

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const rows = []
for (const workload of quick ? ['dashboard'] : ['dashboard', 'random']) {
  const { reactive, proactive, ...rest } = demo(workload)
  const asked = workload === 'dashboard'
  rows.push(
    figure(`${workload}: wait of the first recurring question after idle, reactive, p50`, reactive.firstWaitP50Ms, 'ms'),
    figure(`${workload}: the same, proactive, p50`, proactive.firstWaitP50Ms, 'ms'),
    figure(`${workload}: reactive ÷ proactive`, reactive.firstWaitP50Ms / proactive.firstWaitP50Ms, '×', asked ? '≥ 5' : ''),
    figure(
      `${workload}: first questions with everything ready`,
      (100 * proactive.ready) / proactive.firstAfterIdle,
      '%',
      asked ? '≥ 90' : '',
    ),
    figure(`${workload}: of so many, held-out ones not counted`, proactive.firstAfterIdle, ''),
    figure(`${workload}: held out`, rest.heldOutFirst, ''),
    figure(
      `${workload}: byte-seconds, proactive ÷ reactive`,
      proactive.reservedByteSeconds / reactive.reservedByteSeconds,
      '×',
      '1 ± 0.02',
    ),
    figure(`${workload}: CPU-seconds, reactive`, reactive.cpuSeconds, 's'),
    figure(`${workload}: CPU-seconds, proactive`, proactive.cpuSeconds, 's'),
    figure(`${workload}: actions taken`, rest.ledger.actions, ''),
    figure(`${workload}: of them wasted`, rest.ledger.wasted, ''),
  )
}
report(
  'first-after-idle',
  rows.filter((row) => Number.isFinite(row.value)),
)

function demo(workload) {
  const text = execFileSync(process.execPath, [main, 'demo', '--json', '--workload', workload], { encoding: 'utf8' })
  return JSON.parse(text)
}
