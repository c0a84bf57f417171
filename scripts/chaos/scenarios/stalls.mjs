/** A node that is stopped for 30 s and continued, and a node that is slow. */
import { makeStatements, Oracle, rowsText, writeLake } from '../support/lake.mjs'
import { quantile, sleep, until } from '../support/random.mjs'
import { isAlive, signalTo, startServer } from '../support/server.mjs'

async function run({ random, inner, say, check, seconds }) {
  const oracle = await Oracle.open()
  const data = inner('data')
  await writeLake(oracle, data)
  const statements = makeStatements(random, 36)
  const expected = new Map()
  for (const sql of statements) expected.set(sql, await oracle.answer(sql))
  oracle.close()
  const server = await startServer({ data, state: inner('state'), flags: ['--nodes', '3'] })
  const load = async (ms, clients, timeoutMs) => {
    const seen = { times: [], wrong: 0, failed: new Map(), hung: 0 }
    const end = performance.now() + ms
    await Promise.all(
      Array.from({ length: clients }, async (_, number) => {
        const own = random.child(number)
        while (performance.now() < end) {
          const sql = own.pick(statements)
          const began = performance.now()
          const answer = await server
            .query(sql, { reuse: false, timeoutMs, tree: own.pick(['auto', 'always', 'never']) }, timeoutMs + 2_000)
            .catch((error) => ({ status: 0, error }))
          if (answer.status === 200) {
            seen.times.push(performance.now() - began)
            if (rowsText(answer.body.rows) !== expected.get(sql)) seen.wrong++
          } else {
            if (answer.error?.hang) seen.hung++
            const why = `${answer.error?.code}: ${answer.error?.message}`
            seen.failed.set(why, (seen.failed.get(why) ?? 0) + 1)
          }
        }
      }),
    )
    return seen
  }
  await load(3_000, 3, 30_000)
  const undisturbed = await load(5_000, 3, 30_000)

  const stopped = server.children('node')[0].pid
  signalTo(stopped, 'SIGSTOP')
  const began = performance.now()
  const loading = load(seconds * 500, 3, 25_000)
  const replaced = await until('the replacement', 29_000, async () => {
    const ready = (await server.call('/v1/nodes')).body.filter((node) => node.kind === 'duckdb' && node.state === 'ready')
    return ready.length === 3 && !isAlive(stopped) ? performance.now() - began : undefined
  }).catch(() => undefined)
  await sleep(Math.max(0, 30_000 - (performance.now() - began)))
  signalTo(stopped, 'SIGCONT')
  const meanwhile = await loading
  for (const [why, times] of meanwhile.failed) say(`${times} × ${why}`)
  check(replaced !== undefined, `a stopped node was replaced after ${((replaced ?? Number.NaN) / 1000).toFixed(1)} s`)
  check(
    meanwhile.wrong === 0 && meanwhile.hung === 0,
    `${meanwhile.wrong} wrong, ${meanwhile.hung} hung, ${[...meanwhile.failed.values()].reduce((sum, n) => sum + n, 0)} failed of ${meanwhile.times.length} meanwhile`,
  )
  check(
    meanwhile.failed.size === 0,
    `its tasks were done elsewhere (slowest query ${(Math.max(...meanwhile.times) / 1000).toFixed(1)} s)`,
  )

  // A slow node: stopped four fifths of the time.
  const slow = server.children('node')[1].pid
  let over = false
  const slowing = (async () => {
    while (!over) {
      signalTo(slow, 'SIGSTOP')
      await sleep(400)
      signalTo(slow, 'SIGCONT')
      await sleep(100)
    }
  })()
  const besides = await load(seconds * 250, 3, 25_000)
  over = true
  await slowing
  say(
    `p50 / p95 undisturbed ${quantile(undisturbed.times, 0.5).toFixed(0)} / ${quantile(undisturbed.times, 0.95).toFixed(0)} ms, with a node at a fifth of its speed ${quantile(besides.times, 0.5).toFixed(0)} / ${quantile(besides.times, 0.95).toFixed(0)} ms`,
  )
  check(
    besides.wrong === 0 && besides.failed.size === 0,
    `${besides.wrong} wrong and ${besides.failed.size} kinds of failures of ${besides.times.length} with a slow node`,
  )
  check(Math.max(...besides.times) < 15_000, `the slowest query took ${(Math.max(...besides.times) / 1000).toFixed(1)} s`)
  check((await server.kill('SIGTERM')) === 0, 'stops with 0')
}

export const scenario = { name: 'stalls', about: 'a node stopped for 30 s and continued; a slow node', seconds: 70, run }
