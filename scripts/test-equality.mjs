/**
 * Generated queries on generated data against plain DuckDB: 5,000 of them, or FOREBAY_SEEDS; FOREBAY_FIRST_SEED says where to
 * begin, so that a failing seed can be run alone. First the plans' SQL alone, then through planners, nodes and packs.
 */
import { spawnSync } from 'node:child_process'

const seeds = process.env.FOREBAY_SEEDS ?? '5000'
const environment = { ...process.env, FOREBAY_SEEDS: seeds, FOREBAY_PLAN_SEEDS: seeds }
const files = ['test/equality/plan-equality.test.ts', 'test/equality/engine-equality.test.ts']

let failed = 0
for (const file of files) {
  console.log(`${file}: ${seeds} seeds from ${process.env.FOREBAY_FIRST_SEED ?? 0}`)
  const { status } = spawnSync('npx', ['vitest', 'run', file, '--reporter=dot'], { stdio: 'inherit', env: environment })
  if (status !== 0) failed++
}
process.exit(failed === 0 ? 0 : 1)
