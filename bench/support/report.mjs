import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { quick } from './folders.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Processes that wanted a core in the minute before: what else the machine had to do. */
const [loadBefore = 0] = loadavg()

/** Prints rows as a table and writes them, with the machine and the versions, to `bench/results/NAME.json`. */
export function report(name, rows) {
  console.log(`\n${name}`)
  console.table(Object.fromEntries(rows.map(({ measure, ...rest }) => [measure, rest])))
  mkdirSync(join(root, 'bench/results'), { recursive: true })
  const result = { name, at: new Date().toISOString(), quick, loadBefore, machine: machine(), versions: versions(), rows }
  writeFileSync(join(root, 'bench/results', `${name}.json`), `${JSON.stringify(result, undefined, 2)}\n`)
}

/** What the figures were measured on. */
export function machine() {
  const [cpu] = cpus()
  return { cpu: cpu?.model.trim() ?? 'unknown', cores: cpus().length, memoryBytes: totalmem(), platform: process.platform }
}

function versions() {
  const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return { node: process.versions.node, forebay: own.version, ...own.dependencies }
}

export { quantile } from './statistics.mjs'
