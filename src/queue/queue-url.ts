/**
 * The address of a broker: `amqp://`, `amqps://`, `kafka://` or `kafkas://` (TLS), several hosts of Kafka by commas. Credentials
 * stand in the URL or, better, in the environment: FOREBAY_QUEUE_USER, FOREBAY_QUEUE_PASSWORD, and files in FOREBAY_QUEUE_CA,
 * FOREBAY_QUEUE_CERT and FOREBAY_QUEUE_KEY (or `?ca=`, `?cert=`, `?key=`). `?prefix=` names all queues.
 */
import { readFileSync } from 'node:fs'
import { ForebayError } from '../model/errors.js'

export interface QueueAddress {
  readonly kind: 'rabbitmq' | 'kafka'
  /** `host:port` each. */
  readonly hosts: readonly string[]
  readonly vhost: string
  readonly user: string | undefined
  readonly password: string | undefined
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer } | undefined
  /** How Kafka checks the password. */
  readonly sasl: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly prefix: string | undefined
  /** Whether a majority of RabbitMQ's brokers has each message before it is delivered. */
  readonly replicated: boolean
  /** Without credentials, for people. */
  readonly shown: string
}

const schemes = {
  amqp: { kind: 'rabbitmq', tls: false, port: 5672 },
  amqps: { kind: 'rabbitmq', tls: true, port: 5671 },
  kafka: { kind: 'kafka', tls: false, port: 9092 },
  kafkas: { kind: 'kafka', tls: true, port: 9093 },
} as const
const options = ['prefix', 'ca', 'cert', 'key', 'sasl', 'replicated']
const sasls = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

/** Reads the address and its files. Throws CONFIGURATION_INVALID, which never quotes a password. */
export function parseQueueUrl(url: string, environment: NodeJS.ProcessEnv = process.env): QueueAddress {
  // Not URL: it knows one host only.
  const match = /^([a-z]+):\/\/(?:([^@/?]*)@)?([^/?@]+)(?:\/([^?]*))?(?:\?(.*))?$/i.exec(url)
  const scheme = schemes[(match?.[1] ?? '').toLowerCase() as keyof typeof schemes]
  if (match === null || scheme === undefined) {
    throw invalid('it must be "embedded", or look like amqp://host:5672 or kafka://host:9092')
  }
  const [, name = '', login = '', hostList = '', path = '', search = ''] = match
  const query = new URLSearchParams(search)
  const unknown = [...query.keys()].find((key) => !options.includes(key))
  if (unknown !== undefined) throw invalid(`it has no option "${unknown}"; there are ${options.join(', ')}`)
  const [user, ...rest] = login.split(':')
  const prefix = query.get('prefix') ?? undefined
  if (prefix !== undefined && !/^[A-Za-z0-9_.-]{1,100}$/.test(prefix))
    throw invalid('its prefix has other characters than A-Z a-z 0-9 _ . -')
  const sasl = sasls.find((each) => each === (query.get('sasl') ?? 'plain'))
  if (sasl === undefined) throw invalid(`its option "sasl" must be one of ${sasls.join(', ')}`)
  const replicated = query.get('replicated') ?? 'false'
  if (!['true', 'false'].includes(replicated)) throw invalid('its option "replicated" must be true or false')
  if (scheme.kind === 'kafka' && query.has('replicated')) throw invalid('"replicated" is an option of RabbitMQ')
  const hosts = hostList.split(',').map((host) => (/:\d+$/.test(host) ? host : `${host}:${scheme.port}`))
  if (scheme.kind === 'rabbitmq' && hosts.length > 1)
    throw invalid('RabbitMQ is given one host; put a load balancer before several')
  const part = (text: string | undefined, variable: string): string | undefined =>
    environment[variable] ?? (text === undefined || text === '' ? undefined : decodeURIComponent(text))
  return {
    kind: scheme.kind,
    hosts,
    vhost: path === '' ? '/' : decodeURIComponent(path),
    user: part(user, 'FOREBAY_QUEUE_USER'),
    password: part(rest.length === 0 ? undefined : rest.join(':'), 'FOREBAY_QUEUE_PASSWORD'),
    tls: scheme.tls ? tlsFiles(query, environment) : undefined,
    sasl,
    prefix,
    replicated: replicated === 'true',
    shown: `${name}://${hosts.join(',')}${path === '' ? '' : `/${path}`}`,
  }
}

function tlsFiles(query: URLSearchParams, environment: NodeJS.ProcessEnv): NonNullable<QueueAddress['tls']> {
  const file = (key: string): Buffer | undefined => {
    const path = environment[`FOREBAY_QUEUE_${key.toUpperCase()}`] ?? query.get(key) ?? undefined
    try {
      return path === undefined ? undefined : readFileSync(path)
    } catch (error) {
      throw invalid(`its ${key} cannot be read: ${(error as Error).message}`)
    }
  }
  const [ca, cert, key] = [file('ca'), file('cert'), file('key')]
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
}

function invalid(why: string): ForebayError {
  return new ForebayError('CONFIGURATION_INVALID', `configuration key "queue": ${why}`, {
    hint: 'docs/queues.md shows addresses for RabbitMQ and Kafka',
  })
}
