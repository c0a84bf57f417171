/** State folders: two servers on one, a newer one, one of this version, and starts after starts in any order. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Oracle, writeLake } from '../support/lake.mjs'
import { sleep } from '../support/random.mjs'
import { isAlive, startServer } from '../support/server.mjs'

async function run({ random, inner, check }) {
  const oracle = await Oracle.open()
  const data = inner('data')
  await writeLake(oracle, data, { files: 2, rows: 1_000 })
  oracle.close()
  const state = inner('state')
  const refused = (folder, flags = []) =>
    startServer({ data, state: folder, flags: ['--nodes', '1', ...flags] }).then(
      async (server) => {
        await server.kill('SIGTERM')
        return 'it started'
      },
      (error) => error.message,
    )
  const first = await startServer({ data, state, flags: ['--nodes', '1'] })
  const second = await Promise.all([refused(state), refused(state)])
  check(
    second.every((message) =>
      /ended with 1: error: state folder .* is in use by another server \(process \d+, http/.test(message),
    ),
    `two more servers on one folder: ${second[0].split('\n')[0]}`,
  )
  check((await first.query('SELECT count(*) FROM facts')).body.rows[0][0] === 2_000, 'the first one is not disturbed')
  await first.query('CREATE TABLE kept AS SELECT 7 AS v')
  await first.kill('SIGTERM')

  const version = join(state, 'version')
  const own = readFileSync(version, 'utf8')
  for (const newer of ['2', '99', 'x', '']) {
    writeFileSync(version, newer)
    const before = readdirSync(state, { recursive: true }).sort().join()
    const message = await refused(state)
    check(
      /error: state folder .* has version/.test(message),
      `a folder of version "${newer}": ${message.split('\n')[0].slice(0, 150)}`,
    )
    const after = readdirSync(state, { recursive: true }).sort().join()
    check(before === after, 'and nothing of it is touched')
  }
  writeFileSync(version, own)
  const again = await startServer({ data, state, flags: ['--nodes', '1'] })
  check((await again.query('SELECT v FROM kept')).body.rows[0][0] === 7, 'opens again with everything in it')
  await again.kill('SIGTERM')

  const strange = inner('strange')
  mkdirSync(join(strange, 'lineage'), { recursive: true })
  writeFileSync(join(strange, 'lineage', 'log.sqlite'), 'this is no database')
  const message = await refused(strange)
  check(
    /error: /.test(message) && message.includes('lineage') && !/ {4}at /.test(message),
    `a broken log: ${message.split('\n')[0].slice(0, 200)}`,
  )

  let clean = 0
  const rounds = 8
  for (let round = 0; round < rounds; round++) {
    const server = await startServer({
      data,
      state,
      flags: ['--nodes', String(1 + random.below(4)), '--tree', random.pick(['auto', 'always', 'never'])],
    })
    await Promise.all([server.query('SELECT g, count(*) FROM facts GROUP BY g').catch(() => undefined), sleep(random.below(400))])
    const pids = server.children().map(({ pid }) => pid)
    const code = await server.kill(random.pick(['SIGTERM', 'SIGKILL', 'SIGINT']))
    await sleep(1_200)
    if ((code === 0 || code === 'SIGKILL') && pids.every((pid) => !isAlive(pid))) clean++
  }
  check(clean === rounds, `${clean} of ${rounds} starts and stops in any order were clean: no orphan, no lock`)
}

export const scenario = {
  name: 'folders',
  about: 'two servers on one state folder, newer, broken and older folders',
  seconds: 60,
  run,
}
