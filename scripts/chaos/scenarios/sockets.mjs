/** 200 sockets that say nothing and 20 that send a byte now and then: others must not notice. */
import { connect } from 'node:net'
import { Oracle, writeLake } from '../support/lake.mjs'
import { quantile, sleep } from '../support/random.mjs'
import { startServer, usageOf } from '../support/server.mjs'

async function load(server, ms) {
  const times = []
  let failed = 0
  const end = performance.now() + ms
  const client = async (number) => {
    for (let round = 0; performance.now() < end; round++) {
      const began = performance.now()
      const answer = await server
        .query(`SELECT count(*) FROM facts WHERE k < ${(number * 100 + round) % 1000}`, { reuse: false })
        .catch(() => ({ status: 0 }))
      if (answer.status === 200) times.push(performance.now() - began)
      else failed++
    }
  }
  await Promise.all([1, 2].map(client))
  return { p50: quantile(times, 0.5), p95: quantile(times, 0.95), queries: times.length, failed }
}

async function run({ inner, say, check, seconds }) {
  const oracle = await Oracle.open()
  const data = inner('data')
  await writeLake(oracle, data, { files: 4 })
  oracle.close()
  const server = await startServer({ data, state: inner('state'), flags: ['--nodes', '2'] })
  const ms = (seconds * 1000) / 4
  await load(server, ms / 2)
  const alone = await load(server, ms)
  const { hostname, port } = new URL(server.url)
  const sockets = []
  const open = () => {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    sockets.push(socket)
    return socket
  }
  for (let each = 0; each < 200; each++) open()
  const body = JSON.stringify({ sql: 'SELECT 1', tenant: 'x'.repeat(100) })
  const head = `POST /v1/query HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  let over = false
  const slow = Array.from({ length: 20 }, async (_, number) => {
    const socket = open()
    const text = head + body
    for (let at = 0; !over && at < text.length; at++) {
      socket.write(text[at])
      await sleep(number % 2 === 0 ? 40 : 200)
    }
  })
  // Readers that ask for much and take nothing.
  for (let each = 0; each < 20; each++) {
    const socket = open()
    const large = JSON.stringify({ sql: 'SELECT a.*, b.k AS other FROM facts a, dims b LIMIT 5000000' })
    socket.pause()
    socket.write(
      `POST /v1/query HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: application/json\r\nContent-Length: ${large.length}\r\n\r\n${large}`,
    )
  }
  await sleep(1_000)
  const busy = await load(server, ms)
  const { rss, descriptors } = usageOf(server.pid)
  say(
    `alone ${alone.queries} queries, p50 ${alone.p50.toFixed(0)} ms, p95 ${alone.p95.toFixed(0)} ms; beside them ${busy.queries}, p50 ${busy.p50.toFixed(0)} ms, p95 ${busy.p95.toFixed(0)} ms`,
  )
  check(
    busy.failed === 0,
    `${busy.failed} of ${busy.queries} queries failed beside 200 idle, 20 slow-sending and 20 not reading sockets`,
  )
  check(busy.p50 <= Math.max(3 * alone.p50, alone.p50 + 50), 'others are hardly slower')
  check(rss < 600e6, `the server holds ${Math.round(rss / 1e6)} MB and ${descriptors} descriptors`)
  over = true
  for (const socket of sockets) socket.destroy()
  await Promise.all(slow)
  await sleep(2_000)
  const after = usageOf(server.pid).descriptors
  check(after < descriptors - 180, `${after} descriptors when they are gone`)
  const running = await server.call('/v1/queries?state=running')
  check(running.body.queries.length === 0, `${running.body.queries.length} of their queries still run (0 asked)`)
  check((await server.kill('SIGTERM')) === 0, 'stops with 0')
}

export const scenario = { name: 'sockets', about: '200 idle, 20 slow-sending and 20 not reading sockets', seconds: 40, run }
