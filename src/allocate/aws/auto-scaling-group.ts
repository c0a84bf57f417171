/**
 * A scaling group of AWS. Forebay sets its desired capacity and never its minimum or maximum; a machine that goes is named, so that it
 * is the one that was drained. Credentials, region and endpoint come from where AWS's own tools take them.
 */
import type {
  AutoScalingClient,
  AutoScalingClientConfig,
  AutoScalingGroup as Description,
  Instance,
} from '@aws-sdk/client-auto-scaling'
import { GroupError, type GroupView, type Machine, type MachineGroup } from '../group/machine-group.js'

export interface AutoScalingOptions {
  readonly groupName: string
  readonly region: string
  /** Only for emulators and private endpoints. */
  readonly endpoint?: string
  /** State of machines that are kept prepared. */
  readonly warmPool?: 'Stopped' | 'Hibernated' | 'Running'
}

type Sdk = typeof import('@aws-sdk/client-auto-scaling')

/** Loads AWS's client; no call is made yet. */
export async function openAutoScalingGroup(options: AutoScalingOptions): Promise<MachineGroup> {
  const sdk = await import('@aws-sdk/client-auto-scaling')
  // Repeated by us, with our clock and our reasons.
  const config: AutoScalingClientConfig = { region: options.region, maxAttempts: 1 }
  const client = new sdk.AutoScalingClient(options.endpoint === undefined ? config : { ...config, endpoint: options.endpoint })
  return new AutoScalingGroup(options, client, sdk)
}

const protectedMax = 50

class AutoScalingGroup implements MachineGroup {
  readonly name: string
  readonly #options: AutoScalingOptions
  readonly #client: AutoScalingClient
  readonly #sdk: Sdk

  constructor(options: AutoScalingOptions, client: AutoScalingClient, sdk: Sdk) {
    this.name = `scaling group "${options.groupName}"`
    this.#options = options
    this.#client = client
    this.#sdk = sdk
  }

  async observe(signal: AbortSignal): Promise<GroupView> {
    const { DescribeAutoScalingGroupsCommand } = this.#sdk
    const { groupName } = this.#options
    const command = new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [groupName] })
    const { AutoScalingGroups } = await this.#ask('DescribeAutoScalingGroups', () =>
      this.#client.send(command, { abortSignal: signal }),
    )
    const found: Description | undefined = AutoScalingGroups?.[0]
    if (found === undefined) {
      throw new GroupError('missing', `AWS knows no such group in ${this.#options.region}`, { hint: 'check its name and region' })
    }
    const desired = found.DesiredCapacity ?? 0
    const machines = (found.Instances ?? []).flatMap(machineOf)
    const reason = machines.length < desired ? await this.#failure(signal) : undefined
    return { desired, machines, ...(reason === undefined ? {} : { reason }) }
  }

  async resize(count: number, signal: AbortSignal): Promise<void> {
    const { SetDesiredCapacityCommand } = this.#sdk
    const { groupName } = this.#options
    const command = new SetDesiredCapacityCommand({
      AutoScalingGroupName: groupName,
      DesiredCapacity: count,
      HonorCooldown: false,
    })
    await this.#ask('SetDesiredCapacity', () => this.#client.send(command, { abortSignal: signal }))
  }

  async remove(machine: string, signal: AbortSignal): Promise<void> {
    const { TerminateInstanceInAutoScalingGroupCommand } = this.#sdk
    const command = new TerminateInstanceInAutoScalingGroupCommand({ InstanceId: machine, ShouldDecrementDesiredCapacity: true })
    try {
      await this.#ask('TerminateInstanceInAutoScalingGroup', () => this.#client.send(command, { abortSignal: signal }))
    } catch (error) {
      // The answer to an earlier try was lost: it is gone.
      if (error instanceof GroupError && error.fault === 'invalid' && /not found|not in/i.test(error.message)) return
      throw error
    }
  }

  async protect(machines: readonly string[], working: boolean, signal: AbortSignal): Promise<void> {
    const { SetInstanceProtectionCommand } = this.#sdk
    for (let from = 0; from < machines.length; from += protectedMax) {
      const command = new SetInstanceProtectionCommand({
        AutoScalingGroupName: this.#options.groupName,
        InstanceIds: machines.slice(from, from + protectedMax),
        ProtectedFromScaleIn: working,
      })
      await this.#ask('SetInstanceProtection', () => this.#client.send(command, { abortSignal: signal }))
    }
  }

  async prepare(count: number, signal: AbortSignal): Promise<void> {
    const { groupName, warmPool } = this.#options
    if (warmPool === undefined) return
    const { PutWarmPoolCommand } = this.#sdk
    // Prepared capacity counts the machines in service too: −1 leaves the bound to the group's maximum.
    const command = new PutWarmPoolCommand({
      AutoScalingGroupName: groupName,
      MinSize: count,
      MaxGroupPreparedCapacity: -1,
      PoolState: warmPool,
      InstanceReusePolicy: { ReuseOnScaleIn: true },
    })
    await this.#ask('PutWarmPool', () => this.#client.send(command, { abortSignal: signal }))
  }

  async close(): Promise<void> {
    this.#client.destroy()
  }

  /** Why machines do not come; nothing when AWS does not say, or does not let us ask. What failed before one came is over. */
  async #failure(signal: AbortSignal): Promise<string | undefined> {
    const { DescribeScalingActivitiesCommand } = this.#sdk
    const command = new DescribeScalingActivitiesCommand({ AutoScalingGroupName: this.#options.groupName, MaxRecords: 5 })
    const answer = await this.#client.send(command, { abortSignal: signal }).catch(() => undefined)
    const last = answer?.Activities?.find(({ StatusCode, Description }) => {
      return StatusCode === 'Failed' || (StatusCode === 'Successful' && Description?.startsWith('Launching') === true)
    })
    return last?.StatusCode === 'Failed' ? last.StatusMessage?.slice(0, 300) : undefined
  }

  async #ask<T>(action: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      throw faultOf(error, action)
    }
  }
}

/** Machines of the warm pool are none of ours until they are in service. */
function machineOf({ InstanceId, LifecycleState, HealthStatus, ProtectedFromScaleIn }: Instance): Machine[] {
  if (InstanceId === undefined || LifecycleState === undefined || LifecycleState.startsWith('Warmed')) return []
  return [{ id: InstanceId, state: stateOf(LifecycleState, HealthStatus), protected: ProtectedFromScaleIn === true }]
}

function stateOf(lifecycle: string, health: string | undefined): Machine['state'] {
  if (lifecycle.startsWith('Pending')) return 'starting'
  if (lifecycle !== 'InService') return 'stopping'
  return health === 'Unhealthy' ? 'lost' : 'ready'
}

const throttlings = ['Throttling', 'ThrottlingException', 'RequestLimitExceeded', 'TooManyRequestsException', 'SlowDown']
const refusals = ['AccessDenied', 'AccessDeniedException', 'UnauthorizedOperation', 'AuthFailure']
const strangers = ['InvalidClientTokenId', 'ExpiredToken', 'SignatureDoesNotMatch', 'UnrecognizedClientException']
/** Worth another try: something else is changing the group at this moment. */
const passing = [
  'ScalingActivityInProgress',
  'ScalingActivityInProgressFault',
  'ResourceContention',
  'ResourceContentionFault',
  'ServiceUnavailable',
  'InternalFailure',
]

/** Only the code and the message of AWS, never the request. */
function faultOf(error: unknown, action: string): GroupError {
  const {
    name = 'Error',
    message = '',
    $metadata,
  } = error as {
    name?: string
    message?: string
    $metadata?: { httpStatusCode?: number }
  }
  const status = $metadata?.httpStatusCode
  const said = `AWS answered ${action} with ${name}: ${message.slice(0, 300)}`
  if (throttlings.includes(name) || status === 429) return new GroupError('throttled', said)
  if (name === 'CredentialsProviderError') {
    return new GroupError('denied', 'no credentials of AWS were found', {
      hint: 'give them by the environment, AWS_PROFILE or the role of the instance',
    })
  }
  if (strangers.includes(name))
    return new GroupError('denied', `AWS does not know these credentials (${name})`, { hint: 'renew them' })
  if (refusals.includes(name) || status === 403) {
    return new GroupError('denied', said, { hint: `allow autoscaling:${action} for this group: docs/clouds.md has the policy` })
  }
  if (status === undefined || status >= 500 || passing.includes(name)) {
    return new GroupError('transient', status === undefined ? `AWS does not answer ${action}: ${name}` : said)
  }
  return new GroupError('invalid', said)
}
