/**
 * The 22 TPC-H queries at scale 1 over HTTP against DuckDB in this process on the same files with the same threads, in turn:
 * cold (no packs; first and second touch after a start), warm (packs that the server built by itself, answers not reused),
 * repeated, and grown by one file of twenty. Where the time of a warm query goes is reported beside it.
 */
import { cpSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { installTpch } from '../scripts/tpch-data.mjs'
import { inFolder, quick, until } from './support/folders.mjs'
import { metric, serve } from './support/forebay-server.mjs'
import { openDuckDB } from './support/plain-duckdb.mjs'
import { report } from './support/report.mjs'
import { figure, geometricMean, interleave, median, quantile, rounded, spread } from './support/statistics.mjs'

const { lake, queries } = installTpch()
const rounds = quick ? 3 : 7
const flags = ['--memory', '6GB', '--nodes', String(availableParallelism())]
const fresh = { reuse: false }
const rows = []
const perQuery = []

await inFolder('tpch', async (folder) => {
  const duckdb = await openDuckDB(lake)
  await cold(folder, duckdb)
  await warm(folder, duckdb)
  duckdb.close()
})
await inFolder('tpch-grown', grown)
report('tpch', rows)
report('tpch-queries', perQuery)

/** Checksums are known from an earlier run of the server, which is what a restart on a used state folder finds. */
async function cold(folder, duckdb) {
  const state = join(folder, 'cold')
  const first = await serve({ data: lake, state, flags })
  for (const { sql } of queries) await first.ask(sql, fresh)
  await quiet(first)
  await first.stop()
  const touches = { 'first touch': queries.map(() => []), 'second touch': queries.map(() => []) }
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    rmSync(join(state, 'packs'), { recursive: true, force: true })
    const server = await serve({ data: lake, state, flags })
    // A pack is built only when nobody has asked for two seconds, which does not happen here.
    for (const ratios of Object.values(touches)) {
      for (const [index, { sql }] of queries.entries()) {
        const { forebay, plain } = await interleave(1, {
          forebay: () => server.receive(sql, fresh),
          plain: () => duckdb.ask(sql),
        })
        ratios[index].push(plain[0] / forebay[0])
      }
    }
    if ((await metric(server, 'forebay_segments', 'tier="pack"')) > 0) throw new Error('packs were built in a cold run')
    await server.stop()
  }
  summary('cold, first touch after a start', touches['first touch'].map(median), '≥ 0.5')
  summary('cold, checksums verified', touches['second touch'].map(median), '≥ 0.85')
}

async function warm(folder, duckdb) {
  const server = await serve({ data: lake, state: join(folder, 'warm'), flags })
  const { fromFiles, ms } = await warmUp(server)
  rows.push(figure('segments that the 22 queries read from files after warming up', fromFiles, ''))
  rows.push(figure('time until what is read is packed', ms / 1000, 's'))
  const [speed, overheads, parts, repeated, repeatedOwn] = [[], [], [], [], []]
  for (const { number, sql } of queries) {
    const texts = []
    const times = await interleave(rounds, {
      forebay: async () => texts.push(await server.receive(sql, fresh)),
      plain: () => duckdb.ask(sql),
    })
    const asked = texts.map((text) => server.answerOf(text, sql))
    const overhead = []
    for (const [index, answer] of asked.entries()) {
      const status = await server.get(`/v1/queries/${answer.queryId}`)
      overhead.push(times.forebay[index] - tasksMs(status.tasks))
      parts.push(answer.stats)
    }
    overheads.push(...overhead)
    await server.ask(sql)
    const again = await interleave(rounds, { forebay: () => server.receive(sql), plain: () => duckdb.ask(sql) })
    speed.push(median(times.plain) / median(times.forebay))
    repeated.push(median(again.plain) / median(again.forebay))
    repeatedOwn.push(median(times.forebay) / median(again.forebay))
    perQuery.push({
      measure: `Q${number}`,
      'DuckDB ms': rounded(median(times.plain)),
      'warm ms': rounded(median(times.forebay)),
      'warm p90 ms': rounded(quantile(times.forebay, 0.9)),
      'warm ×': rounded(speed.at(-1)),
      'overhead ms': rounded(median(overhead)),
      'repeated ms': rounded(median(again.forebay)),
      'repeated ×': rounded(repeated.at(-1)),
      tasks: asked.at(-1).stats.tasks,
      parquet: asked.at(-1).stats.tiers.parquet,
    })
  }
  await server.stop()
  summary('warm, answers not reused', speed, '≥ 2.0', '≥ 0.9')
  rows.push({ ...spread("Forebay's own overhead, warm queries", overheads, 'ms'), asked: '≤ 5' })
  for (const part of ['planMs', 'queuedMs', 'runMs', 'totalMs']) {
    rows.push(
      spread(
        `of it, ${part} in the answer's statistics`,
        parts.map((stats) => stats[part]),
        'ms',
      ),
    )
  }
  summary('repeated, against DuckDB', repeated, '≥ 15')
  rows.push(figure('repeated, against the warm query itself, geometric mean', geometricMean(repeatedOwn), '×'))
}

/** Nineteen files of lineitem stay and one is another each time, so that an answer needs only that one's work anew. */
async function grown(folder) {
  const data = join(folder, 'lake')
  const files = join(data, 'lineitem')
  mkdirSync(files, { recursive: true })
  for (const table of ['customer', 'nation', 'orders', 'part', 'partsupp', 'region', 'supplier']) {
    cpSync(join(lake, `${table}.parquet`), join(data, `${table}.parquet`))
  }
  const writer = await openDuckDB(lake)
  for (let part = 0; part < 20; part++) {
    // By order, as data arrives; all parts of one order stay together.
    const range = `l_orderkey > ${part * 300_000} AND l_orderkey <= ${(part + 1) * 300_000}`
    const path = join(files, `part-${String(part).padStart(2, '0')}.parquet`)
    await writer.run(`COPY (FROM lineitem WHERE ${range}) TO '${path}' (ROW_GROUP_SIZE 122880)`)
  }
  writer.close()
  const server = await serve({ data, state: join(folder, 'state'), flags })
  const duckdb = await openDuckDB(data)
  await warmUp(server)
  const [againstDuckdb, againstOwn] = [[], []]
  for (const { number, sql } of queries) {
    // Once to be known, and once on other data to be known as a query over data that grows.
    for (let time = 0; time < 2; time++) {
      replaceLast(files)
      await server.ask(sql)
    }
    const [samples, plain, own, tiers] = [[], [], [], []]
    for (let round = 0; round < Math.min(rounds, 5); round++) {
      replaceLast(files)
      let text = ''
      const receive = async () => {
        text = await server.receive(sql)
      }
      const { forebay } = await interleave(1, { forebay: receive })
      tiers.push(server.answerOf(text, sql).stats.tiers)
      const others = await interleave(1, { own: () => server.receive(sql, fresh), plain: () => duckdb.ask(sql) })
      samples.push(forebay[0])
      own.push(others.own[0])
      plain.push(others.plain[0])
    }
    const query = perQuery.find((row) => row.measure === `Q${number}`)
    query['grown ms'] = rounded(median(samples))
    query['grown ×'] = rounded(median(plain) / median(samples))
    // Only what was put together from stored partials and the new file is meant: the rest reads everything again, or nothing new.
    if (!tiers.every((tier) => tier.reused > 0 && tier.parquet > 0)) continue
    againstDuckdb.push(median(plain) / median(samples))
    againstOwn.push(median(own) / median(samples))
  }
  await server.stop()
  duckdb.close()
  rows.push(figure('grown by one file of 20, queries that read it and were split', againstDuckdb.length, 'of 22'))
  if (againstDuckdb.length === 0) return
  rows.push(figure('grown, against DuckDB, geometric mean', geometricMean(againstDuckdb), '×', '≥ 5'))
  rows.push(figure('grown, against the same without reuse, geometric mean', geometricMean(againstOwn), '×'))
}

/** The last file goes and an equal one comes: another version of it, by inode and time. */
function replaceLast(files) {
  const last = join(files, 'part-19.parquet')
  cpSync(last, join(files, '_arriving'))
  renameSync(join(files, '_arriving'), last)
  if (statSync(last).size === 0) throw new Error('the last file is empty')
}

function summary(name, ratios, asked, askedWorst = '') {
  rows.push(figure(`${name}, geometric mean`, geometricMean(ratios), '×', asked))
  rows.push(figure(`${name}, slowest query (Q${ratios.indexOf(Math.min(...ratios)) + 1})`, Math.min(...ratios), '×', askedWorst))
}

/** Milliseconds of the tasks on a query's longest path: on each level the slowest. */
function tasksMs(tasks) {
  const slowest = new Map()
  for (const { role, wallMs } of tasks) slowest.set(role, Math.max(slowest.get(role) ?? 0, wallMs ?? 0))
  return [...slowest.values()].reduce((sum, ms) => sum + ms, 0)
}

/**
 * Asks everything until no query reads a file any more: the server packs what is hot when nobody asks. A build gives way to queries
 * and is begun again, so each pass waits longer than the one before. What is left on files after the last is reported.
 */
async function warmUp(server) {
  const startedAt = performance.now()
  for (let pass = 0; ; pass++) {
    let fromFiles = 0
    for (const { sql } of queries) fromFiles += (await server.ask(sql, fresh)).stats.tiers.parquet
    console.log(`${fromFiles} reads of files, ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
    if (fromFiles === 0 || pass === 5) return { fromFiles, ms: performance.now() - startedAt }
    await quiet(server, 8_000 + pass * 4_000)
  }
}

/** Resolves when the number of packed segments has stood still for a while. */
async function quiet(server, stillMs = 8_000) {
  let packs = -1
  let since = performance.now()
  await until(
    async () => {
      const now = await metric(server, 'forebay_segments', 'tier="pack"')
      if (now !== packs) since = performance.now()
      packs = now
      return performance.now() - since > stillMs
    },
    120_000,
    1_000,
  )
}
