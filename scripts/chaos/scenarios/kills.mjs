/** kill -9 of a random node or planner every one to three seconds, under 16 clients. */
import { makeStatements, Oracle, rowsText, writeLake } from '../support/lake.mjs'
import { quantile, sleep, until } from '../support/random.mjs'
import { isAlive, signalTo, startServer } from '../support/server.mjs'

const clients = 16
const timeoutMs = 10_000
/** What a query may take beyond its deadline before it counts as hung. */
const graceMs = 2_000
const smallMs = 300

async function run({ random, seconds, inner, say, check }) {
  const oracle = await Oracle.open()
  const data = inner('data')
  await writeLake(oracle, data)
  const statements = makeStatements(random, 54)
  const expected = new Map()
  for (const sql of statements) expected.set(sql, await oracle.answer(sql))
  oracle.close()

  const server = await startServer({ data, state: inner('state'), flags: ['--nodes', '3'] })
  const undisturbed = new Map()
  for (const sql of statements) {
    const times = []
    for (let round = 0; round < 3; round++) {
      const began = performance.now()
      const answer = await server.query(sql, { reuse: false })
      if (answer.status !== 200) throw new Error(`${sql}: ${answer.text}`)
      times.push(performance.now() - began)
    }
    undisturbed.set(sql, quantile(times, 0.5))
  }
  const small = statements.filter((sql) => undisturbed.get(sql) <= smallMs)
  say(
    `${statements.length} statements, ${small.length} of them within ${smallMs} ms undisturbed (median ${quantile([...undisturbed.values()], 0.5).toFixed(0)} ms)`,
  )

  const end = performance.now() + seconds * 1000
  const seen = { queries: 0, small: 0, smallFailed: 0, failed: new Map(), wrong: [], hung: [], times: [] }
  const client = async (number) => {
    const own = random.child(number)
    while (performance.now() < end) {
      const sql = own.pick(statements)
      const began = performance.now()
      const tree = own.pick(['auto', 'auto', 'always', 'never'])
      const answer = await server
        .query(sql, { timeoutMs, reuse: own.next() < 0.3, tree }, timeoutMs + graceMs)
        .catch((error) => ({ status: 0, broken: error }))
      seen.queries++
      seen.times.push(performance.now() - began)
      const fine = answer.status === 200 && answer.error === undefined && answer.body !== undefined
      if (undisturbed.get(sql) <= smallMs) {
        seen.small++
        if (!fine) seen.smallFailed++
      }
      if (fine && rowsText(answer.body.rows) !== expected.get(sql))
        seen.wrong.push({ sql, tree, got: answer.text.slice(0, 2_000) })
      if (answer.broken?.hang) seen.hung.push(sql)
      if (!fine) {
        const why =
          answer.error === undefined
            ? String(answer.broken ?? answer.text.slice(0, 200))
            : `${answer.error.code}: ${answer.error.message}`
        seen.failed.set(why, (seen.failed.get(why) ?? 0) + 1)
      }
    }
  }
  let kills = 0
  const killer = async () => {
    const own = random.child(1_000)
    while (performance.now() < end) {
      await sleep(own.between(1_000, 3_000))
      const victim = own.pick(server.children().filter(({ kind }) => kind === 'node' || kind === 'planner'))
      if (victim !== undefined && signalTo(victim.pid, 'SIGKILL')) kills++
    }
  }
  await Promise.all([...Array.from({ length: clients }, (_, number) => client(number)), killer()])
  say(
    `${seen.queries} queries, ${kills} kills; median ${quantile(seen.times, 0.5).toFixed(0)} ms, p99 ${quantile(seen.times, 0.99).toFixed(0)} ms, longest ${Math.max(...seen.times).toFixed(0)} ms`,
  )
  for (const [why, times] of seen.failed) say(`${times} × ${why}`)
  for (const wrong of seen.wrong.slice(0, 3)) say(JSON.stringify(wrong))
  const share = 1 - seen.smallFailed / Math.max(1, seen.small)
  check(seen.wrong.length === 0, `${seen.wrong.length} wrong answers (0 asked)`)
  check(seen.hung.length === 0, `${seen.hung.length} hung beyond their deadline (0 asked)`)
  check(share >= 0.995, `${(share * 100).toFixed(3)} % of ${seen.small} small queries succeeded (≥ 99.5 % asked)`)
  const ready = await until(
    'ready again',
    3_000,
    async () => (await server.query('SELECT count(*) FROM facts', { reuse: false })).status === 200,
  ).catch(() => false)
  check(ready, 'answers after the last kill')
  const processes = server.children().map(({ pid }) => pid)
  check((await server.kill('SIGTERM')) === 0, 'stops with 0')
  await sleep(500)
  check(processes.filter(isAlive).length === 0, 'leaves no process')
}

export const scenario = { name: 'kills', about: 'kill -9 of nodes and planners under 16 clients', seconds: 300, run }
