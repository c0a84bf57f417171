/** A clock that is set back by a day, forward by a year and stands still, under a server that runs. */

import { systemClock } from '../../../dist/model/clock.js'
import { readConfiguration } from '../../../dist/server/configuration.js'
import { openServer } from '../../../dist/server/open-server.js'
import { Oracle, rowsText, writeLake } from '../support/lake.mjs'
import { sleep, until } from '../support/random.mjs'
import { call } from '../support/server.mjs'

const day = 86_400_000

async function run({ inner, say, check }) {
  const oracle = await Oracle.open()
  const data = inner('data')
  await writeLake(oracle, data, { files: 3 })
  let offset = 0
  let standing
  const clock = { ...systemClock, now: () => standing ?? Math.trunc(Date.now() + offset) }
  const configuration = readConfiguration({
    flags: { data, state: inner('state'), port: '0', nodes: '2', logLevel: 'silent' },
    environment: {},
  })
  const faults = []
  const onFault = (error) => faults.push(String(error))
  process.on('unhandledRejection', onFault)
  const server = await openServer(configuration, { clock })
  const ask = (path, options) => call(server.url, undefined, path, options)
  const sql = 'SELECT g, count(*) AS n FROM facts GROUP BY g'
  const expected = await oracle.answer(sql)
  let right = 0
  const asked = []
  const query = async () => {
    const answer = await ask('/v1/query', { body: { sql, reuse: asked.length % 2 === 0 } })
    asked.push(answer.body?.queryId)
    if (answer.status === 200 && rowsText(answer.body.rows) === expected) right++
    else say(answer.text.slice(0, 300))
    const expires = await ask('/v1/query', { body: { sql: 'SELECT count(*) FROM range(1e12::BIGINT)', timeoutMs: 500 } })
    if (expires.error?.code !== 'DEADLINE_EXCEEDED') say(`a deadline of 500 ms: ${expires.text.slice(0, 200)}`)
    else right++
  }
  const moves = [
    ['as it is', () => {}],
    ['set back by a day', () => (offset = -day)],
    ['set forward by a year', () => (offset = 365 * day)],
    ['set back by a year', () => (offset = -day)],
    ['standing still', () => (standing = Date.now())],
    ['at 1970', () => (standing = 1)],
    ['as it is again', () => ((standing = undefined), (offset = 0))],
  ]
  for (const [, move] of moves) {
    move()
    for (let each = 0; each < 3; each++) await query()
    await sleep(300)
  }
  check(
    right === moves.length * 6,
    `${right} of ${moves.length * 6} answers and deadlines were right while the clock was ${moves.map(([name]) => name).join(', ')}`,
  )
  const known = (await ask('/v1/queries?limit=1000')).body.queries.map((each) => each.queryId)
  check(
    asked.every((id) => known.includes(id)),
    'the history has every query',
  )
  const traced = await until('lineage', 10_000, async () => {
    for (const id of asked) if ((await ask(`/v1/lineage?from=query:${id}`)).status !== 200) return undefined
    return true
  }).catch(() => false)
  check(traced, 'and lineage of every query')
  for (const path of [
    '/v1/forecast?horizonMs=86400000',
    '/v1/allocations',
    '/v1/hot-segments',
    '/v1/nodes',
    '/readyz',
    '/metrics',
    `/v1/lineage?from=table:facts&asOf=${new Date().toISOString()}`,
  ]) {
    const answer = await ask(path)
    check(answer.status === 200 && !/NaN|Infinity/.test(answer.text.replace(/le="\+Inf"/g, '')), `${path}: ${answer.status}`)
  }
  const written = await ask('/v1/query', { body: { sql: 'CREATE TABLE t AS SELECT 1 AS v' } })
  offset = -day
  const appended = await ask('/v1/query', { body: { sql: 'INSERT INTO t SELECT 2' } })
  const rows = await ask('/v1/query', { body: { sql: 'SELECT v FROM t ORDER BY v' } })
  check(
    written.status === 200 && appended.status === 200 && rowsText(rows.body.rows) === rowsText([[1], [2]]),
    'writes on either side of a jump',
  )
  await server.close()
  process.off('unhandledRejection', onFault)
  check(faults.length === 0, `${faults.length} failures that nobody waited for ${faults.slice(0, 2)}`)
  oracle.close()
}

export const scenario = { name: 'clock', about: 'clock set back, forward, standing still', seconds: 30, run }
