/** Writes deploy/grafana/dashboards/*.json. With --check, says which of them are not what this script would write. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { dashboards } from './dashboards/dashboards.mjs'

const folder = resolve(dirname(fileURLToPath(import.meta.url)), '..', 'deploy', 'grafana', 'dashboards')
const check = process.argv.includes('--check')
let stale = 0
for (const [name, make] of Object.entries(dashboards)) {
  const file = join(folder, `${name}.json`)
  const json = `${JSON.stringify(make().build(), null, 2)}\n`
  if (existsSync(file) && readFileSync(file, 'utf8') === json) continue
  stale += 1
  if (!check) writeFileSync(file, json)
  console.log(`${file} ${check ? 'is stale: run node scripts/dashboards.mjs' : 'written'}`)
}
process.exit(check && stale > 0 ? 1 : 0)
