/**
 * What ten times as much costs a query that reads the same after pruning: 2,000 files instead of 200, 100 tables instead of 10,
 * ten times the history; time per query in turn on two servers, and the memory of the coordinator. And what a query takes after one more
 * file when two hundred have come one by one, each asked for, instead of twenty.
 */
import { mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { inFolder, quick } from './support/folders.mjs'
import { residentBytes, serve } from './support/forebay-server.mjs'
import { openDuckDB } from './support/plain-duckdb.mjs'
import { report } from './support/report.mjs'
import { figure, interleave, median, spread } from './support/statistics.mjs'

const rounds = quick ? 100 : 400
const rows = []

await inFolder('growth', async (folder) => {
  const files = await lakes(folder, [200, 2_000], makeFiles)
  await compare('files', files, (round) => `SELECT count(*), sum(amount) FROM events WHERE day = 7 AND id > ${round}`)
  const tables = await lakes(folder, [10, 100], makeTables)
  await compare('tables', tables, (round) => `SELECT count(*), sum(amount) FROM table_3 WHERE id > ${round}`)
  const history = await lakes(folder, [1, 1], makeTables, 'history')
  await compare('queries of history', history, (round) => `SELECT count(*), sum(amount) FROM table_0 WHERE id > ${round}`, [
    quick ? 100 : 1_000,
    quick ? 1_000 : 10_000,
  ])
  await compareAppended(folder)
})
report('growth', rows)

/** The same file comes to both tables in turn, and the same question after it, which only that file has to be read for. */
async function compareAppended(folder) {
  const writer = await openDuckDB()
  const appended = quick ? 10 : 40
  const sql = 'SELECT shop, count(*) AS n, sum(amount) AS total, avg(amount) AS mean FROM visits GROUP BY shop ORDER BY shop'
  const sides = {}
  for (const [name, count] of [
    ['few', 20],
    ['many', quick ? 60 : 200],
  ]) {
    const data = join(folder, `appended-${name}`)
    const files = join(data, 'visits')
    mkdirSync(files, { recursive: true })
    let next = 0
    const append = async () => {
      const arriving = join(files, '_arriving')
      await writer.run(`COPY (SELECT i::BIGINT AS id, ${next}::INTEGER AS hour, (i % 50)::INTEGER AS shop,
        (i * 7919 % 100000)::DECIMAL(12,2) AS amount FROM range(100000) r(i)) TO '${arriving}' (FORMAT parquet)`)
      renameSync(arriving, join(files, `hour-${String(next++).padStart(4, '0')}.parquet`))
    }
    for (let file = 0; file < 10; file++) await append()
    const server = await serve({ data, state: join(folder, `appended-${name}-state`), flags: ['--proactive', 'off'] })
    for (; next < count; await append()) await server.ask(sql)
    sides[name] = { data, server, append, count }
  }
  const { few, many } = sides
  const duckdb = await openDuckDB(many.data)
  const times = { few: [], many: [], plain: [] }
  for (let round = 0; round < appended; round++) {
    await few.append()
    await many.append()
    const turn = await interleave(1, {
      few: () => few.server.ask(sql),
      many: () => many.server.ask(sql),
      plain: () => duckdb.ask(sql),
    })
    for (const name of Object.keys(times)) times[name].push(...turn[name])
  }
  for (const { server } of [few, many]) await server.stop()
  for (const connection of [duckdb, writer]) connection.close()
  rows.push(spread(`one query after one more file, ${few.count} came before`, times.few, 'ms'))
  rows.push(spread(`one query after one more file, ${many.count} came before`, times.many, 'ms'))
  rows.push(spread(`the same in DuckDB, ${many.count} came before`, times.plain, 'ms'))
  const ratio = median(times.many) / median(times.few)
  rows.push(figure(`time per query after one more file, ${many.count} ÷ ${few.count} before`, ratio, '×', '≤ 1.3'))
}

async function lakes(folder, sizes, make, prefix = make.name) {
  const writer = await openDuckDB()
  const made = []
  for (const [index, size] of sizes.entries()) {
    const data = join(folder, `${prefix}-${index}`)
    mkdirSync(data)
    await make(writer, data, size)
    made.push({ size, data, state: join(folder, `${prefix}-${index}-state`) })
  }
  writer.close()
  return made
}

/** A tenth, or a hundredth, of the files is what a query of one day reads: ten files always. */
async function makeFiles(writer, data, count) {
  for (let file = 0; file < count; file++) {
    const day = Math.floor(file / 10)
    const part = join(data, 'events', `day=${day}`)
    mkdirSync(part, { recursive: true })
    await writer.run(`COPY (SELECT (${file} * 1000 + i)::BIGINT AS id, (i % 100)::DECIMAL(12,2) AS amount
      FROM range(1000) r(i)) TO '${join(part, `part-${file % 10}.parquet`)}'`)
  }
}

async function makeTables(writer, data, count) {
  for (let table = 0; table < count; table++) {
    await writer.run(`COPY (SELECT i::BIGINT AS id, (i % 100)::DECIMAL(12,2) AS amount, 'name ' || i AS name
      FROM range(20000) r(i)) TO '${join(data, `table_${table}.parquet`)}'`)
  }
}

async function compare(name, lakesOfBoth, text, before = [0, 0]) {
  const servers = []
  for (const lake of lakesOfBoth) servers.push(await serve({ ...lake, flags: ['--proactive', 'off'] }))
  for (const [index, server] of servers.entries()) await fill(server, before[index])
  const [small, large] = servers
  const ask = (server, round) => server.ask(text(round), { reuse: false })
  for (const server of servers) for (let round = 0; round < 40; round++) await ask(server, round)
  const times = await interleave(rounds, { small: (round) => ask(small, 100 + round), large: (round) => ask(large, 100 + round) })
  const sizes = lakesOfBoth.map(({ size }, index) => (before[1] > 0 ? before[index] : size))
  rows.push(spread(`one query, ${sizes[0]} ${name}`, times.small, 'ms'))
  rows.push(spread(`one query, ${sizes[1]} ${name}`, times.large, 'ms'))
  rows.push(figure(`time per query, ${sizes[1]} ÷ ${sizes[0]} ${name}`, median(times.large) / median(times.small), '×', '≤ 1.3'))
  const [smallBytes, largeBytes] = servers.map((server) => residentBytes(server.pid))
  rows.push(figure(`memory of the coordinator, ${sizes[0]} ${name}`, smallBytes / 1e6, 'MB'))
  rows.push(figure(`memory of the coordinator, ${sizes[1]} ${name}`, largeBytes / 1e6, 'MB'))
  await Promise.all(servers.map((server) => server.stop()))
}

/** So many queries of fifty templates by sixteen clients, each a line of history and a few edges of lineage. */
async function fill(server, count) {
  let next = 0
  const client = async () => {
    while (next < count) {
      const number = next++
      await server.ask(`SELECT count(*) AS c${number % 50} FROM table_0 WHERE id > ${number % 977}`, { reuse: false })
    }
  }
  await Promise.all(Array.from({ length: 16 }, client))
}
