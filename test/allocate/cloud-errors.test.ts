/** What the adapters make of a cloud's refusals. The answers are those that Kubernetes and AWS give; only who gives them is local. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openAutoScalingGroup } from '../../src/allocate/aws/auto-scaling-group.js'
import { GroupError } from '../../src/allocate/group/machine-group.js'
import { openKubernetesGroup } from '../../src/allocate/kubernetes/kubernetes-group.js'

const folder = mkdtempSync(join(tmpdir(), 'forebay-clouds-'))
const secret = 'a-secret-that-nobody-may-see'
interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body: string
}
let answer: Answer
/** One after the other, before the one that is given always. */
let answers: Answer[] = []
let server: Server
let url: string
const { signal } = new AbortController()

beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume()
    const { status, headers, body } = answers.shift() ?? answer
    response.writeHead(status, headers).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: { token: secret } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  }
  writeFileSync(join(folder, 'kubeconfig'), JSON.stringify(config))
  process.env['AWS_ACCESS_KEY_ID'] = 'AKIATESTTESTTEST'
  process.env['AWS_SECRET_ACCESS_KEY'] = secret
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  rmSync(folder, { recursive: true })
})

const told = (error: GroupError): string => `${JSON.stringify(error)} ${error.stack} ${error.message} ${error.hint}`

describe('Kubernetes', () => {
  const refused = async (status: number, message: string, headers: Record<string, string> = {}): Promise<GroupError> => {
    answer = {
      status,
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ kind: 'Status', status: 'Failure', message, code: status }),
    }
    const resource = { namespace: 'trino', name: 'workers', group: 'apps', version: 'v1', plural: 'statefulsets' } as const
    const group = await openKubernetesGroup({ ...resource, readiness: 'readyReplicas' }, join(folder, 'kubeconfig'))
    const error: unknown = await group.resize(3, signal).catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(GroupError)
    expect(told(error as GroupError)).not.toContain(secret)
    return error as GroupError
  }

  it('names the right that is missing', async () => {
    const error = await refused(403, 'statefulsets.apps "workers" is forbidden')
    expect(error.fault).toBe('denied')
    expect(error.message).toContain('is forbidden')
    expect(error.hint).toContain('patch on statefulsets/scale of apps in namespace "trino"')
    expect((await refused(401, 'Unauthorized')).hint).toContain('credentials')
  })

  it('waits as long as it is told to, and tries conflicts and faults again', async () => {
    expect(await refused(429, 'too many requests', { 'retry-after': '7' })).toMatchObject({
      fault: 'throttled',
      retryAfterMs: 7_000,
    })
    expect((await refused(409, 'the object has been modified')).fault).toBe('transient')
    expect((await refused(503, 'etcd is away')).fault).toBe('transient')
    expect((await refused(422, 'replicas: must not be negative')).fault).toBe('invalid')
    expect((await refused(404, 'not found')).fault).toBe('missing')
  })
})

describe('AWS', () => {
  const refused = async (status: number, code: string, message: string): Promise<GroupError> => {
    const xml = `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`
    answer = { status, headers: { 'content-type': 'text/xml' }, body: xml }
    const group = await openAutoScalingGroup({ groupName: 'workers', region: 'us-east-1', endpoint: url })
    const error: unknown = await group.resize(3, signal).catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(GroupError)
    expect(told(error as GroupError)).not.toContain(secret)
    return error as GroupError
  }

  it('names the right that is missing', async () => {
    const error = await refused(403, 'AccessDenied', 'User is not authorized to perform: autoscaling:SetDesiredCapacity')
    expect(error.fault).toBe('denied')
    expect(error.hint).toContain('autoscaling:SetDesiredCapacity')
    expect((await refused(403, 'InvalidClientTokenId', 'The security token is invalid')).message).toContain('credentials')
  })

  it('says where credentials may come from when there are none', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, undefined)
    for (const name of ['AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE']) vi.stubEnv(name, join(folder, 'none'))
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
    const error = await refused(200, '', '').finally(() => vi.unstubAllEnvs())
    expect(error.fault).toBe('denied')
    expect(error.message).toBe('no credentials of AWS were found')
    expect(error.hint).toContain('AWS_PROFILE')
  })

  it('tries again when it is throttled or something else changes the group', async () => {
    expect((await refused(400, 'Throttling', 'Rate exceeded')).fault).toBe('throttled')
    expect((await refused(400, 'ScalingActivityInProgress', 'wait')).fault).toBe('transient')
    expect((await refused(503, 'ServiceUnavailable', 'try later')).fault).toBe('transient')
    expect((await refused(400, 'ValidationError', 'New SetDesiredCapacity value 3 is above max value 2')).fault).toBe('invalid')
  })

  it('says why machines do not come, and nothing of what failed before others came', async () => {
    const observed = async (launches: readonly (readonly [string, string])[]): Promise<string | undefined> => {
      const activities = launches.map(
        ([description, code]) =>
          `<member><Description>${description} an EC2 instance</Description><StatusCode>${code}</StatusCode>` +
          `<StatusMessage>it was ${code}</StatusMessage></member>`,
      )
      const bodies = ['DescribeAutoScalingGroups', 'DescribeScalingActivities'].map((action) => {
        const members =
          action === 'DescribeScalingActivities'
            ? `<Activities>${activities.join('')}</Activities>`
            : '<AutoScalingGroups><member><DesiredCapacity>2</DesiredCapacity></member></AutoScalingGroups>'
        return `<${action}Response><${action}Result>${members}</${action}Result></${action}Response>`
      })
      answers = bodies.map((body) => ({ status: 200, headers: { 'content-type': 'text/xml' }, body }))
      const group = await openAutoScalingGroup({ groupName: 'workers', region: 'us-east-1', endpoint: url })
      return (await group.observe(signal)).reason
    }
    const [inProgress, failed, came, gone] = [
      ['Launching', 'InProgress'],
      ['Launching', 'Failed'],
      ['Launching', 'Successful'],
      ['Terminating', 'Successful'],
    ] as const
    expect(await observed([inProgress, gone, failed, came])).toBe('it was Failed')
    expect(await observed([inProgress, came, failed])).toBeUndefined()
  })
})
