/**
 * `npm run test:servers [-- name or path…]`: starts the servers that the chosen tests ask for with `useServer('NAME')`, runs the
 * tests, and stops what did not run before. A server that cannot be had is named with its reason, and its tests fail.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { contextOf, knownServers, startServer, statusOf, stopServer } from './servers/support.mjs'

const folder = join('test', 'servers')
const filters = process.argv.slice(2)
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.servers.ts'))
  .map((file) => join(folder, file))
  .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)))
const known = await knownServers()
const runningBefore = await running()
const missing = []
for (const name of wanted()) await start(name)

const vitest = spawnSync('npx', ['vitest', 'run', '-c', 'vitest.servers.config.ts', ...filters], { stdio: 'inherit' })
// Tests start servers too, and some are started again after they were killed.
for (const server of await running()) if (!runningBefore.includes(server)) await stopServer(server)
for (const { name, reason } of missing) console.error(`${name} could not be had, so its tests failed: ${reason}`)
process.exit(missing.length > 0 ? 1 : (vitest.status ?? 1))

function wanted() {
  const names = files.flatMap((file) => [...sourceOf(file).matchAll(/useServer\('([a-z0-9-]+)'/g)].map((found) => found[1]))
  return [...new Set(names)].sort()
}

/** A test file with what it imports from its own folder. */
function sourceOf(file) {
  const source = readFileSync(file, 'utf8')
  const beside = [...source.matchAll(/from '\.\/([a-z-]+)\.js'/g)].map((found) => join(dirname(file), `${found[1]}.ts`))
  return [source, ...beside.map((each) => readFileSync(each, 'utf8'))].join('\n')
}

async function running() {
  const states = await Promise.all([...known.values()].map(async (server) => ({ server, ...(await statusOf(server)) })))
  return states.filter(({ state }) => state !== 'stopped').map(({ server }) => server)
}

async function start(name) {
  try {
    const server = known.get(name)
    if (server === undefined) throw new Error(`no file in scripts/servers offers it`)
    await startServer(server, console.log)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    missing.push({ name, reason })
    if (known.has(name)) contextOf(known.get(name)).write('failed.txt', reason)
    console.error(`${name}: ${reason}`)
  }
}
