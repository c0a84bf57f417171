/**
 * kill -9 of the server, again and again, in the middle of queries, writes and lineage. What was acknowledged must be there afterwards,
 * nothing half written, no process, file or lock left over, and the next start must be ready within three seconds.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Oracle, rowsText, writeLake } from '../support/lake.mjs'
import { quantile, sleep, until } from '../support/random.mjs'
import { isAlive, startServer } from '../support/server.mjs'

const kills = 50
const readyMsMax = 3_000
const table = (number) => `w${number}`

/** What the clients were told, and may therefore rely on. */
class Promises {
  /** Batches inserted by table: acknowledged ones must be there, once; unanswered ones may be. */
  acknowledged = new Map()
  unanswered = new Map()
  traced = []
  accepted = []

  note(kind, name, batch) {
    const found = this[kind].get(name) ?? new Set()
    this[kind].set(name, found.add(batch))
  }
}

async function writer(server, number, promises, own, state) {
  const name = table(number)
  while (!state.over) {
    const batch = ++state.batches
    const rows = 1 + own.below(500)
    const sql = state.made.has(name)
      ? `INSERT INTO ${name} SELECT ${batch} AS batch, i FROM range(${rows}) t(i)`
      : `CREATE TABLE ${name} AS SELECT ${batch} AS batch, i FROM range(${rows}) t(i)`
    promises.note('unanswered', name, `${batch}:${rows}`)
    const answer = await server.query(sql).catch(() => undefined)
    if (answer === undefined) return
    if (answer.status === 200) {
      state.made.add(name)
      promises.note('acknowledged', name, `${batch}:${rows}`)
    } else if (answer.error?.code === 'TABLE_EXISTS') state.made.add(name)
    else if (answer.error?.code === 'NAME_NOT_FOUND' || answer.error?.code === 'NOT_FOUND')
      throw new Error(`${name} is lost: ${answer.text}`)
  }
}

async function reader(server, promises, own, state, sql) {
  while (!state.over) {
    const value = own.below(1_000)
    const answer = await server.query(`${sql} WHERE k <> ${value}`, { reuse: false }).catch(() => undefined)
    if (answer === undefined) return
    if (answer.status !== 200) continue
    const { queryId } = answer.body
    // Lineage counts as acknowledged once it could be read.
    const trace = await server.call(`/v1/lineage?from=query:${queryId}`).catch(() => undefined)
    if (trace?.status === 200 && own.next() < 0.2) promises.traced.push(queryId)
  }
}

async function accepter(server, promises, own, state) {
  while (!state.over) {
    const limit = own.below(1_000)
    const answer = await server
      .call('/v1/queries', { body: { sql: `SELECT count(*) AS n FROM facts WHERE k < ${limit}` } })
      .catch(() => undefined)
    if (answer === undefined) return
    if (answer.status === 202) promises.accepted.push({ queryId: answer.body.queryId, limit })
    await sleep(50)
  }
}

async function run({ random, inner, say, check, seconds }) {
  const oracle = await Oracle.open()
  const data = inner('data')
  const state = inner('state')
  await writeLake(oracle, data, { files: 6 })
  const promises = new Promises()
  const shared = { batches: 0, made: new Set(), over: false }
  const readyMs = []
  const left = []
  const wrong = []
  const rounds = Math.min(kills, Math.max(3, Math.round((kills * seconds) / scenario.seconds)))
  const checkServer = async (server) => {
    for (const [name, batches] of promises.acknowledged) {
      const answer = await server.query(`SELECT batch, count(*) AS n, count(DISTINCT i) AS d FROM ${name} GROUP BY batch`)
      if (answer.status !== 200) {
        wrong.push(`${name}: ${answer.text}`)
        continue
      }
      const there = new Map(answer.body.rows.map(([batch, rows, distinct]) => [`${batch}:${rows}`, rows === distinct]))
      for (const batch of batches) if (!there.has(batch)) wrong.push(`${name} lost batch ${batch}`)
      for (const [batch, once] of there)
        if (!once || !promises.unanswered.get(name).has(batch)) wrong.push(`${name} has half of batch ${batch}`)
    }
    for (const queryId of promises.traced.slice(-20)) {
      const trace = await server.call(`/v1/lineage?from=query:${queryId}`)
      if (trace.status !== 200) wrong.push(`lineage of ${queryId}: ${trace.text}`)
      const history = await server.call(`/v1/queries/${queryId}`)
      if (history.status !== 200) wrong.push(`history of ${queryId}: ${history.text}`)
    }
  }

  for (let round = 1; round <= rounds; round++) {
    const server = await startServer({ data, state, flags: ['--nodes', '2'] })
    readyMs.push(server.readyMs)
    await checkServer(server)
    shared.over = false
    const own = random.child(round)
    const work = [
      ...[1, 2, 3].map((number) => writer(server, number, promises, own.child(number), shared)),
      ...[4, 5, 6].map((number) =>
        reader(server, promises, own.child(number), shared, 'SELECT count(*) AS n, sum(amount) AS s FROM facts'),
      ),
      accepter(server, promises, own.child(7), shared),
    ]
    await sleep(own.between(200, 2_500))
    const processes = server.children().map(({ pid }) => pid)
    await server.kill('SIGKILL')
    shared.over = true
    await Promise.all(work)
    const gone = await until('the end of its processes', 3_000, () => processes.every((pid) => !isAlive(pid))).catch(() => false)
    if (!gone) left.push(...processes.filter(isAlive))
  }

  const server = await startServer({ data, state, flags: ['--nodes', '2'] })
  readyMs.push(server.readyMs)
  await checkServer(server)
  let kept = 0
  for (const { queryId, limit } of promises.accepted.slice(-40)) {
    const answer = await until('the answer', 30_000, async () => {
      const found = await server.call(`/v1/queries/${queryId}/result`)
      return found.status === 200 || found.status >= 400 ? found : undefined
    })
    const expected = await oracle.answer(`SELECT count(*) AS n FROM facts WHERE k < ${limit}`)
    if (answer.status === 200 && rowsText(answer.body.rows) === expected) kept++
    else wrong.push(`accepted query ${queryId}: ${answer.text.slice(0, 200)}`)
  }
  const lag = await until('lineage is projected', 10_000, async () => {
    const { text } = await server.call('/metrics')
    return Number(/forebay_lineage_lag_events\{[^}]*\} (\d+)/.exec(text)?.[1]) === 0
  }).catch(() => false)
  check((await server.kill('SIGTERM')) === 0, 'stops with 0')
  const leftovers = readdirSync(state, { recursive: true }).filter((name) => /\.tmp$|\.partial$/.test(name))
  oracle.close()

  const batches = [...promises.acknowledged.values()].reduce((sum, each) => sum + each.size, 0)
  say(`${rounds} kills; ${batches} writes, ${promises.traced.length} traces and ${promises.accepted.length} queries acknowledged`)
  for (const each of wrong.slice(0, 5)) say(each)
  check(
    wrong.length === 0,
    `${wrong.length} broken promises (0 asked); ${kept} of the last ${Math.min(40, promises.accepted.length)} accepted queries answered`,
  )
  check(left.length === 0, `${left.length} orphan processes (0 asked)`)
  check(
    leftovers.length === 0,
    `${leftovers.length} temporary files left in the state folder (0 asked) ${leftovers.slice(0, 3).map((name) => join(state, name))}`,
  )
  check(lag, 'every event of the log is in the graph')
  check(
    Math.max(...readyMs) <= readyMsMax,
    `ready after ${quantile(readyMs, 0.5).toFixed(0)} ms at the median, ${Math.max(...readyMs).toFixed(0)} ms at most (≤ ${readyMsMax} ms asked)`,
  )
}

export const scenario = {
  name: 'server-kills',
  about: 'kill -9 of the server 50 times during queries, writes and lineage',
  seconds: 300,
  run,
}
