/** Statements that ignore interrupts, eat memory, or take DuckDB down with them. */
import { Oracle, writeLake } from '../support/lake.mjs'
import { sleep, until } from '../support/random.mjs'
import { cpuTicks, isAlive, signalTo, startServer, usageOf } from '../support/server.mjs'

/**
 * These do not look at `interrupt()` for many seconds. DuckDB folds the ones without a table while it binds them, so they keep a
 * planner busy; with a column in them they keep a node busy.
 */
const deaf = {
  'a lambda over a huge list, planned': 'SELECT len(list_transform(range(100000000), x -> x::VARCHAR))',
  'a string of 4 GB, planned': "SELECT len(repeat('x', 4000000000))",
  'a lambda over a huge list': 'SELECT len(list_transform(range(k * 20000), x -> x::VARCHAR)) FROM dims WHERE k = 999',
  'a string of 4 GB': "SELECT len(repeat('x', k::BIGINT * 1500000)) FROM dims WHERE k = 999",
  'a union of 900 joins': `SELECT count(*) FROM (${Array.from({ length: 900 }, (_, at) => `SELECT ${at} + a.k FROM dims a, dims b WHERE hash(a.k, b.k, ${at}) % 3 = 1`).join(' UNION ALL ')})`,
}
const cancelMsMax = 2_000

/** The node that works: which process has which id is not told outside, but the one that uses CPU is the one that runs the query. */
async function busiest(server) {
  const before = server.children('node').map(({ pid }) => ({ pid, ticks: cpuTicks(pid) }))
  return until('a node that works', 20_000, () => {
    const [most, next] = before.map(({ pid, ticks }) => ({ pid, used: cpuTicks(pid) - ticks })).sort((a, b) => b.used - a.used)
    return most.used >= 20 && most.used > 2 * (next?.used ?? 0) ? most.pid : undefined
  })
}

async function run({ inner, say, check }) {
  const oracle = await Oracle.open()
  const data = inner('data')
  await writeLake(oracle, data, { files: 4 })
  oracle.close()
  const server = await startServer({ data, state: inner('state'), flags: ['--nodes', '2', '--memory', '4GB'] })
  const others = { asked: 0, failed: [], over: false }
  const bystander = (async () => {
    while (!others.over) {
      const answer = await server
        .query(`SELECT count(*) FROM facts WHERE k < ${others.asked % 1000}`, { reuse: false })
        .catch((error) => ({ status: 0, text: String(error) }))
      others.asked++
      if (answer.status !== 200) others.failed.push(answer.text.slice(0, 200))
      await sleep(30)
    }
  })()

  for (const [what, sql] of Object.entries(deaf)) {
    for (const how of ['DELETE', 'hang up', 'timeout']) {
      const id = `q-deaf-${Math.random().toString(36).slice(2, 12)}`
      const gone = new AbortController()
      const asking = fetch(`${server.url}/v1/query`, {
        method: 'POST',
        signal: gone.signal,
        headers: { 'content-type': 'application/json', 'x-forebay-query-id': id },
        body: JSON.stringify({ sql: `${sql} -- ${how}`, timeoutMs: how === 'timeout' ? 1_000 : 60_000, reuse: false }),
      }).then(
        (response) => response.json(),
        () => undefined,
      )
      const state = async () => (await server.call(`/v1/queries/${id}`)).body?.state
      await until('under way', 20_000, async () => (await state()) !== undefined)
      if (!what.endsWith('planned')) await until('running', 20_000, async () => !['queued', 'planning'].includes(await state()))
      await sleep(how === 'timeout' ? 600 : 300)
      if (how !== 'timeout' && !['queued', 'planning', 'waiting', 'running'].includes(await state())) {
        say(`${what} had ended before ${how}: ${JSON.stringify(await asking).slice(0, 150)}`)
        continue
      }
      const began = performance.now() + (how === 'timeout' ? 400 : 0)
      if (how === 'DELETE') await server.call(`/v1/queries/${id}`, { method: 'DELETE' })
      if (how === 'hang up') gone.abort()
      await until('the end', 20_000, async () => ['cancelled', 'failed'].includes(await state()))
      const ms = performance.now() - began
      // It must also stop working, not only be called ended.
      const idle = await until('idle nodes', 10_000, async () =>
        (await server.call('/v1/nodes')).body.every((node) => (node.runningTasks ?? 0) <= 1),
      ).catch(() => false)
      check(ms <= cancelMsMax && idle, `${what}, ${how}: ended after ${ms.toFixed(0)} ms (≤ ${cancelMsMax} asked)`)
      await asking
    }
  }

  const hungry = await server.query(
    'SELECT sum(len(list_transform(range(k * 300000), x -> x::VARCHAR || repeat(x::VARCHAR, 20)))) FROM dims WHERE k > 990',
    { timeoutMs: 60_000 },
    70_000,
  )
  check(
    ['MEMORY_EXCEEDED', 'STATEMENT_QUARANTINED', 'NODE_LOST'].includes(hungry.error?.code),
    `what eats memory: ${hungry.text.slice(0, 200)}`,
  )
  const sizes = server.children('node').map(({ pid }) => usageOf(pid).rss)
  check(
    sizes.every((rss) => rss < 3.2e9),
    `nodes hold ${sizes.map((rss) => Math.round(rss / 1e6)).join(' and ')} MB afterwards`,
  )
  check(usageOf(server.pid).rss < 500e6, `the coordinator holds ${Math.round(usageOf(server.pid).rss / 1e6)} MB`)

  // DuckDB's known crashes are mended one by one; a signal does to the process what the next one will do.
  const crashing = 'SELECT count(*) FROM range(900000000) a, dims b WHERE (a.range * b.weight) % 7 = 3'
  const id = 'q-crashing-000001'
  const asked = server.call('/v1/query', {
    body: { sql: crashing, timeoutMs: 60_000, tree: 'never' },
    headers: { 'x-forebay-query-id': id },
  })
  let crashes = 0
  for (let attempt = 1; attempt <= 4 && crashes < 4; attempt++) {
    let last
    const node = await until('an attempt', 20_000, async () => {
      const { body } = await server.call(`/v1/queries/${id}`)
      last = body
      if (body?.state === 'failed') return 'over'
      return body?.tasks?.find((task) => task.state === 'running' && (task.attempt ?? 1) >= attempt)?.node
    }).catch((error) => {
      say(JSON.stringify(last))
      throw error
    })
    if (node === 'over') break
    others.over = true
    await bystander
    const victim = await busiest(server)
    if (signalTo(victim, 'SIGSEGV')) crashes++
    await until('its end', 5_000, () => !isAlive(victim))
  }
  const crashed = await asked
  check(
    crashed.error?.code === 'STATEMENT_QUARANTINED',
    `what crashes DuckDB is quarantined after ${crashes} nodes: ${crashed.text.slice(0, 150)}`,
  )
  const again = await server.query(crashing)
  check(again.error?.code === 'STATEMENT_QUARANTINED', 'and is refused at once when it comes again')
  const fine = await until(
    'the nodes are back',
    10_000,
    async () => (await server.query('SELECT count(*) FROM facts', { reuse: false })).status === 200,
  ).catch(() => false)
  check(fine, 'others are answered afterwards')
  for (const each of [...new Set(others.failed)].slice(0, 3)) say(`a bystander failed: ${each}`)
  check(
    others.failed.length <= others.asked * 0.005,
    `${others.failed.length} of ${others.asked} other queries failed meanwhile (≤ 0.5 % asked)`,
  )
  await server.kill('SIGTERM')
}

export const scenario = {
  name: 'statements',
  about: 'statements that ignore interrupts, eat memory or crash DuckDB',
  seconds: 90,
  run,
}
