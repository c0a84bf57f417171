import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'

// Ended from outside, a benchmark still takes its servers with it (see `serve`).
process.once('SIGTERM', () => process.exit(143))
process.once('SIGINT', () => process.exit(130))

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/**
 * A server as a user starts it. `flags` are those of `forebay serve`, `limits` go into its configuration file, `nodeOptions` to
 * every process of it.
 */
export async function serve({ data, state, flags = [], limits, nodeOptions }) {
  mkdirSync(state, { recursive: true })
  const file = join(state, '..', `${state.split('/').at(-1)}.yaml`)
  writeFileSync(file, JSON.stringify(limits === undefined ? {} : { limits }))
  const given = ['serve', '--config', file, '--data', data, '--state', state, '--port', '0', '--log-level', 'error', ...flags]
  const env = { ...process.env, ...(nodeOptions === undefined ? {} : { NODE_OPTIONS: nodeOptions }) }
  const startedAt = performance.now()
  const child = spawn(process.execPath, [main, ...given], { stdio: ['ignore', 'pipe', 'inherit'], env })
  // A benchmark that fails leaves no server behind.
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  const url = await ready(child)
  const startMs = performance.now() - startedAt
  const pool = new Pool(url, { connections: 64, headersTimeout: 120_000 })
  return {
    url,
    startMs,
    pid: child.pid,
    /** The parsed JSON answer of a query; throws when it is an error. */
    ask: async (sql, more = {}) => parse(await postFor(pool, '/v1/query', { sql, ...more }), sql),
    /** The answer's text to the last byte; `answerOf` reads it, which is the client's work and not the server's. */
    receive: (sql, more = {}) => postFor(pool, '/v1/query', { sql, ...more }),
    answerOf: (text, sql) => parse(text, sql),
    post: async (path, body) => parse(await postFor(pool, path, body), path),
    /** Posts JSON lines. */
    postLines: async (path, body) => {
      const headers = { 'content-type': 'application/x-ndjson' }
      return parse(await (await pool.request({ path, method: 'POST', headers, body })).body.text(), path)
    },
    get: async (path) => parse(await (await pool.request({ path, method: 'GET' })).body.text(), path),
    metrics: async () => (await pool.request({ path: '/metrics', method: 'GET' })).body.text(),
    stop: async () => {
      await pool.close()
      const gone = new Promise((done) => child.once('exit', done))
      child.kill('SIGTERM')
      await gone
      process.off('exit', end)
    },
  }
}

/** The sum of a metric's series whose text contains `part`. */
export async function metric(server, name, part = '') {
  const lines = (await server.metrics()).split('\n')
  return lines
    .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(part))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

/** CPU milliseconds that a process and all that it started have used. */
export function cpuMsOfTree(pid) {
  const children = new Map()
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const stat = statOf(name)
    if (stat !== undefined) children.set(stat.parent, [...(children.get(stat.parent) ?? []), Number(name)])
  }
  const all = [pid]
  for (const each of all) all.push(...(children.get(each) ?? []))
  return all.reduce((sum, each) => sum + (statOf(each)?.cpuMs ?? 0), 0)
}

/** Resident bytes of one process. */
export function residentBytes(pid) {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? 0) * 1024
}

function statOf(pid) {
  const path = `/proc/${pid}/stat`
  try {
    const fields = existsSync(path)
      ? readFileSync(path, 'utf8')
          .replace(/^.*\) /, '')
          .split(' ')
      : undefined
    // The kernel counts in hundredths of a second.
    return fields && { parent: Number(fields[1]), cpuMs: (Number(fields[11]) + Number(fields[12])) * 10 }
  } catch {
    return undefined
  }
}

async function postFor(pool, path, body) {
  const headers = { 'content-type': 'application/json' }
  const response = await pool.request({ path, method: 'POST', headers, body: JSON.stringify(body) })
  return response.body.text()
}

function parse(text, what) {
  const answer = JSON.parse(text)
  if (answer.error !== undefined) throw new Error(`${answer.error.code}: ${answer.error.message} (${what})`)
  return answer
}

function ready(child) {
  return new Promise((done, wrong) => {
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
      const url = /forebay ready (\S+)/.exec(text)?.[1]
      if (url !== undefined) done(url)
    })
    child.once('exit', (code) => wrong(new Error(`the server ended with ${code} before it was ready`)))
  })
}
