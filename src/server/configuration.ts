/**
 * What a server is told: flags of `forebay serve`, then environment variables, then forebay.yaml, then defaults; the first that
 * names a key wins. Everything is checked here, before anything is opened, and every complaint names the key and its source.
 */
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { parse } from 'yaml'
import { z } from 'zod'
import { parseProvisioner } from '../allocate/provisioner-url.js'
import { ForebayError } from '../model/errors.js'
import { parseBytes, parseDurationMs } from '../model/units.js'
import { parseQueueUrl } from '../queue/queue-url.js'
import { lineageStores } from './lineage-stores.js'
import { openLineageFromEnvironment } from './open-lineage-environment.js'
import { plainProblem } from './plain-problem.js'

const bytes = (key: string, min: number) =>
  z.union([z.string(), z.number()]).transform((value, context) => {
    try {
      const parsed = parseBytes(String(value), key)
      if (parsed >= min) return parsed
      context.addIssue(`must be at least ${min} bytes`)
    } catch (error) {
      context.addIssue((error as Error).message)
    }
    return z.NEVER
  })
const duration = (key: string) =>
  z.union([z.string(), z.number()]).transform((value, context) => {
    try {
      return parseDurationMs(String(value), key)
    } catch (error) {
      context.addIssue((error as Error).message)
      return z.NEVER
    }
  })
const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
const path = z.string().min(1)

const limitsSchema = z
  .strictObject({
    sqlBytes: bytes('limits.sqlBytes', 1).default(1_000_000),
    importBytes: bytes('limits.importBytes', 1).default(2_000_000_000),
    /** Largest request of OpenLineage events, packed or not. */
    lineageBytes: bytes('limits.lineageBytes', 1).default(64_000_000),
    resultBytes: bytes('limits.resultBytes', 1).default(4_000_000_000),
    connections: whole(1, 100_000).default(1_000),
    runningQueries: whole(1, 10_000).default(64),
    queuedQueries: whole(1, 1_000_000).default(1_000),
    queryTimeout: duration('limits.queryTimeout').default(300_000),
    /** A request must have arrived whole within this time, an import with its file; 0 is without end. */
    requestTimeout: duration('limits.requestTimeout').default(3_600_000),
    /** A client that takes no byte of its answer for so long is cut off. */
    idleSocket: duration('limits.idleSocket').default(60_000),
    eventStreams: whole(0, 10_000).default(100),
    diskFree: bytes('limits.diskFree', 0).default(100_000_000),
  })
  .prefault({})

const openLineageSchema = z
  .strictObject({
    /** Receiver of events over HTTP, e.g. http://marquez:5000. */
    url: z.url({ protocol: /^https?$/ }).optional(),
    endpoint: z.string().min(1).default('api/v1/lineage'),
    apiKey: z.string().min(1).optional(),
    compression: z.enum(['none', 'gzip']).default('none'),
    /** File that gets one event a line, when there is no url. */
    file: path.optional(),
    namespace: z.string().min(1).max(1_024).default('forebay'),
    /** What of a query's text is told. */
    sql: z.enum(['text', 'template', 'none']).default('text'),
    bufferEvents: whole(1, 1_000_000).default(10_000),
    timeout: duration('openLineage.timeout').default(5_000),
  })
  .optional()

const schema = z.strictObject({
  data: path.default('./data'),
  state: path.default('./.forebay'),
  host: z.string().min(1).default('127.0.0.1'),
  port: whole(0, 65_535).default(4180),
  nodes: whole(1, 256).default(availableParallelism()),
  tree: z.enum(['auto', 'always', 'never']).default('auto'),
  memory: bytes('memory', 64_000_000).default(2_000_000_000),
  disk: bytes('disk', 10_000_000).default(20_000_000_000),
  tokenFile: path.optional(),
  tls: z.strictObject({ certFile: path, keyFile: path }).optional(),
  engine: z.enum(['embedded', 'trino']).default('embedded'),
  /** Graph databases besides the embedded graph: URLs, as a list or apart by commas. */
  lineage: z
    .union([z.string(), z.array(z.string())])
    .transform((given) =>
      (typeof given === 'string' ? given.split(',') : given).map((url) => url.trim()).filter((url) => url !== ''),
    )
    .default([]),
  /** The store that answers questions about lineage: sqlite, neo4j, janusgraph. */
  lineageReads: z.string().min(1).default('sqlite'),
  queue: z.string().min(1).default('embedded'),
  /** Who gives and takes nodes: `processes`, or `kubernetes://…` and `aws://…` for a distributed engine. */
  provisioner: z.string().min(1).default('processes'),
  proactive: z.enum(['on', 'forecast-only', 'off']).default('on'),
  /** Who is told of every query, as OpenLineage events; nobody by default. */
  openLineage: openLineageSchema,
  /** Names besides loopback's by which clients may call the server. */
  allowedHosts: z.array(z.string().min(1)).max(100).default([]),
  /** Origins besides its own whose pages may call the server. */
  allowedOrigins: z
    .array(z.url({ protocol: /^https?$/ }))
    .max(100)
    .default([]),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  /** Nodes stop after so long without a query; 0 keeps them. */
  keepAlive: duration('keepAlive').default(0),
  nodesMin: whole(0, 256).default(0),
  /** Share of forecasts that are not acted on, so that there is something to compare with. */
  heldOutShare: z.coerce.number().min(0).max(0.5).default(0.05),
  /** Waiting for running queries and imports at a graceful shutdown. */
  drain: duration('drain').default(30_000),
  limits: limitsSchema,
})

/** A checked configuration; paths are absolute. */
export type ServerConfiguration = Readonly<z.output<typeof schema>>

/** Values by key as flags, the environment or a file give them; absent ones are undefined. */
export type RawConfiguration = Readonly<Record<string, unknown>>

export interface ConfigurationSources {
  readonly flags?: RawConfiguration
  readonly environment?: NodeJS.ProcessEnv
  /** File of `--config`; without it forebay.yaml of the working folder is read when it exists. */
  readonly file?: string
  readonly folder?: string
}

const environmentKeys: Readonly<Record<string, string>> = {
  FOREBAY_DATA: 'data',
  FOREBAY_STATE: 'state',
  FOREBAY_HOST: 'host',
  FOREBAY_PORT: 'port',
  FOREBAY_NODES: 'nodes',
  FOREBAY_TREE: 'tree',
  FOREBAY_MEMORY: 'memory',
  FOREBAY_DISK: 'disk',
  FOREBAY_TOKEN_FILE: 'tokenFile',
  FOREBAY_ENGINE: 'engine',
  FOREBAY_LINEAGE: 'lineage',
  FOREBAY_LINEAGE_READS: 'lineageReads',
  FOREBAY_QUEUE: 'queue',
  FOREBAY_PROVISIONER: 'provisioner',
  FOREBAY_PROACTIVE: 'proactive',
  FOREBAY_LOG_LEVEL: 'logLevel',
}

/** Reads, merges and checks all sources. Throws CONFIGURATION_INVALID, which names the key. */
export function readConfiguration(sources: ConfigurationSources = {}): ServerConfiguration {
  const folder = sources.folder ?? process.cwd()
  const file = readFile(folder, sources.file)
  const environment = fromEnvironment(sources.environment ?? {})
  const openLineage = joinedOpenLineage(file.values.openLineage, sources.environment ?? {})
  const merged = { ...file.values, ...environment, ...openLineage, ...defined(sources.flags ?? {}) }
  const checked = schema.safeParse(merged, { error: plainProblem })
  if (!checked.success) throw invalid(checked.error, file.name)
  checkAddresses(checked.data, sources.environment)
  return absolute(checked.data, folder)
}

/** Addresses of brokers, graph databases and providers of nodes are read again by who opens them. */
function checkAddresses({ queue, lineage, provisioner }: z.output<typeof schema>, environment: NodeJS.ProcessEnv = {}): void {
  if (queue !== 'embedded') parseQueueUrl(queue, environment)
  lineageStores(lineage)
  parseProvisioner(provisioner)
}

function readFile(folder: string, named: string | undefined): { readonly values: RawConfiguration; readonly name: string } {
  const name = resolve(folder, named ?? 'forebay.yaml')
  if (named === undefined && !existsSync(name)) return { values: {}, name }
  let values: unknown
  try {
    values = parse(readFileSync(name, 'utf8')) ?? {}
  } catch (error) {
    throw new ForebayError('CONFIGURATION_INVALID', `configuration file ${name} cannot be read: ${(error as Error).message}`, {
      hint: 'the file is YAML with one key a line, e.g. port: 4180',
      cause: error,
    })
  }
  if (typeof values !== 'object' || Array.isArray(values)) {
    throw new ForebayError('CONFIGURATION_INVALID', `configuration file ${name} is not a list of keys`, {
      hint: 'the file is YAML with one key a line, e.g. port: 4180',
    })
  }
  return { values: values as RawConfiguration, name }
}

function fromEnvironment(environment: NodeJS.ProcessEnv): RawConfiguration {
  const entries = Object.entries(environmentKeys).map(([name, key]) => [key, environment[name]] as const)
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined && value !== ''))
}

/** The clients' own variables win over the file, key by key. */
function joinedOpenLineage(ofFile: unknown, environment: NodeJS.ProcessEnv): RawConfiguration {
  const given = openLineageFromEnvironment(environment)
  if (given === undefined) return {}
  return { openLineage: given === 'off' ? undefined : { ...(ofFile as RawConfiguration | undefined), ...given } }
}

const defined = (values: RawConfiguration): RawConfiguration =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))

function invalid(error: z.ZodError, file: string): ForebayError {
  const [issue] = error.issues
  const key = issue?.path.join('.') || (issue?.code === 'unrecognized_keys' ? (issue.keys[0] ?? '') : '')
  const unknown = issue?.code === 'unrecognized_keys'
  const name = unknown && issue.path.length > 0 ? `${issue.path.join('.')}.${issue.keys[0] ?? ''}` : key
  const message = unknown ? `unknown configuration key "${name}"` : `configuration key "${name}": ${issue?.message ?? 'is wrong'}`
  return new ForebayError('CONFIGURATION_INVALID', message, {
    hint: `look at the flags, the FOREBAY_ variables and ${file}; docs/configuration.md lists every key`,
  })
}

function absolute(values: z.output<typeof schema>, folder: string): ServerConfiguration {
  return {
    ...values,
    data: resolve(folder, values.data),
    state: resolve(folder, values.state),
    ...(values.tokenFile === undefined ? {} : { tokenFile: resolve(folder, values.tokenFile) }),
    ...(values.openLineage?.file === undefined
      ? {}
      : { openLineage: { ...values.openLineage, file: resolve(folder, values.openLineage.file) } }),
    ...(values.tls === undefined
      ? {}
      : { tls: { certFile: resolve(folder, values.tls.certFile), keyFile: resolve(folder, values.tls.keyFile) } }),
  }
}

const loopbackHosts = new Set(['127.0.0.1', 'localhost', '::1', '[::1]'])

/** True where only this machine can connect. */
export const isLoopback = (host: string): boolean => loopbackHosts.has(host) || /^127\.\d+\.\d+\.\d+$/.test(host)

/** What guards the door: nothing but Host and Origin on loopback, a token over TLS elsewhere. */
export interface Credentials {
  readonly token: string | undefined
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined
}

/** Reads token and TLS files. Throws CONFIGURATION_INVALID when the server would be open to others without them. */
export function readCredentials(configuration: ServerConfiguration): Credentials {
  const token =
    configuration.tokenFile === undefined ? undefined : readSecret(configuration.tokenFile, 'tokenFile').toString().trim()
  if (token !== undefined && token.length < 16) {
    throw new ForebayError('CONFIGURATION_INVALID', `configuration key "tokenFile": the token is shorter than 16 characters`, {
      hint: 'make one with: openssl rand -hex 32 > token',
    })
  }
  const { tls } = configuration
  const pair = tls && { cert: readSecret(tls.certFile, 'tls.certFile'), key: readSecret(tls.keyFile, 'tls.keyFile') }
  if (pair !== undefined) checkPair(pair)
  if (!isLoopback(configuration.host) && (token === undefined || pair === undefined)) {
    throw new ForebayError(
      'CONFIGURATION_INVALID',
      `configuration key "host": ${configuration.host} is reachable from other machines, which needs a token and TLS`,
      { hint: 'add --token-file FILE, --tls-cert FILE and --tls-key FILE, or use --host 127.0.0.1' },
    )
  }
  return { token, tls: pair }
}

function checkPair(pair: { readonly cert: Buffer; readonly key: Buffer }): void {
  try {
    createSecureContext(pair)
  } catch (error) {
    throw new ForebayError('CONFIGURATION_INVALID', `configuration key "tls": ${(error as Error).message}`, {
      hint: '--tls-cert FILE is a certificate and --tls-key FILE is its key, both in PEM',
      cause: error,
    })
  }
}

function readSecret(file: string, key: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new ForebayError('CONFIGURATION_INVALID', `configuration key "${key}": ${(error as Error).message}`, { cause: error })
  }
}
