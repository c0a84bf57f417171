/**
 * What a server file is written against. Each server is one file `scripts/servers/NAME.mjs` that exports `server` (or `servers`,
 * when one file offers several versions):
 *
 *   export const server = {
 *     name: 'neo4j',                       // also its folder, .servers/neo4j/
 *     about: 'Neo4j Community 5.26',       // one line for `status`
 *     ports: { bolt: 17687, http: 17474 }, // defaults; the first is overridden by FOREBAY_NEO4J_PORT, others by FOREBAY_NEO4J_HTTP_PORT
 *     readyMs: 60_000,                     // how long `probe` may fail after a start (default 90 s)
 *     stopMs: 15_000,                      // SIGTERM, then SIGKILL after this long (the default)
 *     async install(ctx) {},               // idempotent; throws Unavailable with a reason when the server cannot be had
 *     async start(ctx) {},                 // starts with ctx.spawn; returns without waiting
 *     async probe(ctx) {},                 // asks the server something real; throws while it is not ready
 *     async stop(ctx) {},                  // optional; by default all pids of ctx.spawn and ctx.adopt are ended
 *     urls(ctx) { return { bolt: … } },    // optional; printed, and given to tests with ports and credentials
 *   }
 *
 * `ctx` (made by `contextOf`) has: `name`, `folder` (.servers/NAME), `ports`, `path(...parts)` inside the folder,
 * `write(file, text)`, `credentials(make)` (made once, then kept in credentials.json), `spawn(command, args, {name, env, cwd})`
 * (detached, output to NAME.log, pid file), `adopt(name, pid)` (a pid that the started program only told), `run(command, args,
 * options)` (waits; throws with the output), `java({min, max})` (path of a fitting `java`), `maven(dependencies, into)`,
 * `apt(package, file)`, `pip(requirements)` (returns the folder for PYTHONPATH), `go(module@version)` (returns the binary's path),
 * `once(target, make)` (makes a file or folder under a temporary name, then renames it), `fetchOk(url, options)`.
 * After a start, `.servers/NAME/address.json` holds `{ports, urls, credentials}`; `test/servers/support.ts` reads that.
 */
import { execFile, execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
const execute = promisify(execFile)
/** A Kubernetes API server takes minutes of CPU to build. */
const buildMsMax = 1_800_000

/** The folder of all servers; tests that need servers of their own give another one. */
export const serversFolder = resolve(process.env.FOREBAY_SERVERS_FOLDER ?? join(root, '.servers'))

/** A server that cannot be had on this machine, and why. */
export class Unavailable extends Error {}

/** All servers that the files of this folder offer, by name. */
export async function knownServers() {
  const known = new Map()
  const folder = dirname(fileURLToPath(import.meta.url))
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.mjs') || file === 'main.mjs' || file === 'support.mjs') continue
    const module = await import(join(folder, file))
    for (const server of module.servers ?? (module.server === undefined ? [] : [module.server])) known.set(server.name, server)
  }
  return known
}

/** What a server's functions are given. */
export function contextOf(server) {
  const folder = join(serversFolder, server.name)
  const path = (...parts) => join(folder, ...parts)
  mkdirSync(folder, { recursive: true })
  const write = (file, text) => {
    mkdirSync(dirname(path(file)), { recursive: true })
    writeFileSync(path(file), text)
    return path(file)
  }
  return {
    name: server.name,
    folder,
    ports: portsOf(server),
    path,
    write,
    credentials: (make) => {
      if (!existsSync(path('credentials.json'))) write('credentials.json', JSON.stringify(make()))
      return JSON.parse(readFileSync(path('credentials.json'), 'utf8'))
    },
    spawn: (command, args, options) => spawnDetached(folder, command, args, options),
    adopt: (name, pid) => writePid(folder, name, pid),
    run,
    java: findJava,
    maven: (dependencies, into = 'lib') => maven(path(into), dependencies),
    apt,
    pip: (requirements) => pip(path('python'), requirements),
    go: (module) => goInstall(path('bin'), module),
    once,
    fetchOk,
  }
}

function portsOf(server) {
  const prefix = `FOREBAY_${server.name.toUpperCase().replaceAll('-', '_')}`
  const ports = {}
  for (const [index, [name, standard]] of Object.entries(server.ports ?? {}).entries()) {
    const variable = index === 0 ? `${prefix}_PORT` : `${prefix}_${name.toUpperCase()}_PORT`
    ports[name] = Number(process.env[variable] ?? standard)
  }
  return ports
}

/** Installs, starts and waits until the server answers. Returns whether it had to be started. */
export async function startServer(server, say = () => {}) {
  const ctx = contextOf(server)
  if (runningPids(ctx.folder).length > 0 && (await answers(server, ctx))) {
    // Whoever started it may have been ended before it answered.
    writeAddress(server, ctx)
    return false
  }
  await stopServer(server)
  rmSync(ctx.path('address.json'), { force: true })
  await server.install(ctx)
  say(`starting ${server.name}`)
  await server.start(ctx)
  await waitUntilReady(server, ctx)
  writeAddress(server, ctx)
  return true
}

/** Tells tests where the server is. */
function writeAddress(server, ctx) {
  const credentials = existsSync(ctx.path('credentials.json'))
    ? JSON.parse(readFileSync(ctx.path('credentials.json'), 'utf8'))
    : {}
  ctx.write('address.json', JSON.stringify({ ports: ctx.ports, urls: server.urls?.(ctx) ?? {}, credentials }, null, 2))
}

/** Ends all processes of a server. */
export async function stopServer(server) {
  const ctx = contextOf(server)
  const running = runningPids(ctx.folder)
  if (server.stop !== undefined && running.length > 0) await server.stop(ctx)
  for (const { pid } of runningPids(ctx.folder)) await endProcess(pid, server.stopMs ?? 15_000)
  for (const file of pidFiles(ctx.folder)) rmSync(join(ctx.folder, file))
  return running.length > 0
}

/** One of `running`, `not answering`, `stopped`, with pids. */
export async function statusOf(server) {
  const ctx = contextOf(server)
  const pids = runningPids(ctx.folder).map((entry) => entry.pid)
  if (pids.length === 0) return { state: 'stopped', pids, ctx }
  return { state: (await answers(server, ctx)) ? 'running' : 'not answering', pids, ctx }
}

async function answers(server, ctx) {
  try {
    await within(server.probe(ctx), 10_000)
    return true
  } catch {
    return false
  }
}

async function waitUntilReady(server, ctx) {
  const until = Date.now() + (server.readyMs ?? 90_000)
  for (;;) {
    try {
      return await within(server.probe(ctx), 15_000)
    } catch (error) {
      const dead = runningPids(ctx.folder).length === 0
      if (dead || Date.now() > until) {
        await stopServer(server)
        const why = dead ? 'ended by itself' : `did not answer: ${error.message}`
        throw new Error(`${server.name} ${why}\n${lastLines(ctx.folder)}`, { cause: error })
      }
      await pause(200)
    }
  }
}

function within(promise, ms) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

function lastLines(folder) {
  const logs = readdirSync(folder).filter((file) => file.endsWith('.log'))
  return logs
    .map((file) => `${file}:\n${readFileSync(join(folder, file), 'utf8').trim().split('\n').slice(-15).join('\n')}`)
    .join('\n')
}

export function pause(ms) {
  return new Promise((done) => setTimeout(done, ms))
}

function spawnDetached(folder, command, args, { name = basename(folder), env = {}, cwd = folder } = {}) {
  const log = openSync(join(folder, `${name}.log`), 'a')
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  child.on('error', () => {}) // waitUntilReady finds that nothing runs
  child.unref()
  if (child.pid !== undefined) writePid(folder, name, child.pid)
  return child.pid
}

/** The start time goes with the pid, so that a stranger who got the same pid later is never ended. */
function writePid(folder, name, pid) {
  writeFileSync(join(folder, `${name}.pid`), JSON.stringify({ pid, startedAt: startTime(pid) }))
}

function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A process whose first thread has ended is a zombie too while its other threads go on.
    const dead = state === 'Z' && readdirSync(`/proc/${pid}/task`).length === 1
    return dead ? undefined : rest[18]
  } catch {
    return undefined
  }
}

function pidFiles(folder) {
  return existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.pid')) : []
}

/** The processes of a server that still run. */
export function runningPids(folder) {
  return pidFiles(folder).flatMap((file) => {
    const { pid, startedAt } = JSON.parse(readFileSync(join(folder, file), 'utf8'))
    return startedAt !== undefined && startTime(pid) === startedAt ? [{ name: basename(file, '.pid'), pid }] : []
  })
}

async function endProcess(pid, ms) {
  const startedAt = startTime(pid)
  const alive = () => startTime(pid) === startedAt
  const signal = (which) => {
    // A started program leads its own group, with whatever it started; an adopted one may not.
    for (const target of [-pid, pid]) {
      try {
        process.kill(target, which)
        return
      } catch {}
    }
  }
  if (startedAt === undefined) return
  signal('SIGTERM')
  for (const until = Date.now() + ms; alive() && Date.now() < until; ) await pause(50)
  if (alive()) signal('SIGKILL')
  for (const until = Date.now() + 5_000; alive() && Date.now() < until; ) await pause(20)
}

async function run(command, args, { env = {}, cwd, timeoutMs = 600_000 } = {}) {
  try {
    const options = { cwd, env: { ...process.env, ...env }, timeout: timeoutMs, maxBuffer: 64 << 20 }
    return (await execute(command, args, options)).stdout
  } catch (error) {
    if (error.code === 'ENOENT') throw new Unavailable(`${command} is not installed`)
    if (error.killed)
      throw new Error(`${command} ${args.join(' ')} did not end within ${timeoutMs / 60_000} min`, { cause: error })
    const output = `${error.stdout ?? ''}${error.stderr ?? ''}`.trim().split('\n').slice(-15).join('\n')
    throw new Error(`${command} ${args.join(' ')} failed: ${output || error.message}`, { cause: error })
  }
}

/** The `java` of a version between `min` and `max`: of JAVA<version>_HOME or JAVA_HOME, on the path, or beside that one. */
function findJava({ min = 17, max = Number.POSITIVE_INFINITY } = {}) {
  const homes = Object.keys(process.env)
    .filter((name) => /^JAVA\d*_HOME$/.test(name))
    .map((name) => process.env[name])
  try {
    const standard = dirname(dirname(realpathSync(execFileSync('which', ['java'], { encoding: 'utf8' }).trim())))
    homes.push(standard)
    for (const sibling of readdirSync(dirname(standard))) homes.push(join(dirname(standard), sibling))
  } catch {}
  for (const home of homes) {
    const version = javaVersion(home)
    if (version !== undefined && version >= min && version <= max) return join(home, 'bin', 'java')
  }
  const wanted = max === min ? `${min}` : max === Number.POSITIVE_INFINITY ? `${min} or later` : `${min} to ${max}`
  throw new Unavailable(`needs a JDK ${wanted} (looked at JAVA_HOME, JAVA25_HOME and the like, and beside the default java)`)
}

function javaVersion(home) {
  try {
    const release = readFileSync(join(home, 'release'), 'utf8')
    return existsSync(join(home, 'bin', 'java')) ? Number(/JAVA_VERSION="(\d+)/.exec(release)?.[1]) : undefined
  } catch {
    return undefined
  }
}

/** Copies dependencies (`group:artifact:version[:type]`) and all that they need at run time into a folder. */
async function maven(target, dependencies) {
  const wanted = JSON.stringify(dependencies)
  const mark = join(target, '.dependencies.json')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return target
  const xml = dependencies.map((dependency) => {
    const [group, artifact, version, type = 'jar'] = dependency.split(':')
    const parts = `<groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version><type>${type}</type>`
    return `<dependency>${parts}</dependency>`
  })
  rmSync(target, { recursive: true, force: true })
  await once(target, async (folder) => {
    mkdirSync(folder, { recursive: true })
    const pom = `<project><modelVersion>4.0.0</modelVersion><groupId>forebay</groupId><artifactId>servers</artifactId>
      <version>1</version><dependencies>${xml.join('')}</dependencies></project>`
    writeFileSync(join(folder, 'pom.xml'), pom)
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${folder}`]
    await run('mvn', ['-q', '-B', '-f', join(folder, 'pom.xml'), ...goal])
    writeFileSync(join(folder, '.dependencies.json'), wanted)
  })
  return target
}

/** Sees to it that a Debian package is there; `file` is what it brings. */
async function apt(name, file) {
  if (existsSync(file)) return
  const command = `apt-get install -y --no-install-recommends ${name}`
  if (process.getuid?.() !== 0) throw new Unavailable(`${file} is missing; run: sudo ${command}`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['update'], { env })
  await run('apt-get', command.split(' ').slice(1), { env })
  if (!existsSync(file)) throw new Unavailable(`${command} did not bring ${file}`)
}

async function pip(target, requirements) {
  const mark = join(target, '.requirements.json')
  const wanted = JSON.stringify(requirements)
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return target
  rmSync(target, { recursive: true, force: true })
  await once(target, async (folder) => {
    const quiet = ['--quiet', '--disable-pip-version-check', '--root-user-action=ignore']
    await run('python3', ['-m', 'pip', 'install', ...quiet, '--target', folder, ...requirements])
    writeFileSync(join(folder, '.requirements.json'), wanted)
  })
  return target
}

async function goInstall(folder, module) {
  const [path, version] = module.split('@')
  const binary = join(folder, `${basename(path)}-${version}`)
  await once(binary, async (target) => {
    const built = `${target}.d`
    await run('go', ['install', module], { env: { GOBIN: built, GOFLAGS: '-mod=mod' }, timeoutMs: buildMsMax })
    renameSync(join(built, basename(path)), target)
    rmSync(built, { recursive: true })
  })
  return binary
}

/** Makes a file or folder unless it is there; it appears under its name when it is whole. */
async function once(target, make) {
  if (existsSync(target)) return target
  mkdirSync(dirname(target), { recursive: true })
  const partial = `${target}.${process.pid}.partial`
  rmSync(partial, { recursive: true, force: true })
  try {
    await make(partial)
    renameSync(partial, target)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
  return target
}

/** The text of an HTTP answer; throws unless the status is 2xx. */
async function fetchOk(url, options = {}) {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000), ...options })
  const text = await response.text()
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 200)}`)
  return text
}
