/**
 * The 22 TPC-H queries at scale 1 through a real server, against plain DuckDB on the same files: split as the cost model
 * likes and always, on few and on many nodes, from Parquet and from packs. Data and texts come from Python's package
 * registry and stay in .tpch/. Prints a line for each query that differs, and `N passed, N failed`.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { installTpch } from './tpch-data.mjs'

const tables = ['customer', 'lineitem', 'nation', 'orders', 'part', 'partsupp', 'region', 'supplier']
const servers = [
  { name: 'auto, 2 nodes', flags: ['--nodes', '2', '--tree', 'auto'] },
  { name: 'always, 9 nodes', flags: ['--nodes', '9', '--tree', 'always', '--memory', '6GB'] },
]

const { lake, queries } = installTpch()
const oracle = await (await DuckDBInstance.create(':memory:')).connect()
for (const table of tables) await oracle.run(`CREATE VIEW ${table} AS SELECT * FROM read_parquet('${join(lake, table)}.parquet')`)
const expected = new Map()
for (const { number, sql } of queries) expected.set(number, await answerOf(sql))

let passed = 0
let failed = 0
for (const server of servers) await check(server)
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)

async function check({ name, flags }) {
  const state = mkdtempSync(join(tmpdir(), 'forebay-tpch-'))
  const given = ['dist/cli/main.js', 'serve', '--data', lake, '--state', state, '--port', '0', '--log-level', 'error', ...flags]
  const server = spawn(process.execPath, given, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const url = await ready(server)
    await pass(url, `${name}, from Parquet`, state)
    // Columns that were read three times are packed when the server is idle.
    for (let round = 0; round < 2; round++) for (const { sql } of queries) await ask(url, sql, join(state, 'ignored.parquet'))
    const packs = await packsOf(url)
    await pass(url, `${name}, with ${packs} packs`, state)
    if (packs === 0) fail(`${name}: no pack was built within two minutes`)
  } finally {
    const gone = new Promise((done) => server.once('exit', done))
    server.kill('SIGTERM')
    await gone
    rmSync(state, { recursive: true, force: true })
  }
}

async function pass(url, name, state) {
  let right = 0
  for (const { number, sql } of queries) {
    const file = join(state, 'answer.parquet')
    try {
      await ask(url, sql, file)
      const difference = compare(expected.get(number), await answerOf(`SELECT * FROM read_parquet('${file}')`))
      if (difference !== undefined) throw new Error(difference)
      passed++
      right++
    } catch (error) {
      fail(`${name}: Q${number}: ${error.message}`)
    }
  }
  console.log(`${name}: ${right} of ${queries.length}`)
}

function fail(message) {
  failed++
  console.log(message)
}

function ready(server) {
  return new Promise((done, wrong) => {
    let text = ''
    server.stdout.on('data', (chunk) => {
      text += chunk
      const url = /forebay ready (\S+)/.exec(text)?.[1]
      if (url !== undefined) done(url)
    })
    server.once('exit', (code) => wrong(new Error(`the server ended with ${code} before it was ready`)))
  })
}

async function ask(url, sql, file) {
  const response = await fetch(`${url}/v1/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/vnd.apache.parquet' },
    body: JSON.stringify({ sql, reuse: false }),
  })
  if (!response.ok) throw new Error(await response.text())
  writeFileSync(file, new Uint8Array(await response.arrayBuffer()))
}

/** Waits until the number of packs has not grown for ten seconds; gives up after two minutes. */
async function packsOf(url) {
  let packs = 0
  let grownAt = Date.now()
  const begunAt = Date.now()
  while (Date.now() - begunAt < 120_000 && (packs === 0 || Date.now() - grownAt < 10_000)) {
    await new Promise((done) => setTimeout(done, 1_000))
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const now = Number(/forebay_segments\{tier="pack"\} (\d+)/.exec(metrics)?.[1] ?? 0)
    if (now > packs) {
      packs = now
      grownAt = Date.now()
    }
  }
  return packs
}

async function answerOf(sql) {
  const reader = await oracle.runAndReadAll(sql)
  const columns = reader.columnNames().map((column, index) => `${column} ${parquetType(String(reader.columnType(index)))}`)
  const floating = columns.map((column) => /(DOUBLE|FLOAT)$/.test(column))
  const rows = reader.getRows().map((row) => row.map((value, index) => (floating[index] ? Number(value) : String(value))))
  return { columns, floating, rows }
}

/** The type under which Parquet holds a column: it has no HUGEINT, and DuckDB would write it as DOUBLE. */
function parquetType(type) {
  return type === 'HUGEINT' ? 'DECIMAL(38,0)' : type
}

/** What differs, or nothing: names and types exact, rows as a multiset, floating-point values to 1e-9 relative. */
function compare(wanted, got) {
  if (wanted.columns.join() !== got.columns.join()) return `columns are ${got.columns} instead of ${wanted.columns}`
  if (wanted.rows.length !== got.rows.length) return `${got.rows.length} rows instead of ${wanted.rows.length}`
  const order = ({ floating, rows }) =>
    rows
      .map((row) => ({ row, key: row.map((value, index) => (floating[index] ? value.toPrecision(6) : value)).join('\u0000') }))
      .toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
      .map(({ row }) => row)
  const [a, b] = [order(wanted), order(got)]
  for (const [index, row] of a.entries()) {
    const differs = row.some((value, column) => {
      const other = b[index][column]
      return wanted.floating[column] ? Math.abs(value - other) > 1e-9 * Math.max(1, Math.abs(value)) : value !== other
    })
    if (differs) return `row ${JSON.stringify(b[index])} instead of ${JSON.stringify(row)}`
  }
  return undefined
}
