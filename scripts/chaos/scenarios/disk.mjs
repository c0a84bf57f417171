/** A disk that fills up, and a data folder that goes away and comes back, under a server that runs. */
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Oracle, rowsText, writeLake } from '../support/lake.mjs'
import { until } from '../support/random.mjs'
import { startServer } from '../support/server.mjs'

const diskBytes = 300_000_000

/** A file system of its own of 300 MB; undefined where this user may not mount one. */
function smallDisk(folder) {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', folder], { stdio: 'ignore' })
    return () => execFileSync('umount', ['-l', folder], { stdio: 'ignore' })
  } catch {
    return undefined
  }
}

/** Takes all the room that there is, but for a few pages. */
function fillUp(path) {
  const piece = Buffer.alloc(1 << 16)
  try {
    for (;;) appendFileSync(path, piece)
  } catch (error) {
    if (error.code !== 'ENOSPC') throw error
  }
  truncateSync(path, Math.max(0, statSync(path).size - 20_000))
}

async function fullDisk({ inner, say, check, leaveOut }, oracle, data) {
  const folder = inner('disk')
  const unmount = smallDisk(folder)
  if (unmount === undefined) return leaveOut('a full disk needs a file system of its own, which only root may mount')
  try {
    const state = join(folder, 'state')
    const config = join(inner('configuration'), 'forebay.yaml')
    // The default asks for more free space than this disk will have left.
    writeFileSync(config, 'limits:\n  diskFree: 1MB\n')
    const server = await startServer({ data, state, flags: ['--nodes', '2', '--disk', '20GB', '--config', config] })
    const count = 'SELECT count(*) AS n, sum(amount) AS s FROM facts'
    const expected = await oracle.answer(count)
    const right = async () => {
      const answer = await server.query(count, { reuse: false })
      return answer.status === 200 && rowsText(answer.body.rows) === expected ? true : answer.text
    }
    await server.query('CREATE TABLE kept AS SELECT * FROM dims')
    const told = new Map()
    const written = []
    // Written tables until there is no room, then everything else that writes.
    for (let each = 0; each < 40 && told.size === 0; each++) {
      const answer = await server.query(
        `CREATE TABLE big${each} AS SELECT i, hash(i) AS h, hash(i + ${each}) AS g FROM range(1000000) t(i)`,
      )
      if (answer.status === 200) written.push(`big${each}`)
      else told.set(answer.error?.code ?? answer.text, answer.error?.message)
    }
    fillUp(join(folder, 'ballast'))
    for (const sql of [
      'CREATE TABLE more AS SELECT * FROM facts',
      'INSERT INTO kept SELECT * FROM dims',
      'CREATE VIEW v AS SELECT 1 AS one',
      'SELECT label, sum(amount) AS s FROM facts GROUP BY label',
      'SELECT hash(i) AS h FROM range(3000000) t(i) ORDER BY h',
    ]) {
      const answer = await server.query(sql, { reuse: false })
      if (answer.status !== 200) told.set(answer.error?.code ?? answer.text, answer.error?.message)
    }
    const posted = await server.call('/v1/queries', { body: { sql: 'SELECT 1' } })
    if (posted.status !== 202) told.set(posted.error?.code ?? posted.text, posted.error?.message)
    for (const [code, message] of told) say(`${code}: ${message}`)
    check(
      told.size > 0 && [...told.keys()].every((code) => code === 'DISK_EXCEEDED'),
      `a full disk is called by its name (${[...told.keys()].join(', ')})`,
    )
    check(server.ended() === undefined, 'the server goes on')
    const readable = await right()
    check(readable === true, `what is there can be read${readable === true ? '' : `: ${String(readable).slice(0, 300)}`}`)
    const ready = await server.call('/readyz')
    check(ready.status === 503, `/readyz says so: ${ready.text.slice(0, 300)}`)
    rmSync(join(folder, 'ballast'))
    for (const name of written.slice(0, 5)) await server.query(`DROP TABLE ${name}`)
    // Files of a dropped table stay for a moment, since running queries may read them.
    const again = await until(
      'room',
      90_000,
      async () => (await server.query('INSERT INTO kept SELECT * FROM dims')).status === 200,
    ).catch(() => false)
    check(again, 'goes on writing when there is room again')
    check((await server.kill('SIGKILL')) !== undefined, 'killed')
    const second = await startServer({ data, state, flags: ['--nodes', '2', '--config', config] })
    const rows = await second.query('SELECT count(*) FROM kept')
    check(
      rows.status === 200 && rows.body.rows[0][0] % 1_000 === 0 && rows.body.rows[0][0] >= 2_000,
      `after a crash on that disk everything is whole: ${rows.text.slice(0, 200)}`,
    )
    await second.kill('SIGTERM')
  } finally {
    unmount()
  }
}

async function budget({ inner, check }, data) {
  const server = await startServer({
    data,
    state: inner('small'),
    flags: ['--nodes', '1', '--disk', '60MB', '--memory', '300MB'],
  })
  const answer = await server.query(
    'SELECT count(*) FROM (SELECT hash(i) AS h FROM range(40000000) t(i) ORDER BY h)',
    { timeoutMs: 120_000 },
    130_000,
  )
  check(['DISK_EXCEEDED', 'MEMORY_EXCEEDED'].includes(answer.error?.code), `beyond --disk: ${answer.text.slice(0, 200)}`)
  check((await server.query('SELECT 1')).status === 200, 'and others go on')
  await server.kill('SIGTERM')
}

async function goneFolder({ inner, check, folder }, data) {
  const state = inner('gone')
  const server = await startServer({ data, state, flags: ['--nodes', '1'] })
  const sql = 'SELECT count(*) AS n FROM facts'
  const before = (await server.query(sql)).body.rows
  renameSync(data, `${data}-away`)
  const away = await server.query(sql, { reuse: false })
  check(
    ['NAME_NOT_FOUND', 'FILE_UNREADABLE', 'SEGMENT_CHANGED'].includes(away.error?.code) && away.error.message.includes('facts'),
    `data folder gone: ${away.text.slice(0, 200)}`,
  )
  check((await server.query('SELECT 1')).status === 200, 'queries without it go on')
  mkdirSync(data)
  const empty = await until('an answer', 10_000, async () => {
    const answer = await server.query(sql, { reuse: false })
    return answer.error?.code === 'NAME_NOT_FOUND' ? answer : undefined
  }).catch(() => undefined)
  check(empty !== undefined, `an empty one has no tables: ${empty?.error?.message}`)
  rmSync(data, { recursive: true })
  renameSync(`${data}-away`, data)
  const back = await until('the table', 10_000, async () => {
    const answer = await server.query(sql, { reuse: false })
    return answer.status === 200 ? answer : undefined
  }).catch(() => undefined)
  check(JSON.stringify(back?.body.rows) === JSON.stringify(before), 'when it is back, so are its tables')
  check(readdirSync(folder).length > 0 && (await server.kill('SIGTERM')) === 0, 'stops with 0')
}

async function run(context) {
  const oracle = await Oracle.open()
  const data = context.inner('data')
  await writeLake(oracle, data, { files: 4 })
  await fullDisk(context, oracle, data)
  await budget(context, data)
  oracle.close()
  await goneFolder(context, data)
}

export const scenario = { name: 'disk', about: 'disk full, disk budget, data folder gone', seconds: 120, run }
