import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = join(root, 'docs/performance.md')
const begin = '<!-- figures: written by npm run bench -->'
const end = '<!-- end of figures -->'

/** Puts what is in bench/results/ between the page's two marks, one table for each benchmark, with the machine. */
export function fillPerformancePage() {
  const text = readFileSync(page, 'utf8')
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${page} has no place for the figures`)
  const results = readdirSync(join(root, 'bench/results'))
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(root, 'bench/results', name), 'utf8')))
  const sections = results.map(section).join('\n')
  writeFileSync(page, `${text.slice(0, from)}${begin}\n${sections}${text.slice(to)}`)
}

function section({ name, at, quick, loadBefore, machine, versions, rows }) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const line = (cells) => `| ${cells.join(' | ')} |`
  const cell = (value) => String(value ?? '').replaceAll('|', '\\|')
  const where = `${machine.cores} × ${machine.cpu}, ${(machine.memoryBytes / 1e9).toFixed(0)} GB, Node ${versions.node}`
  // A simulation's figures do not depend on how busy the machine was.
  const load = loadBefore === undefined ? '' : `, load of the machine before it ${loadBefore.toFixed(1)}`
  const pass = `${quick ? 'quick pass' : 'full pass'}${load}`
  return [
    `### ${name}`,
    `${at.slice(0, 10)}, ${where}, DuckDB ${versions['@duckdb/node-api']}; ${pass}`,
    '',
    line(columns),
    line(columns.map(() => '---')),
    ...rows.map((row) => line(columns.map((column) => cell(row[column])))),
    '',
  ].join('\n')
}
