/**
 * From `forebay serve` to its ready line (a planner and a first node have answered): 100 tables, 1,000 files that an earlier run
 * has seen.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { inFolder, quick } from './support/folders.mjs'
import { serve } from './support/forebay-server.mjs'
import { openDuckDB } from './support/plain-duckdb.mjs'
import { report } from './support/report.mjs'
import { spread, timed } from './support/statistics.mjs'

const rounds = quick ? 3 : 9
const rows = []

await inFolder('start', async (folder) => {
  const data = join(folder, 'lake')
  mkdirSync(data)
  const writer = await openDuckDB()
  for (let table = 0; table < 100; table++) {
    const name = join(data, `table_${String(table).padStart(3, '0')}`)
    mkdirSync(name)
    for (let file = 0; file < 10; file++) {
      await writer.run(`COPY (SELECT i::INTEGER AS id, 'name ' || i AS name, (i * ${file + 1})::DECIMAL(12,2) AS amount,
        DATE '2026-01-01' + (i % 90)::INTEGER AS day FROM range(1000) r(i)) TO '${join(name, `part-${file}.parquet`)}'`)
    }
  }
  writer.close()
  const [starts, firsts, stops] = [[], [], []]
  for (let round = -1; round < rounds; round++) {
    const server = await serve({ data, state: join(folder, 'state') })
    const first = await timed(() => server.ask('SELECT count(*) FROM table_042 WHERE amount > 10', { reuse: false }))
    const stop = await timed(() => server.stop())
    if (round < 0) {
      rows.push(spread('first start ever, everything new', [server.startMs], 'ms'))
      continue
    }
    starts.push(server.startMs)
    firsts.push(first)
    stops.push(stop)
  }
  rows.push(spread('serve to ready', starts, 'ms', '≤ 1500'))
  rows.push(spread('first query after ready', firsts, 'ms'))
  rows.push(spread('SIGTERM to exit', stops, 'ms'))
})
report('start', rows)
