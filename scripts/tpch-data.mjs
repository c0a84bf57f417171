/** TPC-H at scale 1 for tests and benchmarks: data and texts come from Python's package registry and stay in .tpch/. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../.tpch', import.meta.url))
const packages = join(folder, 'python')
const lake = join(folder, 'scale-1')
const texts = join(folder, 'queries.json')

/**
 * The folder of the 22 queries' tables at scale 1, one Parquet file each, and the texts. Fetches what is missing; each thing
 * appears under its name when it is whole.
 */
export function installTpch() {
  mkdirSync(folder, { recursive: true })
  const run = (command, given, env = {}) =>
    execFileSync(command, given, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ...env } })
  once(packages, (target) => {
    const wanted = ['tpchgen-cli==4.0.0', 'duckdb==1.5.5', 'duckdb-extensions==1.5.5', 'duckdb-extension-tpch==1.5.5']
    run('python3', ['-m', 'pip', 'install', '--quiet', '--root-user-action=ignore', '--target', target, ...wanted])
  })
  once(texts, (target) => {
    const program = [
      'import duckdb, json, sys',
      'from duckdb_extensions import import_extension',
      'import_extension("tpch")',
      'connection = duckdb.connect()',
      'connection.execute("LOAD tpch")',
      'rows = connection.execute("FROM tpch_queries()").fetchall()',
      'json.dump([sql for _, sql in sorted(rows)], open(sys.argv[1], "w"))',
    ].join('\n')
    run('python3', ['-c', program, target], { PYTHONPATH: packages, HOME: folder })
  })
  once(lake, (target) =>
    run(join(packages, 'bin', 'tpchgen-cli'), ['parquet', '-s', '1', '-o', target], { PYTHONPATH: packages }),
  )
  const queries = JSON.parse(readFileSync(texts, 'utf8')).map((sql, index) => ({ number: index + 1, sql }))
  return { lake, queries }
}

function once(target, make) {
  if (existsSync(target)) return
  const unfinished = `${target}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  make(unfinished)
  renameSync(unfinished, target)
}
