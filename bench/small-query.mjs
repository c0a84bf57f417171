/**
 * What a small query costs beyond DuckDB itself: a filtered count on 100,000 rows over HTTP against DuckDB in this process, in
 * turn. The literal changes each time, so that neither a plan nor an answer is found.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { inFolder, quick } from './support/folders.mjs'
import { serve } from './support/forebay-server.mjs'
import { openDuckDB } from './support/plain-duckdb.mjs'
import { report } from './support/report.mjs'
import { figure, interleave, median, spread } from './support/statistics.mjs'

const rounds = quick ? 200 : 1_000
const rows = []

await inFolder('small', async (folder) => {
  const data = join(folder, 'lake')
  mkdirSync(data)
  const writer = await openDuckDB()
  await writer.run(`COPY (SELECT i::INTEGER AS id, (hash(i) % 1000)::INTEGER AS amount, 'name ' || (i % 977) AS name
    FROM range(100000) r(i)) TO '${join(data, 'small.parquet')}'`)
  writer.close()
  const duckdb = await openDuckDB(data)
  const server = await serve({ data, state: join(folder, 'state') })
  await measure(server, duckdb, 'new literal', (round) => ({ sql: text(round), reuse: false }))
  await measure(server, duckdb, 'same text, not reused', () => ({ sql: text(7), reuse: false }))
  await measure(server, duckdb, 'same text, answer reused', () => ({ sql: text(7) }))
  await server.stop()
  duckdb.close()
})
report('small-query', rows)

function text(round) {
  return `SELECT count(*) FROM small WHERE amount < ${100 + (round % 800)} AND id > ${round * 13}`
}

async function measure(server, duckdb, name, question) {
  for (let round = 0; round < 30; round++) await server.post('/v1/query', question(10_000 + round))
  const stats = []
  const times = await interleave(rounds, {
    forebay: async (round) => stats.push((await server.post('/v1/query', question(round))).stats),
    duckdb: (round) => duckdb.ask(question(round).sql),
  })
  rows.push(spread(`Forebay over HTTP, ${name}`, times.forebay, 'ms'))
  rows.push(spread(`DuckDB in process, ${name}`, times.duckdb, 'ms'))
  const asked = name === 'new literal' ? '≤ 4' : ''
  rows.push(figure(`more than DuckDB, p50, ${name}`, median(times.forebay) - median(times.duckdb), 'ms', asked))
  for (const part of ['planMs', 'queuedMs', 'runMs', 'totalMs']) {
    const values = stats.map((each) => each[part])
    rows.push(spread(`${part}, ${name}`, values, 'ms'))
  }
}
