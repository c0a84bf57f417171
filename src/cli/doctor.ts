import { readdir, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { availableParallelism, totalmem } from 'node:os'
import { ForebayError, toErrorRecord } from '../model/errors.js'
import type { ServerConfiguration } from '../server/configuration.js'
import { openStateFolder } from '../server/state-folder.js'
import type { CommandContext } from './context.js'
import { UsageError } from './exit-code.js'
import { bytesText, printJson, printTable } from './output.js'
import { toldConfiguration } from './serve.js'

interface Finding {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'failed'
  readonly detail: string
  readonly hint?: string
}
type Verdict = Omit<Finding, 'check'>

const ok = (detail: string): Verdict => ({ state: 'ok', detail })
const warning = (detail: string, hint: string): Verdict => ({ state: 'warning', detail, hint })

/** `forebay doctor`: fails when something is in the way of a server. */
export async function doctor(context: CommandContext): Promise<void> {
  const { output } = context
  const findings: Finding[] = [await check('Node', node)]
  let configuration: ServerConfiguration | undefined
  findings.push(
    await check('configuration', async () => {
      configuration = toldConfiguration(context)
      return ok('every key is understood')
    }),
  )
  findings.push(await check('DuckDB', duckdb), await check('SQLite', sqlite))
  if (configuration !== undefined) {
    const known = configuration
    findings.push(
      await check('data folder', () => dataFolder(known)),
      await check('state folder', () => stateFolder(known)),
      await check('disk', () => disk(known)),
      await check('memory', () => memory(known)),
      await check('port', () => port(known)),
    )
  }
  if (output.json) await printJson(output, findings)
  else {
    await printTable(
      output,
      ['check', 'state', 'what was found', 'try'],
      findings.map(({ check: name, state, detail, hint }) => [name, state, detail, hint ?? '']),
    )
  }
  const failed = findings.filter(({ state }) => state === 'failed')
  if (failed.length > 0)
    throw new ForebayError('UNAVAILABLE', `${failed.map(({ check: name }) => name).join(', ')}: not in order`, {
      hint: failed.find(({ hint }) => hint !== undefined)?.hint ?? 'mend what the lines above name',
    })
}

async function check(name: string, run: () => Promise<Verdict> | Verdict): Promise<Finding> {
  try {
    return { check: name, ...(await run()) }
  } catch (error) {
    const { message, hint } = error instanceof UsageError ? error : toErrorRecord(error)
    return { check: name, state: 'failed', detail: message, ...(hint === undefined ? {} : { hint }) }
  }
}

function node(): Verdict {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return ok(`${process.version}, ${availableParallelism()} cores`)
  throw new ForebayError('CONFIGURATION_INVALID', `Node ${process.version} is too old`, { hint: 'Node 20.19 or newer is needed' })
}

async function duckdb(): Promise<Verdict> {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const reader = await connection.runAndReadAll('SELECT version()')
  connection.closeSync()
  instance.closeSync()
  return ok(String(reader.getRows()[0]?.[0]))
}

async function sqlite(): Promise<Verdict> {
  const { DatabaseSync } = await import('@photostructure/sqlite')
  const database = new DatabaseSync(':memory:')
  const row = database.prepare('SELECT sqlite_version() AS version').get() as { version: string }
  database.close()
  return ok(row.version)
}

async function dataFolder({ data }: ServerConfiguration): Promise<Verdict> {
  const names = await readdir(data, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new ForebayError('CONFIGURATION_INVALID', `data folder ${data} is not readable: ${error.message}`)
  })
  if (names === undefined)
    return warning(`${data} is not there`, 'make it and put Parquet files into it, or name another with --data DIR')
  const found = names.filter((entry) => !/^[_.]/.test(entry.name) && (entry.isDirectory() || entry.name.endsWith('.parquet')))
  if (found.length === 0) return warning(`${data} holds no tables`, 'put NAME.parquet or NAME/*.parquet into it')
  return ok(`${data}: ${found.length} tables`)
}

/** Takes the lock for a moment; a server that runs on the folder is no fault. */
function stateFolder({ state, limits }: ServerConfiguration): Verdict {
  try {
    openStateFolder(state, limits.diskFree).release()
    return ok(`${state} is writable`)
  } catch (error) {
    if (error instanceof ForebayError && error.code === 'STATE_IN_USE') return warning(error.message, error.hint ?? '')
    throw error
  }
}

async function disk({ state, disk: wanted }: ServerConfiguration): Promise<Verdict> {
  const { bavail, bsize } = await statfs(state)
  const free = bavail * bsize
  if (free >= wanted) return ok(`${bytesText(free)} free`)
  return warning(
    `${bytesText(free)} are free, the configuration allows ${bytesText(wanted)}`,
    `use --disk ${Math.floor(free / 2e9)}GB`,
  )
}

function memory({ memory: wanted, nodes }: ServerConfiguration): Verdict {
  const total = totalmem()
  if (wanted > total * 0.8) {
    return warning(`${bytesText(wanted)} for nodes of ${bytesText(total)}`, `use --memory ${Math.floor((total * 0.6) / 1e9)}GB`)
  }
  const each = wanted / nodes
  if (each < 128e6)
    return warning(`${bytesText(each)} for each of ${nodes} nodes is little`, 'use fewer --nodes or more --memory')
  return ok(`${bytesText(wanted)} for ${nodes} nodes of ${bytesText(total)}`)
}

async function port({ host, port: wanted }: ServerConfiguration): Promise<Verdict> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(wanted, host, resolve)
    })
    return ok(`${host}:${wanted} is free`)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') return warning(`${host}:${wanted} is taken`, 'another server may run; --port 0 takes a free port')
    throw new ForebayError('CONFIGURATION_INVALID', `${host}:${wanted} cannot be used: ${message}`)
  } finally {
    server.close()
  }
}
