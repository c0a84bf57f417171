import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { until } from './random.mjs'

const main = new URL('../../../dist/cli/main.js', import.meta.url).pathname

const running = new Set()

/** Ends every server that still runs: what a scenario that failed has left behind. */
export function endServers() {
  for (const child of running) child.kill('SIGKILL')
}

// However this process ends, nothing of it stays.
process.on('exit', endServers)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130))

/** Starts `forebay serve` on a free port; resolves when it is ready, with the time that took. */
export async function startServer({ data, state, flags = [], environment = {}, readyMsMax = 30_000, command = [] }) {
  const began = performance.now()
  const [program, ...before] = [...command, process.execPath]
  const child = spawn(program, [...before, main, 'serve', '--port', '0', '--data', data, '--state', state, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, FOREBAY_LOG_LEVEL: 'warn', ...environment },
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  let [out, log, code] = ['', '', undefined]
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log = (log + text).slice(-200_000)
  })
  const exited = new Promise((resolve) =>
    child.once('exit', (status, signal) => {
      code = signal ?? status
      resolve(code)
    }),
  )
  const url = await until('ready', readyMsMax, () => {
    if (code !== undefined) throw new Error(`the server ended with ${code}: ${log}`)
    return /^forebay ready (\S+)$/m.exec(out)?.[1]
  }).catch((error) => {
    child.kill('SIGKILL')
    throw error
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  return {
    url,
    pid: child.pid,
    readyMs: performance.now() - began,
    log: () => log,
    exited,
    ended: () => code,
    call: (path, options) => call(url, agent, path, options),
    query: (sql, more = {}, waitMsMax = 60_000) => call(url, agent, '/v1/query', { body: { sql, ...more }, waitMsMax }),
    /** Processes of a kind that this server has: `node`, `planner` or `footers`. */
    children: (kind) => childrenOf(child.pid).filter((each) => kind === undefined || each.kind === kind),
    kill: async (signal) => {
      child.kill(signal)
      const ended = await exited
      agent.destroy()
      return ended
    },
  }
}

/** Status and JSON of a call. Rejects when the connection breaks or nothing comes for `waitMsMax`. */
export function call(url, agent, path, { method, body, headers = {}, waitMsMax = 60_000 } = {}) {
  const payload = body === undefined ? undefined : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const sent = request(
      url + path,
      {
        agent,
        method: method ?? (payload === undefined ? 'GET' : 'POST'),
        headers: {
          ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
          ...headers,
        },
      },
      (response) => {
        const parts = []
        response.on('data', (part) => parts.push(part))
        response.on('error', reject)
        response.on('end', () => {
          clearTimeout(timer)
          const text = Buffer.concat(parts).toString()
          let json
          try {
            json = JSON.parse(text)
          } catch {
            json = undefined
          }
          resolve({ status: response.statusCode, headers: response.headers, text, body: json, error: json?.error })
        })
      },
    )
    const timer = setTimeout(
      () => sent.destroy(Object.assign(new Error(`no answer within ${waitMsMax} ms`), { hang: true })),
      waitMsMax,
    )
    sent.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    sent.end(payload)
  })
}

const kinds = [
  ['node', /\/node\/main\.js/],
  ['footers', /\/footers\/main\.js/],
  ['planner', /\/sql\/main\.js/],
]

/** Processes whose parent is `parent`, by what they run. */
export function childrenOf(parent) {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) !== parent) return []
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8')
      return [{ pid: Number(name), kind: kinds.find(([, pattern]) => pattern.test(command))?.[0] ?? 'other' }]
    } catch {
      return []
    }
  })
}

/** True while a process runs; one that has ended and waits to be reaped does not. */
export function isAlive(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return !'ZX'.includes(stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3))
  } catch {
    return false
  }
}

/** Sends a signal; a process that has just ended is no failure. */
export function signalTo(pid, signal) {
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}

/** Resident bytes and open descriptors of a process. */
export function usageOf(pid) {
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  return { rss, descriptors: readdirSync(`/proc/${pid}/fd`).length }
}

/** CPU time of a process so far, in the kernel's ticks; 0 when it has ended. */
export function cpuTicks(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(fields[11]) + Number(fields[12])
  } catch {
    return 0
  }
}
