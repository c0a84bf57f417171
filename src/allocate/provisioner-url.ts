/**
 * Which provisioner, as the configuration names it:
 *
 *   processes
 *   kubernetes://NAMESPACE/NAME?group=apps&version=v1&plural=statefulsets&readiness=readyReplicas&max=10&memory=8GB
 *   aws://REGION/GROUP?max=10&memory=8GB&warmPool=Stopped
 *
 * and for both `mode=act|forecast-only` and `bootTimeout=15m`. Credentials never stand here: Kubernetes takes them from KUBECONFIG or
 * the service account, AWS from its own chain.
 */
import type { Clock } from '../model/clock.js'
import { ForebayError } from '../model/errors.js'
import { parseBytes, parseDurationMs } from '../model/units.js'
import { type AutoScalingOptions, openAutoScalingGroup } from './aws/auto-scaling-group.js'
import { GroupProvisioner, type GroupProvisionerOptions } from './group/group-provisioner.js'
import { openKubernetesGroup, type ScalableResource } from './kubernetes/kubernetes-group.js'

interface Common {
  readonly nodesMax: number
  readonly memoryBytes: number
  readonly mode: 'act' | 'forecast-only'
  readonly bootMsMax: number
}
export type ProvisionerChoice =
  | { readonly kind: 'processes' }
  | ({ readonly kind: 'kubernetes'; readonly resource: ScalableResource } & Common)
  | ({ readonly kind: 'aws'; readonly group: AutoScalingOptions } & Common)

const nodesMaxMost = 10_000
const common = ['max', 'memory', 'mode', 'bootTimeout']

/** Reads the configuration's text. Throws CONFIGURATION_INVALID, which names what is wrong. */
export function parseProvisioner(text: string): ProvisionerChoice {
  if (text === 'processes') return { kind: 'processes' }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'kubernetes:') return kubernetes(url)
  if (url?.protocol === 'aws:') return aws(url)
  throw invalid(`"${shown(text)}" is none`, 'use processes, kubernetes://NAMESPACE/NAME?… or aws://REGION/GROUP?…')
}

/** Opens a provisioner of machines beyond this one. */
export async function openProvisioner(
  choice: Exclude<ProvisionerChoice, { kind: 'processes' }>,
  rest: Pick<GroupProvisionerOptions, 'drain' | 'onDecision' | 'pollMs'> & { readonly clock: Clock },
): Promise<GroupProvisioner> {
  const { nodesMax, memoryBytes, mode, bootMsMax } = choice
  const group = choice.kind === 'aws' ? await openAutoScalingGroup(choice.group) : await openKubernetesGroup(choice.resource)
  return new GroupProvisioner({ ...rest, group, nodesMax, memoryBytes, mode, bootMsMax, random: Math.random })
}

/** Why machines of a cloud cannot be nodes of the embedded engine; undefined where they are not asked for. */
export function refusalOfEmbedded(choice: ProvisionerChoice): ForebayError | undefined {
  if (choice.kind === 'processes') return undefined
  const name = choice.kind === 'aws' ? 'AWS Auto Scaling' : 'Kubernetes'
  return new ForebayError(
    'CONFIGURATION_INVALID',
    `configuration key "provisioner": ${name} sizes the workers of a distributed engine, but the nodes of the embedded engine are ` +
      'processes of this machine that share its files, so another machine could not be one of them',
    { hint: 'leave --provisioner away, or use an engine that is distributed' },
  )
}

function kubernetes(url: URL): ProvisionerChoice {
  const name = nameOf(url, 'NAMESPACE/NAME')
  allow(url, ['group', 'version', 'plural', 'readiness'])
  const get = (key: string, standard: string): string => url.searchParams.get(key) ?? standard
  return {
    kind: 'kubernetes',
    resource: {
      namespace: url.hostname,
      name,
      group: get('group', 'apps'),
      version: get('version', 'v1'),
      plural: get('plural', 'statefulsets'),
      readiness: oneOf(url, 'readiness', ['readyReplicas', 'replicas']),
    },
    ...commonOf(url),
  }
}

function aws(url: URL): ProvisionerChoice {
  const groupName = nameOf(url, 'REGION/GROUP')
  allow(url, ['endpoint', 'warmPool'])
  const endpoint = endpointOf(url)
  const pool = url.searchParams.has('warmPool') ? oneOf(url, 'warmPool', ['Stopped', 'Hibernated', 'Running']) : undefined
  const group: AutoScalingOptions = {
    groupName,
    region: url.hostname,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(pool === undefined ? {} : { warmPool: pool }),
  }
  return { kind: 'aws', group, ...commonOf(url) }
}

function endpointOf(url: URL): string | undefined {
  const text = url.searchParams.get('endpoint')
  if (text === null) return undefined
  const endpoint = URL.canParse(text) ? new URL(text) : undefined
  if (endpoint === undefined || !/^https?:$/.test(endpoint.protocol)) {
    throw invalid('endpoint is no address', 'the form is endpoint=https%3A%2F%2FHOST%3APORT')
  }
  refuseCredentials(endpoint)
  return text
}

function commonOf(url: URL): Common {
  const hint = 'say the most machines that Forebay may ask for, e.g. max=10'
  const text = url.searchParams.get('max')
  if (text === null) throw invalid('max is missing', hint)
  const max = Number(text)
  if (!Number.isInteger(max) || max < 1 || max > nodesMaxMost) {
    throw invalid(`max: "${text}" is no whole number from 1 to ${nodesMaxMost}`, hint)
  }
  return {
    nodesMax: max,
    memoryBytes: parseBytes(url.searchParams.get('memory') ?? '8GB', 'provisioner.memory'),
    mode: oneOf(url, 'mode', ['act', 'forecast-only']),
    bootMsMax: parseDurationMs(url.searchParams.get('bootTimeout') ?? '15m', 'provisioner.bootTimeout'),
  }
}

function nameOf(url: URL, form: string): string {
  refuseCredentials(url)
  const name = decoded(url.pathname.slice(1))
  if (url.hostname === '' || name === '' || name.includes('/')) {
    throw invalid(
      `${shown(`${url.protocol}//${url.host}${url.pathname}`)} is not complete`,
      `the form is ${url.protocol}//${form}`,
    )
  }
  return name
}

/** Without what stands before an @: it may be a secret, and one with a slash is no longer a URL's credentials. */
function shown(text: string): string {
  return text.replace(/^(\w+:\/\/)?.*@/s, '$1…@')
}

function refuseCredentials(url: URL): void {
  if (url.username === '' && url.password === '') return
  throw invalid('credentials do not belong here', 'remove what stands before the @')
}

/** Empty where a percent sign begins no character. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}

function allow(url: URL, keys: readonly string[]): void {
  const unknown = [...url.searchParams.keys()].find((key) => ![...keys, ...common].includes(key))
  if (unknown !== undefined) throw invalid(`"${unknown}" is not known`, `known are ${[...keys, ...common].join(', ')}`)
}

function oneOf<T extends string>(url: URL, key: string, values: readonly [T, ...T[]]): T {
  const value = url.searchParams.get(key)
  if (value === null) return values[0]
  const known = values.find((each) => each === value)
  if (known === undefined) throw invalid(`${key}: "${value}" is not known`, `use ${values.join(' or ')}`)
  return known
}

function invalid(message: string, hint: string): ForebayError {
  return new ForebayError('CONFIGURATION_INVALID', `configuration key "provisioner": ${message}`, { hint })
}
